"""A loopback server that means harm, in either protocol, and prompts sent over it and a good one."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

from outpace.dispatch import Coordinator, Outcome, find_strategy
from outpace.engines import Client, Engine, Identity
from outpace.engines.detect import engine_for
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation, workload

TIMEOUT_S = 1.5
PATIENCE_S = 20
"""What outlasts every bound, so that one that is missing fails a test instead of hanging it."""
PROMPTS = 4
MOST_MEMORY = 24 << 20
SETTINGS = Generation(max_tokens=64)


@dataclass(frozen=True)
class Dialect:
    """A protocol as a host speaks it: how JSON is framed, what says a word, and what ends an answer well."""

    identity: Identity
    before: bytes
    after: bytes
    word: Mapping[str, Any]
    last: Mapping[str, Any]
    end: bytes = b""

    def event(self, said: bytes | Mapping[str, Any]) -> bytes:
        return self.before + (said if isinstance(said, bytes) else json.dumps(said).encode()) + self.after

    def answer(self, told: Mapping[str, Any] | None = None) -> bytes:
        """A whole answer; ``told`` replaces what its last event tells."""
        return self.event(self.word) * 4 + self.event({**self.last, **(told or {})}) + self.end


OLLAMA = Dialect(
    Identity("ollama", "ollama", None, {"m": None}),
    b"",
    b"\n",
    {"response": " word", "done": False},
    {"response": "", "done": True, "total_duration": 4_000_000, "eval_duration": 3_000_000, "eval_count": 4},
)
OPENAI = Dialect(
    Identity("vllm", "openai", None, {"m": None}),
    b"data: ",
    b"\n\n",
    {"choices": [{"delta": {"content": " word"}}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 2, "completion_tokens": 4}},
    b"data: [DONE]\n\n",
)
DIALECTS = {"ollama": OLLAMA, "openai": OPENAI}

Talk = Callable[[SocketStream, Dialect], Awaitable[None]]


def head(*lines: str, length: int | None = None, status: str = "200 OK") -> bytes:
    sized = f"content-length: {length}" if length is not None else "transfer-encoding: chunked"
    return "\r\n".join([f"HTTP/1.1 {status}", sized, *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def good(stream: SocketStream, dialect: Dialect) -> None:
    body = dialect.answer()
    await stream.send(head(length=len(body)) + body)


def saying(make: Callable[[Dialect], bytes], *lines: str, status: str = "200 OK") -> Talk:
    """Answer with the whole body that ``make`` gives."""

    async def talk(stream: SocketStream, dialect: Dialect) -> None:
        body = make(dialect)
        await stream.send(head(*lines, length=len(body), status=status) + body)

    return talk


def sending(make: Callable[[Dialect], bytes], *, hang_up: bool = False) -> Talk:
    """Send the very bytes that ``make`` gives; then keep silent, or hang up."""

    async def talk(stream: SocketStream, dialect: Dialect) -> None:
        await stream.send(make(dialect))
        if hang_up:
            await stream.aclose()
        await anyio.sleep_forever()

    return talk


def without_end(
    more: Callable[[Dialect], bytes],
    first: Callable[[Dialect], bytes] = lambda _: b"",
    *,
    status: str = "200 OK",
    pause_s: float = 0.0,
) -> Talk:
    """Send ``first`` and then ``more`` again and again, each a chunk; with ``pause_s`` between them it drips."""

    async def talk(stream: SocketStream, dialect: Dialect) -> None:
        await stream.send(head(status=status) + (chunk(first(dialect)) if first(dialect) else b""))
        again = chunk(more(dialect))
        while True:
            await stream.send(again)
            if pause_s:
                await anyio.sleep(pause_s)

    return talk


async def serve(
    stack: AsyncExitStack, talk: Talk, dialect: Dialect, *, once: bool = False, heard: list[bytes] | None = None
) -> int:
    """Serve on a free port until the stack is left: each request is read, then answered by ``talk``.

    ``heard`` gathers the requests' heads; ``once`` closes the connection after one answer.
    """
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
                    if heard is not None:
                        heard.append(before)
                    sizes = [line[15:] for line in before.lower().split(b"\r\n") if b"content-length:" in line]
                    size = int(sizes[0]) if sizes else 0
                    while len(rest) < size:
                        rest += await stream.receive()
                    await talk(stream, dialect)
                    if once:
                        return
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                return

    tasks = await stack.enter_async_context(anyio.create_task_group())
    stack.callback(tasks.cancel_scope.cancel)
    tasks.start_soon(listener.serve, handle)
    return int(listener.extra(SocketAttribute.local_port))


def engine_at(client: Client, name: str, port: int, dialect: Dialect) -> Engine:
    return engine_for(client, Host(name, f"http://127.0.0.1:{port}", ("127.0.0.1",)), dialect.identity, "m")


@dataclass(frozen=True)
class Dispatched:
    """What came of prompts over a bad host and a good one, what it took, and the requests that the good one heard."""

    outcome: Outcome
    took_s: float
    memory: int
    heard_by_good: list[bytes]


def dispatch(bad: Talk, dialect: Dialect, *, once: bool = False, strategy: str = "serial-per-side") -> Dispatched:
    """Send four prompts over a host that means harm and a good one."""
    heard: list[bytes] = []

    async def main() -> Outcome:
        with anyio.fail_after(PATIENCE_S):
            return await over_both()

    async def over_both() -> Outcome:
        async with AsyncExitStack() as stack:
            ports = {
                "bad": await serve(stack, bad, dialect, once=once),
                "good": await serve(stack, good, dialect, heard=heard),
            }
            client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
            engines = {name: engine_at(client, name, port, dialect) for name, port in ports.items()}
            work = workload([f"prompt {number}" for number in range(PROMPTS)], SETTINGS)
            coordinator = Coordinator(engines, timeout_s=TIMEOUT_S)
            return await coordinator.run("r", find_strategy(strategy), work, list(engines), cache_key="k")

    tracemalloc.start()
    began = time.monotonic()
    try:
        outcome = anyio.run(main)
        return Dispatched(outcome, time.monotonic() - began, tracemalloc.get_traced_memory()[1], heard)
    finally:
        tracemalloc.stop()


def fails_and_costs_no_prompt(talk: Talk, dialect: Dialect, kind: str) -> None:
    """Hold what every harm must come to: the bad host named and failed, each prompt answered, time and memory kept."""
    found = dispatch(talk, dialect)
    run = found.outcome.run
    assert not run.failed
    assert len(run.requests) == PROMPTS
    assert {request.host for request in run.requests} == {"good"}
    told = {(attempt.host, attempt.kind) for attempt in run.failed_attempts}
    assert told == {("bad", kind)}, told
    # One attempt, or two where the host is tried again: never more than its timeout each, and what stopping takes.
    assert found.took_s < 3 * TIMEOUT_S + 2
    assert found.memory < MOST_MEMORY, found.memory
