"""What a client costs: ``tox -e speed``, or ``tox -e speed -- 8 64`` for some of the requests in flight alone.

Every client asks the same engine (outpace/measure/eventful.py: 35 events an answer, a write each), each in a
process of its own, at 8, 64, 512 and 2,000 requests in flight. Prints the processor time that a request takes in the
client's process, requests a second, and both beside aiohttp's. Two minutes on two cores. The ``src`` of another
checkout, named beside the numbers, is measured in the same run.
"""
# ruff: noqa: T201

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from outpace.dispatch import Coordinator, find_strategy
from outpace.dispatch.limits import FixedLimit
from outpace.engines import Client, Identity
from outpace.engines.openai import OpenAIEngine
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation, workload

IN_FLIGHT = (8, 64, 512, 2000)
REQUESTS = 2000
WORDS, BESIDES = 32, 3
"""The events of an answer: of its words, and beside them."""
BODY = {"model": "m", "messages": [{"role": "user", "content": "Why?"}], "stream": True, "max_tokens": WORDS}

Ask = Callable[[], Awaitable[int]]
Run = Callable[[int], Coroutine[Any, Any, None]]
"""Asks so often as it is told."""


async def all_asked(ask: Ask, requests: int, in_flight: int) -> None:
    """Ask so often, with so many at once, and see that every answer is whole."""
    left = iter(range(requests))

    async def one_after_another() -> None:
        for _ in left:
            assert await ask() == WORDS + BESIDES

    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))


async def timed(run: Run, in_flight: int) -> dict[str, float]:
    """What ``run`` takes, once its connections are open."""
    await run(in_flight)
    began, spent = time.perf_counter(), time.process_time()
    await run(REQUESTS)
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - spent
    return {"cpu_ms": cpu_s / REQUESTS * 1000, "per_s": REQUESTS / took_s}


def asking(client: Client, port: int, in_flight: int) -> Run:
    """The coordinator and its client, under the shared queue."""
    host = Host("h", f"http://127.0.0.1:{port}", ("127.0.0.1",))
    engine = OpenAIEngine(client, host, Identity("vllm", "openai", None, {"m": None}), "m")
    coordinator, pull, limit = Coordinator({"h": engine}, timeout_s=60), find_strategy("pull"), FixedLimit(in_flight)

    async def run(requests: int) -> None:
        work = workload(["Why?"] * requests, Generation(max_tokens=WORDS))
        outcome = await coordinator.run("pull", pull, work, ["h"], cache_key="k", limit=lambda _: limit)
        assert all(request.output_tokens == WORDS for request in outcome.run.requests)

    return run


async def outpace(port: int, in_flight: int) -> dict[str, float]:
    """outpace, as a session uses it."""
    async with Client(timeout_s=60, patient=True) as client:
        return await timed(asking(client, port, in_flight), in_flight)


async def httpx(port: int, in_flight: int) -> dict[str, float]:
    """Bare httpx, which counts events and does nothing else."""
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:

        async def ask() -> int:
            async with client.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=BODY) as response:
                return sum([piece.count(b"data: ") async for piece in response.aiter_raw()])

        return await timed(lambda requests: all_asked(ask, requests, in_flight), in_flight)


async def aiohttp(port: int, in_flight: int) -> dict[str, float]:
    """Bare aiohttp, likewise."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> int:
            async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=BODY) as response:
                return sum([piece.count(b"data: ") async for piece in response.content.iter_any()])

        return await timed(lambda requests: all_asked(ask, requests, in_flight), in_flight)


class _Bare(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._events = 0
        self._answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._events += data.count(b"data: ")
        if data.endswith(b"\r\n0\r\n\r\n") or data == b"0\r\n\r\n":
            self._answered.set_result(self._events)


@asynccontextmanager
async def bare_asking(port: int, in_flight: int) -> AsyncIterator[Run]:
    """A protocol that looks for the end alone: the limit in Python."""
    body = json.dumps(BODY).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    loop = asyncio.get_running_loop()
    free = [(await loop.create_connection(_Bare, "127.0.0.1", port))[1] for _ in range(in_flight)]

    async def ask() -> int:
        connection = free.pop()
        events = await connection.ask(request)
        free.append(connection)
        return events

    yield lambda requests: all_asked(ask, requests, in_flight)
    for connection in free:
        connection.close()


async def bare_asyncio(port: int, in_flight: int) -> dict[str, float]:
    """That, timed."""
    async with bare_asking(port, in_flight) as run:
        return await timed(run, in_flight)


RUN = {"outpace": outpace, "httpx": httpx, "aiohttp": aiohttp, "asyncio": bare_asyncio}


def measured(client: str, port: int, in_flight: int) -> dict[str, float]:
    """What ``client``, or outpace as the folder of that name has it, takes in a process of its own."""
    name, source = (client, []) if client in RUN else ("outpace", [client])
    paths = os.pathsep.join([*source, os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, __file__, name, str(port), str(in_flight)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": paths})
    told: dict[str, float] = json.loads(done.stdout)
    return told


def main(levels: list[int], sources: list[str]) -> None:
    """Print the table."""
    print("| in flight | client | CPU ms a request | requests/s | CPU over aiohttp's | rate over aiohttp's |")
    print("|---:|---|---:|---:|---:|---:|", flush=True)
    from outpace.measure.eventful import serving  # which another checkout need not have

    with serving() as port:
        for in_flight in levels:
            found = {client: measured(client, port, in_flight) for client in [*RUN, *sources]}
            beside = found["aiohttp"]
            for client, each in found.items():
                row = [f"{in_flight:,}", client, f"{each['cpu_ms']:.2f}", f"{each['per_s']:,.0f}"]
                row += [f"{each[key] / beside[key]:.2f}" for key in ("cpu_ms", "per_s")]
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in RUN:
        print(json.dumps(asyncio.run(RUN[sys.argv[1]](*map(int, sys.argv[2:])))))
    else:
        asked = sys.argv[1:]
        main([int(each) for each in asked if each.isdigit()] or [*IN_FLIGHT], [each for each in asked if "/" in each])
