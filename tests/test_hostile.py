"""Hosts that mean harm: bounded time and memory for each, the host named and failed, all prompts answered by others."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from outpace.dispatch import Coordinator, Outcome, find_strategy
from outpace.engines import Client, Identity, connect
from outpace.engines.detect import engine_for
from outpace.errors import HostUnusable
from outpace.hosts import Host, resolve
from outpace.prompts import Generation, workload

TIMEOUT_S = 1.5
PROMPTS = 4
MOST_MEMORY = 24 << 20
GOOD = [
    *[{"response": f" word{number}", "done": False} for number in range(4)],
    {"response": "", "done": True, "total_duration": 4_000_000, "eval_duration": 3_000_000, "eval_count": 4},
]
GOOD_BODY = b"".join(json.dumps(each).encode() + b"\n" for each in GOOD)

Talk = Callable[[SocketStream], Awaitable[None]]


def head(*lines: str, length: int | None = None) -> bytes:
    sized = f"content-length: {length}" if length is not None else "transfer-encoding: chunked"
    return "\r\n".join(["HTTP/1.1 200 OK", sized, *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def good(stream: SocketStream) -> None:
    await stream.send(head(length=len(GOOD_BODY)) + GOOD_BODY)


async def never_ends(stream: SocketStream) -> None:
    line = json.dumps({"response": "x" * 200, "done": False}).encode() + b"\n"
    await stream.send(head())
    while True:
        await stream.send(chunk(line * 50))


async def one_line_without_end(stream: SocketStream) -> None:
    await stream.send(head() + chunk(b'{"response": "'))
    while True:
        await stream.send(chunk(b"x" * (64 << 10)))


BOMB = gzip.compress(b"\n" * (64 << 20), 9)


async def compressed_bomb(stream: SocketStream) -> None:
    await stream.send(head("content-encoding: gzip", length=len(BOMB)) + BOMB)


async def invalid_utf8(stream: SocketStream) -> None:
    body = b'{"response": "\xff\xfe", "done": false}\n' + GOOD_BODY
    await stream.send(head(length=len(body)) + body)


def telling(**told: object) -> Talk:
    async def talk(stream: SocketStream) -> None:
        body = json.dumps({**GOOD[-1], "response": "x", **told}).encode() + b"\n"
        await stream.send(head(length=len(body)) + body)

    return talk


async def headers_of_megabytes(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send(b"x-more: " + b"y" * (64 << 10) + b"\r\n")


async def header_that_drips(stream: SocketStream) -> None:
    for byte in head(length=len(GOOD_BODY)) * 1000:
        await stream.send(bytes([byte]))
        await anyio.sleep(0.2)


async def body_that_drips(stream: SocketStream) -> None:
    await stream.send(head())
    while True:
        await stream.send(chunk(b" "))
        await anyio.sleep(0.2)


async def endless_error(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await stream.send(chunk(b"no " * 20_000))


async def redirect_to_a_public_host(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 307 Go\r\nlocation: http://8.8.8.8/api/generate\r\ncontent-length: 0\r\n\r\n")


async def chunk_sizes_that_lie(stream: SocketStream) -> None:
    await stream.send(head() + b"fffffffffffffff\r\n" + GOOD_BODY)
    await anyio.sleep_forever()


HARM = {
    "a body that never ends": (never_ends, "unreadable"),
    "one line without an end": (one_line_without_end, "unreadable"),
    "a compressed bomb": (compressed_bomb, "unreadable"),
    "invalid UTF-8": (invalid_utf8, "unreadable"),
    "a duration that is no number": (telling(total_duration=float("nan")), "unreadable"),
    "a negative duration": (telling(total_duration=-5), "unreadable"),
    "tokens of 2^63": (telling(eval_count=2**63), "unreadable"),
    "tokens in words": (telling(eval_count="many"), "unreadable"),
    "headers of megabytes": (headers_of_megabytes, "unreadable"),
    "a header that drips": (header_that_drips, "timeout"),
    "a body that drips": (body_that_drips, "timeout"),
    "an error without an end": (endless_error, "engine"),
    "a redirect to a public host": (redirect_to_a_public_host, "refused"),
    "chunk sizes that lie": (chunk_sizes_that_lie, "timeout"),
}


async def serve(stack: AsyncExitStack, talk: Talk, *, once: bool = False) -> int:
    """Serve on a free port until the stack is left: each request is read, then answered by ``talk``."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    stack.push_async_callback(listener.aclose)

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                while True:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        request += await stream.receive()
                    before, _, rest = request.partition(b"\r\n\r\n")
                    sizes = [line[15:] for line in before.lower().split(b"\r\n") if b"content-length:" in line]
                    size = int(sizes[0]) if sizes else 0
                    while len(rest) < size:
                        rest += await stream.receive()
                    await talk(stream)
                    if once:
                        return
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                return

    tasks = await stack.enter_async_context(anyio.create_task_group())
    stack.callback(tasks.cancel_scope.cancel)
    tasks.start_soon(listener.serve, handle)
    return int(listener.extra(SocketAttribute.local_port))


