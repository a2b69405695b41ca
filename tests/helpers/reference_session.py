"""A session over reference engines in virtual time: the whole way of a prompt, but for the sockets, takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import httpcore
import httpx

from outpace.ground.hosts import Host
from outpace.measure.session import Session
from outpace.measure.worlds import LiveWorld, Settings
from outpace.recording.recorder import RecordingTransport
from outpace.simulation.clock import VirtualLoop
from reference.server import ReferenceEngine
from reference.truth import Truth

FIRST_PORT = 40_000


class _Writer:
    """As much of a stream writer as an engine needs."""

    def __init__(self, into: asyncio.StreamReader) -> None:
        self._into = into

    def write(self, data: bytes) -> None:
        if not self._into.at_eof():
            self._into.feed_data(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self._into.feed_eof()


class _Stream(httpcore.AsyncNetworkStream):
    """One connection, as the client sees it."""

    def __init__(self, engine: ReferenceEngine) -> None:
        self._heard, asked = asyncio.StreamReader(), asyncio.StreamReader()
        self._said = _Writer(asked)
        self._serving = asyncio.create_task(engine._serve(asked, _Writer(self._heard)))  # type: ignore[arg-type]

    async def read(self, max_bytes: int, **_: Any) -> bytes:
        return await self._heard.read(max_bytes)

    async def write(self, buffer: bytes, **_: Any) -> None:
        self._said.write(buffer)

    async def aclose(self) -> None:
        self._said.close()

    def get_extra_info(self, info: str) -> Any:
        return False if info == "is_readable" else None


class _Network(httpcore.AsyncNetworkBackend):
    """Engines by their port."""

    def __init__(self, truths: Iterable[Truth]) -> None:
        self._truths = list(truths)
        self._engines: dict[int, ReferenceEngine] = {}

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        if port not in self._engines:
            self._engines[port] = ReferenceEngine(self._truths[port - FIRST_PORT])
        return _Stream(self._engines[port])

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextmanager
def virtual_session(truths: Mapping[str, Truth], **asked: Any) -> Iterator[Session]:
    """A session over engines that these are true of, by name; what else is ``asked`` are settings."""
    hosts = [Host(name, f"http://127.0.0.1:{FIRST_PORT + index}") for index, name in enumerate(truths)]

    def world(settings: Settings, _stack: ExitStack, _faults: object) -> LiveWorld:
        found = LiveWorld(settings, hosts)
        found.loop_factory = VirtualLoop
        transport = httpx.AsyncHTTPTransport(trust_env=False)
        transport._pool = httpcore.AsyncConnectionPool(
            network_backend=_Network(truths.values()), max_connections=None, max_keepalive_connections=None
        )
        if isinstance(found.transport, RecordingTransport):
            found.transport._inner = transport
        else:
            found.transport = transport
        return found

    # Virtual time goes apart from the calendar's, which no clock that measures should.
    with (
        patch.object(Session, "clock_off_s", lambda _: None),
        patch("outpace.measure.session.open_world", world),
        Session(Settings(hosts=hosts, **asked)) as session,
    ):
        yield session
