"""The OpenAI protocol: ``/v1/chat/completions``, streamed as server-sent events.

llama-server, vLLM and Ollama's own ``/v1`` speak it, each with additions of its own that tell its times.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from outpace.engines.alike import Alike
from outpace.engines.answer import Answer
from outpace.engines.base import (
    KEPT_LOADED_S,
    Completion,
    Identity,
    Stream,
    failure_in,
    largest_answer,
    parse_object,
    words,
)
from outpace.engines.busy import in_work
from outpace.engines.cache_headers import heed
from outpace.engines.client import Client
from outpace.engines.comfort import Comfort
from outpace.engines.failures import clean
from outpace.engines.figures import Told, count, number, total
from outpace.engines.noticed import Noticed
from outpace.engines.sse import DONE, Event, Events
from outpace.ground.errors import AnswerUnreadable, BodyCut
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation

PING_PATHS = {"llama-server": "/health", "vllm": "/health", "ollama": "/api/version"}


class OpenAIEngine:
    """An engine behind the OpenAI protocol with one model chosen.

    llama-server's ``timings`` are its work without the wait for a slot; vLLM's ``metrics``, told only with
    ``--enable-per-request-metrics``, run from the request's arrival.
    """

    def __init__(self, client: Client, host: Host, identity: Identity, model: str) -> None:
        self._client = client
        self.host, self.identity, self.model = host, identity, model
        self.server_includes_queue = True
        self.noticed = Noticed()
        self.asks_for_new_answers = False
        """Whether a gateway is asked for answers that are made, in the words of LiteLLM's proxy."""
        self._comfort = Comfort(self.noticed)
        self.elsewhere = identity.offer(model).elsewhere

    @property
    def resets_cache(self) -> bool:
        """Whether it takes a field that keeps a prompt from being answered out of an earlier run's cache."""
        field = {"llama-server": "cache_prompt", "vllm": "cache_salt"}.get(self.identity.engine)
        return field is not None and field not in self._comfort.refused

    async def ping(self) -> None:
        """Ask for health, or the models where the engine has no health to tell. Raises ``RequestFailed``."""
        await self._client.get(self.host, PING_PATHS.get(self.identity.engine, "/v1/models"))

    async def in_work(self) -> int | None:
        """How many requests a llama-server or a vLLM is at; None for others, and where that is switched off."""
        return await in_work(self._client, self.host, self.identity.engine)

    async def generate(
        self, prompt: str, settings: Generation, cache_key: str, heard: Callable[[], None] | None = None
    ) -> Completion:
        """Answer ``prompt``; raises ``RequestFailed``."""

        async def ask(body: dict[str, Any]) -> tuple[Stream, bool]:
            stream = self.listen(settings, heard, largest_answer(prompt, settings))
            path, note = "/v1/chat/completions", partial(heed, self.noticed)
            return stream, await self._client.post(self.host, path, body, stream.feed, note)

        needed, wanted = self._needed(prompt, settings), self._wanted(settings, cache_key)
        stream, whole = await self._comfort.ask(needed, wanted, ask)
        return stream.end(whole=whole)

    def listen(self, settings: Generation, heard: Callable[[], None] | None, limit: int) -> Stream:
        """An answer that begins now, of ``limit`` bytes at most."""
        return _Stream(self, Answer(self.host, settings, heard), limit)

    def _needed(self, prompt: str, settings: Generation) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
        }

    def _wanted(self, settings: Generation, cache_key: str) -> dict[str, Any]:
        """What it can do without; fields that only their own engine knows go to that alone."""
        wanted: dict[str, Any] = {"stream_options": {"include_usage": True}, "seed": settings.seed}
        if self.identity.engine == "llama-server" or not self.server_includes_queue:  # or one behind a proxy
            wanted["cache_prompt"] = False
        elif self.identity.engine == "vllm":
            wanted["cache_salt"] = cache_key
        elif self.identity.engine == "lmstudio":
            wanted["ttl"] = KEPT_LOADED_S
        if self.asks_for_new_answers:
            wanted["cache"] = {"no-cache": True}
        return wanted


