"""A small server on a real socket that says what a test wants said, and engines that hear it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from outpace.engines import Client, Completion, Identity
from outpace.engines.detect import engine_for
from outpace.ground.errors import RequestFailed
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation
from scripted import Answer, Asked, Server, serving

OLLAMA, OPENAI = (Identity(name, name, None, {"m": None}) for name in ("ollama", "openai"))
SETTINGS = Generation(max_tokens=64)


@dataclass(frozen=True)
class Heard:
    """What came of one request: an answer or a failure, and what was noticed."""

    completion: Completion | None
    failure: RequestFailed | None
    notes: tuple[str, ...]
    includes_queue: bool
    """Whether the server times told so far include the wait in the queue."""

    @property
    def text(self) -> str:
        """The answer's; fails where there is none."""
        assert self.completion is not None, self.failure
        return self.completion.text


class Spoken:
    """The server, and a client that asks it."""

    def __init__(self, portal: BlockingPortal, server: Server, client: Client, said: list[Answer]) -> None:
        self._portal, self._server, self._client, self._said = portal, server, client, said

    def __call__(
        self,
        identity: Identity,
        *pieces: bytes,
        settings: Generation = SETTINGS,
        prompt: str = "Why?",
        status: int = 200,
        end: str = "whole",
    ) -> Heard:
        """Let a host of ``identity`` answer ``prompt`` with ``pieces``."""
        self._said[:] = [Answer(status, pieces, end=end)]
        host = Host("h", self._server.url, ("127.0.0.1",))

        async def ask() -> Heard:
            engine = engine_for(self._client, host, identity, "m")
            try:
                completion, failure = await engine.generate(prompt, settings, "k"), None
            except RequestFailed as error:
                completion, failure = None, error
            notes = tuple(engine.noticed.in_words("h"))
            return Heard(completion, failure, notes, engine.server_includes_queue)

        return self._portal.call(ask)


@contextmanager
def spoken() -> Iterator[Spoken]:
    said: list[Answer] = []
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serving(lambda _: said[0])) as server,
        portal.wrap_async_context_manager(Client(timeout_s=10)) as client,
    ):
        yield Spoken(portal, server, client, said)


@contextmanager
def listening(*hosts: Callable[[Asked], Answer | None]) -> Iterator[list[Server]]:
    """Servers that run beside a test which blocks, such as one of a whole session."""
    with start_blocking_portal() as portal, ExitStack() as stack:
        yield [stack.enter_context(portal.wrap_async_context_manager(serving(host))) for host in hosts]


def chat(text: str | None = None, reason: Any = None, **more: Any) -> dict[str, Any]:
    """An event of the OpenAI protocol."""
    delta = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def usage(tokens: Any, **more: Any) -> dict[str, Any]:
    """The event of the OpenAI protocol that tells them."""
    return {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": tokens, **more}}


def sse(*events: Any, done: bool = True) -> bytes:
    """A stream of ``events`` as most servers write it; bytes are events as they are."""
    framed = [each if isinstance(each, bytes) else b"data: %b\n\n" % json.dumps(each).encode() for each in events]
    return b"".join(framed) + (b"data: [DONE]\n\n" if done else b"")


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """``body`` in pieces, cut at ``places``."""
    at = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[begin:end] for begin, end in pairwise(at)]
