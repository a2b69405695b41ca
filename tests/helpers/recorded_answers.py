"""Answers of real engines as they were recorded, played back to the engines that read them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx

from outpace.engines import Client, Completion, Identity
from outpace.engines.ollama import OllamaEngine
from outpace.engines.openai import OpenAIEngine
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation
from scripted import Answer, Server, answer_of, entries, serving
from virtual import run_virtually


def engine_for(client: Client, server: Server, path: str, engine: str) -> OllamaEngine | OpenAIEngine:
    host = Host("laptop", server.url, ("127.0.0.1",))
    kind = OllamaEngine if path == "/api/generate" else OpenAIEngine
    return kind(client, host, Identity(engine, "openai", None, {"smollm2": None}), "smollm2")


def generate(answer: Answer | None, path: str = "/api/generate", engine: str = "ollama") -> Completion:
    async def main() -> Completion:
        async with serving(lambda _: answer) as server, Client(timeout_s=5) as client:
            return await engine_for(client, server, path, engine).generate("Why?", Generation(), "key")

    return anyio.run(main)


class InItsOwnTime(httpx.AsyncBaseTransport):
    """Answers as an entry of a recording was answered, each piece when it came: for the virtual clock."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self._entry = entry

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        async def pieces() -> AsyncIterator[bytes]:
            began = anyio.current_time()
            answer = answer_of(self._entry)
            came_ms = [*(ms for ms, _ in self._entry["_chunks"]), self._entry["time"]]
            for ms, piece in zip(came_ms, answer.chunks, strict=True):
                await anyio.sleep(max(0.0, began + ms / 1000 - anyio.current_time()))
                yield piece

        return httpx.Response(200, content=pieces())


def in_its_own_time(entry: dict[str, Any], engine: str = "ollama") -> Completion:
    async def main() -> Completion:
        async with Client(timeout_s=60, transport=InItsOwnTime(entry)) as client:
            one = engine_for(client, Server(1), path_of(entry), engine)
            return await one.generate("Why?", Generation(), "key")

    return run_virtually(main)


def path_of(entry: dict[str, Any]) -> str:
    return "/" + entry["request"]["url"].split("/", 3)[3]


def recorded(name: str, **wanted: Any) -> list[dict[str, Any]]:
    return [
        entry
        for entry in entries(name)
        if entry["request"]["method"] == "POST" and all(entry.get(key) == value for key, value in wanted.items())
    ]