class _Stream:
    """What the events of one answer mean."""

    def __init__(self, engine: OpenAIEngine, answer: Answer, limit: int) -> None:
        self._engine, self._host, self._answer = engine, engine.host, answer
        self._events, self._alike = Events(engine.host, limit), Alike()
        self.told: dict[str, dict[str, Any]] = {"usage": {}, "timings": {}, "metrics": {}}
        self._ended = self._usage_last = False

    @property
    def pieces(self) -> int:
        """How many pieces of text there were so far."""
        return self._answer.pieces

    def feed(self, piece: bytes) -> None:
        """Take in what has arrived; raises ``RequestFailed``."""
        for event in self._events.feed(piece):
            if event.name == b"" and (text := self._alike.text_of(event.data)):
                self._usage_last = False
                self._answer.say(text)
            else:
                self._take(event)

    def end(self, *, whole: bool) -> Completion:
        """The whole answer; raises ``RequestFailed``."""
        for event in self._events.end():
            self._take(event)
        return self._completed(self.told, self._answer)

    def spoken_by(self, engine: OpenAIEngine) -> Stream:
        """The same answer, given by another ``engine`` of its protocol."""
        found = copy.copy(self)
        found._engine, found._host, found._answer = engine, engine.host, self._answer.given_by(engine.host)
        return found

    def again(
        self, told: dict[str, dict[str, Any]], settings: Generation, began_s: float, first_s: float | None
    ) -> Completion:
        """As ``end``, of the same answer as it is replayed at another time; raises ``RequestFailed``."""
        return self._completed(told, self._answer.again(settings, began_s, first_s))

    def _take(self, event: Event) -> None:
        data = event.data
        if event.name is None:
            self._raise_for_plain(data)
        if data[:1] != b"{" and data.strip() == DONE:
            self._ended |= self._usage_last
            return
        if event.name == b"error":
            self._raise_for_error_event(data)
            return
        found = parse_object(self._host, data)
        if b"error" in data and (error := failure_in(self._host, found, data)):
            raise error
        tells = [key for key in self.told if isinstance(found.get(key), dict)]
        for key in tells:
            self.told[key].update(found[key])
        self._usage_last = isinstance(found.get("usage"), dict)
        choices = found.get("choices") or []
        if not isinstance(choices, list):
            raise AnswerUnreadable(f"{self._host.name} sent choices that are no list.")
        for choice in choices:
            if not isinstance(choice, dict):
                raise AnswerUnreadable(f"{self._host.name} sent a choice that is no object.")
            self._take_choice(choice)
        if len(choices) == 1 and not tells and not choices[0].get("finish_reason"):
            self._alike.learn(data, choices[0].get("delta"), found)

    def _take_choice(self, choice: dict[str, Any]) -> None:
        said = choice.get("delta", choice.get("message"))  # the latter where a server streams a whole answer at once
        if isinstance(said, dict):
            if text := words(said.get("content")):
                self._answer.say(text)
            elif thought := words(said.get("reasoning_content")) or words(said.get("reasoning")):
                self._answer.think(thought)
            elif calls := said.get("tool_calls"):
                self._answer.think(json.dumps(calls))
        if reason := choice.get("finish_reason"):
            self._answer.end(reason)

    def _raise_for_plain(self, line: bytes) -> None:
        if line.startswith(b"{") and (error := failure_in(self._host, parse_object(self._host, line), line)):
            raise error
        raise AnswerUnreadable(f"{self._host.name} sent {line[:80]!r} where a server-sent event is due.")

    def _raise_for_error_event(self, data: bytes) -> None:
        """Raise what an event called error tells, whether it tells it as one or is one; it may be null or empty."""
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = clean(data.decode("utf-8", "replace"))
        error = found.get("error", found) if isinstance(found, dict) else found
        if failure := failure_in(self._host, {"error": error}, data):
            raise failure

    def _completed(self, told: dict[str, dict[str, Any]], answer: Answer) -> Completion:
        """The whole answer; raises ``BodyCut`` where the engine never said that it was finished.

        Some never give a reason, but tell the usage and then that they are done. A bare [DONE] is no end: it is what
        llama-cpp-python sends for a request that a newer one interrupted.
        """
        if answer.reason is None and not self._ended:
            raise BodyCut(f"{self._host.name} ended its answer without saying that it was finished.")
        noticed, usage, timings, metrics = self._engine.noticed, *told.values()
        details = usage.get("prompt_tokens_details")
        by_timings = total(number(noticed, timings, "prompt_ms"), number(noticed, timings, "predicted_ms"))
        by_metrics = total(
            number(noticed, metrics, "time_to_first_token_ms"), number(noticed, metrics, "generation_time_ms")
        )
        completion = answer.completion(
            Told(
                server_ms=by_timings or by_metrics,
                queue_ms=number(noticed, metrics, "queue_time_ms"),
                prompt_tokens=count(noticed, usage, "prompt_tokens"),
                output_tokens=count(noticed, usage, "completion_tokens"),
                cached_tokens=count(noticed, details, "cached_tokens") if isinstance(details, dict) else None,
            ),
            noticed,
        )
        # llama.cpp's own times, whoever passes them on, are without the wait for a slot.
        self._engine.server_includes_queue &= not timings
        return completion
