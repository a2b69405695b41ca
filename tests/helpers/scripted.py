"""A loopback HTTP server that says what a test, or a recording, tells it to say, byte for byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

RECORDINGS = Path(__file__).parents[1] / "recordings"


@dataclass(frozen=True)
class Answer:
    """One answer: ``end`` is "whole", "cut" (the connection drops inside the body), or "silence"."""

    status: int = 200
    chunks: tuple[bytes, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    end: str = "whole"


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """The running server: its port, and everything that it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def ndjson(*objects: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(each).encode() + b"\n" for each in objects)


def entries(name: str) -> list[dict[str, Any]]:
    """The entries of a recording in ``tests/recordings``."""
    return json.loads((RECORDINGS / f"{name}.har.json").read_text(encoding="utf-8"))["log"]["entries"]


def answer_of(entry: dict[str, Any]) -> Answer:
    """What a recorded entry's engine answered, in the pieces in which it arrived."""
    response = entry["response"]
    body = response["content"].get("text", "").encode()
    chunks, at = [], 0
    for _, size in entry["_chunks"]:
        chunks.append(body[at : at + size])
        at += size
    chunks.append(body[at:])  # a body that was shortened for the recording has chunks of the original's sizes
    return Answer(
        response["status"],
        tuple(chunks),
        tuple((h["name"], h["value"]) for h in response["headers"] if h["name"].lower() == "content-type"),
        end="cut" if "incomplete chunked read" in (entry.get("_error") or "") else "whole",
    )


@asynccontextmanager
async def serving(decide: Callable[[Asked], Answer | None]) -> AsyncIterator[Server]:
    """Serve on a free loopback port; ``decide`` gives the answer, or None to close the connection without one."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    server = Server(listener.extra(SocketAttribute.local_port))

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                await _talk(stream, server, decide)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    failure: Exception | None = None
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        try:
            yield server
        except Exception as error:  # raised below as it is, not in a group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _talk(stream: SocketStream, server: Server, decide: Callable[[Asked], Answer | None]) -> None:
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            buffer += await stream.receive()
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(buffer) < size:
            buffer += await stream.receive()
        method, path, _ = first.split(" ")
        asked = Asked(method, path, headers, buffer[:size])
        buffer = buffer[size:]
        server.asked.append(asked)
        answer = decide(asked)
        if answer is None or not await _say(stream, answer):
            return


async def _say(stream: SocketStream, answer: Answer) -> bool:
    """Send one answer; False where the connection is to be dropped after it."""
    head = [f"HTTP/1.1 {answer.status} Said", "transfer-encoding: chunked"]
    head += [f"{name}: {value}" for name, value in answer.headers]
    await stream.send(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
    for chunk in answer.chunks:
        if chunk:
            await stream.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
    if answer.end == "silence":
        await anyio.sleep_forever()
    if answer.end == "cut":
        return False
    await stream.send(b"0\r\n\r\n")
    return True
