"""The network beneath the HTTP library: connections that are opened, kept for a while, and closed.

A request goes to the very address that its URL names: no name is looked up, no proxy asked.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

import anyio
import httpx
from anyio.lowlevel import checkpoint

from outpace.engines.connection import Connection
from outpace.engines.path import socket_options

PORTS = {"http": 80, "https": 443}
ENDED_IN_A_ROW = 2
"""Kept connections that a host ended before they were used again: from so many on, it is taken to keep none."""


class _Place(NamedTuple):
    """Where a connection leads to: the ``name`` is what TLS is to prove, None where there is none."""

    address: str
    port: int
    name: str | None


class Network(httpx.AsyncBaseTransport):
    """As many connections as are asked for, each kept for ``kept_s`` seconds; TLS trusts whom ``trust`` does."""

    def __init__(self, trust: ssl.SSLContext, kept_s: float) -> None:
        self._trust, self._kept_s = trust, kept_s
        self._open: set[Connection] = set()
        self._kept: OrderedDict[Connection, tuple[float, _Place]] = OrderedDict()
        """Those that wait for another request, by when they began to and where they lead; the oldest first."""
        self._kept_to: defaultdict[_Place, deque[Connection]] = defaultdict(deque)
        self._ended: defaultdict[_Place, _Ended] = defaultdict(_Ended)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, and give its answer once its headers are there; raises ``httpx.TransportError``."""
        asked, longest_s = _written(request), request.extensions.get("timeout", {})
        place = _place(request.url, request.extensions.get("sni_hostname"))
        kept, now_s = self._free(place), anyio.current_time()
        connection = kept or await self._connected(place, longest_s.get("connect"))
        read_s = longest_s.get("read")
        try:
            await connection.ask(asked, write_s=longest_s.get("write"), read_s=read_s)
        except BaseException as error:  # a request that is called off leaves its host
            if kept is not None and isinstance(error, httpx.RemoteProtocolError | httpx.NetworkError):
                self._ended[place].note(now_s)
            connection.abort()
            raise
        if kept is not None:
            self._ended[place].in_a_row = 0
        return httpx.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(self, place, connection, read_s),
            extensions={"http_version": b"HTTP/1.1", "network_stream": connection.transport},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        with anyio.CancelScope(shield=True):
            for connection in [*self._open]:
                connection.abort()
            while self._open:
                await checkpoint()

    def give_back(self, place: _Place, connection: Connection) -> None:
        """Keep a ``connection`` whose answer was taken, or close it where it is of no more use."""
        now_s = anyio.current_time()
        self._close_old(now_s)
        if connection.can_be_kept and self._ended[place].in_a_row < ENDED_IN_A_ROW:
            self._kept[connection] = now_s, place
            self._kept_to[place].append(connection)
        else:
            connection.abort()

    def _close_old(self, now_s: float) -> None:
        while self._kept:
            connection, (since_s, place) = next(iter(self._kept.items()))
            if since_s >= now_s - self._kept_s:
                return
            del self._kept[connection]
            self._kept_to[place].popleft()
            connection.abort()

    def _free(self, place: _Place) -> Connection | None:
        """The connection to ``place`` that was used last, if there is one to be used again."""
        self._close_old(anyio.current_time())
        kept = self._kept_to[place]
        while kept:
            connection = kept.pop()
            since_s, _ = self._kept.pop(connection)
            if not connection.is_stale:
                return connection
            self._ended[place].note(since_s)
            connection.abort()
        return None

    async def _connected(self, place: _Place, longest_s: float | None) -> Connection:
        loop = asyncio.get_running_loop()
        with anyio.move_on_after(longest_s):
            try:
                opened = await _reached(place)
                trust = self._trust if place.name is not None else None
                _, connection = await loop.create_connection(
                    lambda: Connection(self._open), sock=opened, ssl=trust, server_hostname=place.name
                )
            except OSError as error:
                raise httpx.ConnectError(str(error)) from error
            return connection
        raise httpx.ConnectTimeout("no connection came about in time")


class _Ended:
    """How often in a row a host has ended a connection that was kept to it, before it was used again.

    Some end each after its answer and do not say so; while that end is under way, what is sent to them is lost.
    """

    in_a_row, _last_s = 0, -math.inf

    def note(self, kept_since_s: float) -> None:
        """Take note of one; those that were kept at the same time count once, as a host that starts again ends all."""
        if kept_since_s > self._last_s:
            self.in_a_row, self._last_s = self.in_a_row + 1, anyio.current_time()


class _Body(httpx.AsyncByteStream):
    def __init__(self, network: Network, place: _Place, connection: Connection, read_s: float | None) -> None:
        self._network, self._place, self._read_s = network, place, read_s
        self._connection: Connection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._connection is not None and (piece := await self._connection.piece(self._read_s)):
            yield piece

    async def aclose(self) -> None:
        if self._connection is not None:
            self._network.give_back(self._place, self._connection)
            self._connection = None


@lru_cache(maxsize=1 << 14)
def _place(url: httpx.URL, name: str | None) -> _Place:
    try:
        ip_address(url.host)
    except ValueError:
        raise httpx.UnsupportedProtocol(f"{url.host} is no address, and no name is looked up here") from None
    if url.scheme not in PORTS:
        raise httpx.UnsupportedProtocol(f"{url.scheme} is not spoken here")
    return _Place(url.host, url.port or PORTS[url.scheme], name or url.host if url.scheme == "https" else None)


async def _reached(place: _Place) -> socket.socket:
    """A socket that is connected to ``place``; raises ``OSError``."""
    opened = socket.socket(socket.AF_INET6 if ":" in place.address else socket.AF_INET)
    try:
        opened.setblocking(False)
        for option in socket_options():
            opened.setsockopt(*option)
        await asyncio.get_running_loop().sock_connect(opened, (place.address, place.port))
    except BaseException:
        opened.close()
        raise
    return opened


def _written(request: httpx.Request) -> bytes:
    """The bytes of a request; raises ``httpx.LocalProtocolError`` where a header would be more than one."""
    lines = [f"{request.method} {request.url.raw_path.decode('ascii')} HTTP/1.1".encode()]
    lines += [b"%s: %s" % each for each in request.headers.raw]
    head = b"\r\n".join((*lines, b"", b""))
    if head.count(b"\n") != len(lines) + 1 or head.count(b"\r") != len(lines) + 1:
        raise httpx.LocalProtocolError("a header holds the end of a line")
    return head + request.content
