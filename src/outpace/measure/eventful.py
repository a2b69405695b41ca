"""An engine that costs nothing and sends an event a token, in a process of its own: ``python eventful.py [TURN_S]``.

It prints its port, and speaks the OpenAI protocol. As an engine that batches does, it gives every answer in work one
event a turn; a turn takes ``TURN_S`` seconds, or no longer than it must. Nothing else of outpace is loaded for it.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BESIDES = 3
"""So many events an answer has beside those of its words: why it ended, what it came to, and that it is done."""
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_MOST = re.compile(rb'"max_tokens": ?([0-9]+)')


@contextmanager
def serving(turn_s: float = 0.0) -> Iterator[int]:
    """Its port, while the block runs."""
    command = [sys.executable, "-I", __file__, str(turn_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as engine:  # noqa: S603
        try:
            assert engine.stdout is not None
            yield int(engine.stdout.readline())
        finally:
            engine.terminate()


def _event(said: object) -> bytes:
    """A chunk with one event in it."""
    data = said if isinstance(said, bytes) else json.dumps(said, separators=(",", ":")).encode()
    body = b"data: %s\n\n" % data
    return b"%x\r\n%s\r\n" % (len(body), body)


def _part(delta: dict[str, str], reason: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason, "token_ids": None}
    head = {"id": "chatcmpl-8d6a3bb5b0c94e3f", "object": "chat.completion.chunk", "created": 1795800000, "model": "m"}
    return {**head, "choices": [choice]}


def writes(words: int) -> list[bytes]:
    """What is sent of an answer of so many ``words``, an entry a turn."""
    usage = {"prompt_tokens": 8, "total_tokens": 8 + words, "completion_tokens": words}
    said = [_event(_part({"content": f" word{number}"})) for number in range(words)]
    said += [_event(_part({"content": ""}, "stop")), _event({**_part({}), "choices": [], "usage": usage})]
    return [_HEAD, *said, _event(b"[DONE]"), _END]


class _Connection(asyncio.Protocol):
    def __init__(self, turns: _Turns) -> None:
        self._turns, self._asked = turns, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._asked += data
        head, _, body = self._asked.partition(b"\r\n\r\n")
        length, most = _LENGTH.search(head), _MOST.search(body)
        if length and most and len(body) >= int(length[1]):
            self._asked = b""
            self._turns.begin(self, int(most[1]))

    def connection_lost(self, _: Exception | None) -> None:
        self._turns.in_work.pop(self, None)


class _Turns:
    """The answers in work, each with what is still to be sent of it."""

    def __init__(self, turn_s: float) -> None:
        self._turn_s, self._loop = turn_s, asyncio.get_running_loop()
        self._answers: dict[int, list[bytes]] = {}
        self.in_work: dict[_Connection, Iterator[bytes]] = {}

    def begin(self, connection: _Connection, words: int) -> None:
        if words not in self._answers:
            self._answers[words] = writes(words)
        if not self.in_work:
            self._loop.call_soon(self._turn)
        self.in_work[connection] = iter(self._answers[words])

    def _turn(self) -> None:
        began_s = self._loop.time()
        for connection, left in list(self.in_work.items()):
            if (part := next(left, None)) is None:
                del self.in_work[connection]
            else:
                connection.transport.write(part)
        if self.in_work:
            self._loop.call_at(began_s + self._turn_s, self._turn)


async def _serve(turn_s: float) -> None:
    turns = _Turns(turn_s)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(turns), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
