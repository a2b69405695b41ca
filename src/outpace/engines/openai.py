"""The OpenAI protocol: ``/v1/chat/completions``, streamed as server-sent events.

llama-server, vLLM and Ollama's own ``/v1`` speak it, each with additions of its own that tell its times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from outpace.engines.base import Completion, Identity, count, joined, largest_answer, number, parse_object
from outpace.engines.busy import in_work
from outpace.engines.client import Client, error_text
from outpace.ground.errors import AnswerUnreadable, BodyCut, EngineFailed, RequestRefused
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
        self.resets_cache = identity.engine in ("llama-server", "vllm")
        self.server_includes_queue = identity.engine != "llama-server"

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
        began = anyio.current_time()
        stream = _Stream(self.host)
        first_token_ms: float | None = None

        def take(line: bytes) -> None:
            nonlocal first_token_ms
            if stream.read(line):
                if first_token_ms is None:
                    first_token_ms = (anyio.current_time() - began) * 1000
                if heard:
                    heard()

        body = self._body(prompt, settings, cache_key)
        await self._client.post(self.host, "/v1/chat/completions", body, take, limit=largest_answer(prompt, settings))
        return stream.completion(first_token_ms)

    def _body(self, prompt: str, settings: Generation, cache_key: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "seed": settings.seed,
        }
        # Fields that only their own engine knows; another might refuse the request for them.
        if self.identity.engine == "llama-server":
            body["cache_prompt"] = False
        elif self.identity.engine == "vllm":
            body["cache_salt"] = cache_key
        return body


class _Stream:
    """The events of one answer, gathered."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._text: list[str] = []
        self._finished = False
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._metrics: dict[str, Any] = {}

    def read(self, line: bytes) -> bool:
        """Take in one line; True where it held text of the answer."""
        if not line or line.startswith((b":", b"event:", b"id:", b"retry:")):  # comments keep a connection alive
            return False
        if not line.startswith(b"data:"):
            self._raise_for_plain(line)
        data = line[5:].strip()
        if data == b"[DONE]":
            return False
        event = parse_object(self._host, data)
        if "error" in event:
            self._raise_for_error(event["error"], data)
        for key, into in (("usage", self._usage), ("timings", self._timings), ("metrics", self._metrics)):
            if isinstance(event.get(key), dict):
                into.update(event[key])
        spoke = False
        choices = event.get("choices") or []
        if not isinstance(choices, list):
            raise AnswerUnreadable(f"{self._host.name} sent choices that are no list.")
        for choice in choices:
            spoke |= self._read_choice(choice)
        return spoke

    def _read_choice(self, choice: Any) -> bool:
        if not isinstance(choice, dict):
            raise AnswerUnreadable(f"{self._host.name} sent a choice that is no object.")
        if choice.get("finish_reason"):
            self._finished = True
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return False
        said = delta.get("content")
        if isinstance(said, str):
            self._text.append(said)
        return bool(said or delta.get("reasoning_content") or delta.get("reasoning"))

    def _raise_for_plain(self, line: bytes) -> None:
        if line.startswith(b"{") and "error" in parse_object(self._host, line):
            raise EngineFailed(f"{self._host.name} failed: {error_text(line)}")
        raise AnswerUnreadable(f"{self._host.name} sent {line[:80]!r} where a server-sent event is due.")

    def _raise_for_error(self, error: Any, data: bytes) -> None:
        message = f"{self._host.name} failed while it answered: {error_text(data)}"
        code = error.get("code") if isinstance(error, dict) else None
        raise RequestRefused(message) if isinstance(code, int) and 400 <= code < 500 else EngineFailed(message)

    def completion(self, first_token_ms: float | None) -> Completion:
        """The whole answer; raises ``BodyCut`` where the engine never said that it was finished."""
        if not self._finished:
            raise BodyCut(f"{self._host.name} ended its answer without saying that it was finished.")
        host = self._host
        details = self._usage.get("prompt_tokens_details")
        cached = count(host, details, "cached_tokens") if isinstance(details, dict) else None
        return Completion(
            joined(self._text),
            first_token_ms=first_token_ms,
            server_ms=_sum(number(host, self._timings, "prompt_ms"), number(host, self._timings, "predicted_ms"))
            or _sum(
                number(host, self._metrics, "time_to_first_token_ms"), number(host, self._metrics, "generation_time_ms")
            ),
            queue_ms=number(host, self._metrics, "queue_time_ms"),
            prompt_tokens=count(host, self._usage, "prompt_tokens"),
            output_tokens=count(host, self._usage, "completion_tokens"),
            cached_tokens=cached,
        )


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
