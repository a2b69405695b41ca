"""Ollama's native protocol: ``/api/generate``, streamed as one JSON object a line."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import partial
from typing import Any

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
from outpace.engines.cache_headers import heed
from outpace.engines.client import Client
from outpace.engines.comfort import Comfort
from outpace.engines.failures import clean
from outpace.engines.figures import NOT_TOLD, Told, count, number
from outpace.engines.lines import Lines
from outpace.engines.noticed import Noticed
from outpace.ground.errors import AnswerUnfinished, AnswerUnreadable, BodyCut
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation

NANOSECONDS = 1e-6
"""Ollama's durations are nanoseconds; a record's are milliseconds."""
LARGEST_CONTEXT = 8 << 20


class OllamaEngine:
    """An Ollama with one model chosen.

    Its ``total_duration`` covers queue, load, prompt and generation: what is left of it after the last three is the
    wait in the queue.
    """

    resets_cache = False
    server_includes_queue = True

    def __init__(self, client: Client, host: Host, identity: Identity, model: str) -> None:
        self._client = client
        self.host, self.identity, self.model = host, identity, model
        self.noticed = Noticed()
        self._comfort = Comfort(self.noticed)
        self.elsewhere = identity.offer(model).elsewhere

    async def ping(self) -> None:
        """Ask for the version: the cheapest request there is. Raises ``RequestFailed``."""
        await self._client.get(self.host, "/api/version")

    async def in_work(self) -> int | None:
        """Ollama does not say what it is at."""
        return None

    async def generate(
        self, prompt: str, settings: Generation, cache_key: str, heard: Callable[[], None] | None = None
    ) -> Completion:
        """Answer ``prompt``; Ollama has no switch for its cache, so ``cache_key`` is of no use to it.

        Raises ``RequestFailed``.
        """

        async def ask(body: dict[str, Any]) -> tuple[Stream, bool]:
            stream, note = self.listen(settings, heard, largest_answer(prompt, settings)), partial(heed, self.noticed)
            return stream, await self._client.post(self.host, "/api/generate", body, stream.feed, note)

        needed = {
            "model": self.model,
            "prompt": prompt,
            "stream": True,
            "options": {
                "temperature": settings.temperature,
                "seed": settings.seed,
                "num_predict": settings.max_tokens,
            },
        }
        wanted = {} if self.identity.offer(self.model).kept else {"keep_alive": KEPT_LOADED_S}
        stream, whole = await self._comfort.ask(needed, wanted, ask)
        return stream.end(whole=whole)

    def listen(self, settings: Generation, heard: Callable[[], None] | None, limit: int) -> Stream:
        """An answer that begins now, of ``limit`` bytes at most, but for its context."""
        return _Stream(self, Answer(self.host, settings, heard), limit)


class _Stream:
    """What the lines of one answer mean."""

    def __init__(self, engine: OllamaEngine, answer: Answer, limit: int) -> None:
        self._engine, self._host, self._answer = engine, engine.host, answer
        self._lines, self._context = Lines(engine.host, limit), _Context(engine.host)
        self.told: dict[str, Any] = {}

    @property
    def pieces(self) -> int:
        """How many pieces of text there were so far."""
        return self._answer.pieces

    def feed(self, piece: bytes) -> None:
        """Take in what has arrived; raises ``RequestFailed``."""
        for line in self._lines.feed(self._context.left_out_of(piece)):
            self._take(line)

    def end(self, *, whole: bool) -> Completion:
        """The whole answer, once all of it was fed; raises ``RequestFailed``."""
        try:
            self._take(self._lines.rest())
        except AnswerUnreadable as error:
            raise BodyCut(f"{self._host.name} ended its answer inside of a line.") from error
        return self._completed(self.told, self._answer, whole=whole)

    def spoken_by(self, engine: OllamaEngine) -> Stream:
        """The same answer, given by another ``engine`` of its protocol."""
        found = copy.copy(self)
        found._engine, found._host, found._answer = engine, engine.host, self._answer.given_by(engine.host)
        return found

    def again(self, told: dict[str, Any], settings: Generation, began_s: float, first_s: float | None) -> Completion:
        """As ``end``, of the same answer as it is replayed at another time; raises ``RequestFailed``."""
        return self._completed(told, self._answer.again(settings, began_s, first_s), whole=False)

    def _completed(self, told: dict[str, Any], answer: Answer, *, whole: bool) -> Completion:
        if not told:
            self._raise_for_no_end(whole=whole)
        if isinstance(remote := told.get("remote_host"), str) and remote:
            self._engine.elsewhere = clean(remote)
        return answer.completion(self._read(told), self._engine.noticed)

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        part = parse_object(self._host, line)
        if b"error" in line and (error := failure_in(self._host, part, line)):
            raise error
        if text := words(part.get("response")):
            self._answer.say(text)
        elif thought := words(part.get("thinking")):
            self._answer.think(thought)
        if part.get("done") is True:
            self.told.update(part)
            self._answer.end(part.get("done_reason"))

    def _raise_for_no_end(self, *, whole: bool) -> None:
        if not whole:
            raise BodyCut(f"{self._host.name} ended its answer without the line that says it is done.")
        raise AnswerUnfinished(
            f"{self._host.name} ended its answer in good order, but without the line that says it is done: the prompt "
            "and its answer may be longer than the context that the model has there (num_ctx)."
        )

    def _read(self, last: dict[str, Any]) -> Told:
        noticed = self._engine.noticed
        if last.get("done_reason") in ("load", "unload"):
            raise AnswerUnreadable(f"{self._host.name} loaded or unloaded its model instead of answering.")
        whole, load, reading, writing = (
            number(noticed, last, key, NANOSECONDS)
            for key in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
        )
        queue = None
        if whole is not None and writing is not None:
            parts = (load or 0.0) + (reading or 0.0) + writing
            queue = max(0.0, whole - parts)
            if parts > whole * 1.01 + 1.0:
                noticed.of_answer("parts", f"durations were told whose sum is above the whole, {NOT_TOLD}")
                whole = load = queue = None
        return Told(
            server_ms=whole,
            queue_ms=queue,
            load_ms=load,
            prompt_tokens=count(noticed, last, "prompt_eval_count"),
            output_tokens=count(noticed, last, "eval_count"),
        )


_CONTEXT = re.compile(rb'"context" ?: ?\[')
_BEFORE = 14
"""Bytes of that at most, but for its last."""


class _Context:
    """Leaves the numbers of a ``context`` out of an answer: all tokens of the prompt, in its last line.

    They are no part of what was generated, so its bound is not theirs, and nobody reads them. Inside of text a
    quotation mark is escaped: what looks like this key is this key.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._inside = False
        self._before = b""
        self._left_out = 0

    def left_out_of(self, piece: bytes) -> bytes:
        """``piece`` without them; raises ``AnswerUnreadable`` where there are more than any context has."""
        kept = []
        while piece:
            if self._inside:
                after = piece.lstrip(b"0123456789, ")
                self._left_out += len(piece) - len(after)
                if self._left_out > LARGEST_CONTEXT:
                    raise AnswerUnreadable(
                        f"{self._host.name} sent a context of more than {LARGEST_CONTEXT} bytes, longer than any."
                    )
                piece, self._inside = after, not after
                continue
            found = _CONTEXT.search(self._before + piece)
            end = found.end() - len(self._before) if found else len(piece)
            kept.append(piece[:end])
            self._before = b"" if found else (self._before + piece)[-_BEFORE:]
            piece, self._inside = piece[end:], found is not None
        return b"".join(kept)
