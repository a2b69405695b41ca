"""Ollama's native protocol: ``/api/generate``, streamed as one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from outpace.engines.base import Completion, Identity, count, joined, largest_answer, number, parse_object
from outpace.engines.client import Client, error_text
from outpace.ground.errors import AnswerUnreadable, BodyCut, EngineFailed
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation

NANOSECONDS = 1e-6
"""Ollama's durations are nanoseconds; a record's are milliseconds."""


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
        began = anyio.current_time()
        first_token_ms: float | None = None
        text: list[str] = []
        last: dict[str, object] | None = None

        def take(line: bytes) -> None:
            nonlocal first_token_ms, last
            if not line:
                return
            part = parse_object(self.host, line)
            if "error" in part:
                raise EngineFailed(f"{self.host.name} failed while it answered: {error_text(line)}")
            said = part.get("response")
            if said or part.get("thinking"):
                if first_token_ms is None:
                    first_token_ms = (anyio.current_time() - began) * 1000
                if heard:
                    heard()
            if isinstance(said, str):
                text.append(said)
            if part.get("done") is True:
                last = part

        body = {
            "model": self.model,
            "prompt": prompt,
            "stream": True,
            "options": {
                "temperature": settings.temperature,
                "seed": settings.seed,
                "num_predict": settings.max_tokens,
            },
        }
        await self._client.post(self.host, "/api/generate", body, take, limit=largest_answer(prompt, settings))
        if last is None:
            raise BodyCut(f"{self.host.name} ended its answer without the line that says it is done.")
        return self._completion(joined(text), first_token_ms, last)

    def _completion(self, text: str, first_token_ms: float | None, last: dict[str, object]) -> Completion:
        host = self.host
        if last.get("done_reason") in ("load", "unload"):
            raise AnswerUnreadable(f"{host.name} loaded or unloaded its model instead of answering.")
        total, load, reading, writing = (
            number(host, last, key, NANOSECONDS)
            for key in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
        )
        queue = None
        if total is not None and writing is not None:
            queue = max(0.0, total - (load or 0.0) - (reading or 0.0) - writing)
        return Completion(
            text,
            first_token_ms=first_token_ms,
            server_ms=total,
            queue_ms=queue,
            load_ms=load,
            prompt_tokens=count(host, last, "prompt_eval_count"),
            # Ollama leaves a count of zero out.
            output_tokens=count(host, last, "eval_count") or 0,
        )
