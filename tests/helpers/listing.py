"""Hosts that list models as engines and gateways do, on real sockets, and what is chosen of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio

from outpace.engines import Client, Engine, connect
from outpace.engines.detect import connect_routers
from outpace.engines.models import by_host
from outpace.ground.hosts import Host
from scripted import Answer, Asked, serving

CLOUD = {
    "name": "gpt-oss:120b-cloud",
    "model": "gpt-oss:120b-cloud",
    "remote_model": "gpt-oss:120b",
    "remote_host": "https://ollama.com:443",
    "size": 384,
    "digest": "569662207105",
}


LOCAL = {"name": "llama3.2:1b", "size": 1321098329, "digest": "baf6a787fdff"}


def said(answers: dict[str, Any]) -> Callable[[Asked], Answer]:
    def decide(asked: Asked) -> Answer:
        if asked.path not in answers:
            return Answer(404, (b'{"error": "not found"}',))
        return Answer(200, (json.dumps(answers[asked.path]).encode(),))

    return decide


def ollama(*tags: Any, loaded: tuple[str, ...] | None = None, **more: Any) -> Callable[[Asked], Answer]:
    entries = [tag if isinstance(tag, dict) else {"name": tag} for tag in tags]
    running = {} if loaded is None else {"/api/ps": {"models": [{"name": name} for name in loaded]}}
    return said({"/api/version": {"version": "0.33.2"}, "/api/tags": {"models": entries}, **running, **more})


def openai(*ids: Any, owner: str = "someone", **more: Any) -> Callable[[Asked], Answer]:
    entries = [{"owned_by": owner} | (each if isinstance(each, dict) else {"id": each}) for each in ids]
    return said({"/v1/models": {"data": entries}, **more})


def connected(
    *hosts: Callable[[Asked], Answer], router: Callable[[Asked], Answer] | None = None, path: str = "", **wanted: Any
) -> list[Engine]:
    """The engines of hosts called a, b, ..., and of the router called front, where there is one."""

    async def main() -> list[Engine]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(timeout_s=5))
            servers = [
                await stack.enter_async_context(serving(host)) for host in (*hosts, *([router] if router else []))
            ]
            named = [
                Host(name, server.url + path, ("127.0.0.1",)) for name, server in zip("abcdef", servers, strict=False)
            ]
            engines = list((await connect(client, named[: len(hosts)], **wanted)).values())
            if router:
                front = Host("front", servers[-1].url, ("127.0.0.1",))
                model = wanted.get("model")
                asked = by_host(model, ["a", "front"]) if isinstance(model, str) else model
                engines += (await connect_routers(client, [front], engines[0].model, 5, asked=asked)).values()
            return engines

    return anyio.run(main)


def models(*hosts: Callable[[Asked], Answer], **wanted: Any) -> list[str]:
    return [engine.model for engine in connected(*hosts, **wanted)]