def dispatch(bad: Talk, *, once: bool = False, strategy: str = "serial-per-side") -> tuple[Outcome, float, int]:
    """Four prompts over a host that means harm and a good one: what came of it, seconds, and the most memory used."""

    async def main() -> Outcome:
        async with AsyncExitStack() as stack:
            ports = {"bad": await serve(stack, bad, once=once), "good": await serve(stack, good)}
            client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
            engines = {
                name: engine_for(
                    client,
                    Host(name, f"http://127.0.0.1:{port}", ("127.0.0.1",)),
                    Identity("ollama", "ollama", None, {"m": None}),
                    "m",
                )
                for name, port in ports.items()
            }
            work = workload([f"prompt {number}" for number in range(PROMPTS)], Generation(max_tokens=8))
            coordinator = Coordinator(engines, timeout_s=TIMEOUT_S)
            return await coordinator.run("r", find_strategy(strategy), work, list(engines), cache_key="k")

    tracemalloc.start()
    began = time.monotonic()
    try:
        outcome = anyio.run(main)
        return outcome, time.monotonic() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("harm", HARM)
def test_harm_costs_bounded_time_and_memory_and_no_prompt(harm: str) -> None:
    talk, kind = HARM[harm]
    outcome, took_s, memory = dispatch(talk)
    assert not outcome.run.failed
    assert {request.host for request in outcome.run.requests} == {"good"}
    assert {(attempt.host, attempt.kind) for attempt in outcome.run.failed_attempts} == {("bad", kind)}
    # One attempt, or two where the host is tried again: never more than its timeout each, and what stopping takes.
    assert took_s < 3 * TIMEOUT_S + 2
    assert memory < MOST_MEMORY


async def tiny_chunks(stream: SocketStream) -> None:
    await stream.send(head() + b"".join(chunk(bytes([byte])) for byte in GOOD_BODY) + b"0\r\n\r\n")


async def http_1_0(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD_BODY)
    await stream.aclose()


async def keep_alive_that_lies(stream: SocketStream) -> None:
    await stream.send(head("connection: keep-alive", length=len(GOOD_BODY)) + GOOD_BODY)


ODD = {
    "tiny chunks": (tiny_chunks, False),
    "HTTP/1.0": (http_1_0, True),
    "a keep-alive that lies": (keep_alive_that_lies, True),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_but_honest_is_answered(odd: str) -> None:
    talk, once = ODD[odd]
    outcome, _, _ = dispatch(talk, once=once)
    assert not outcome.run.failed
    assert [request.host for request in outcome.run.requests].count("bad") == PROMPTS / 2
    assert {attempt.kind for attempt in outcome.run.failed_attempts} <= {"stale"}


TO_LOOK_AT = [never_ends, body_that_drips, header_that_drips, headers_of_megabytes, compressed_bomb]


@pytest.mark.parametrize("talk", TO_LOOK_AT)
def test_a_host_that_means_harm_is_found_unusable_in_bounded_time(talk: Talk) -> None:
    async def main() -> str:
        async with AsyncExitStack() as stack:
            port = await serve(stack, talk)
            client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
            try:
                await connect(client, resolve([Host("bad", f"http://127.0.0.1:{port}")]), wait_s=TIMEOUT_S)
            except HostUnusable as error:
                return str(error)
        return "found usable"

    began = time.monotonic()
    assert "Host bad (" in anyio.run(main)
    assert time.monotonic() - began < 4 * TIMEOUT_S + 2


def test_a_name_that_changes_between_check_and_connect_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> str:
        async with AsyncExitStack() as stack:
            port = await serve(stack, good)
            (host,) = resolve([Host("named", f"http://localhost:{port}")])

            def elsewhere(*_: object, **__: object) -> None:
                raise AssertionError("the name was looked up again")

            monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
            client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
            pinned = Host(host.name, host.url, tuple(each for each in host.addresses if "." in each))
            engine = engine_for(client, pinned, Identity("ollama", "ollama", None, {"m": None}), "m")
            return (await engine.generate("Why?", Generation(max_tokens=8), "k")).text

    assert anyio.run(main).startswith(" word0")
