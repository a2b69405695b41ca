"""A transport that lets things go wrong on their way, as a fault schedule says; over any other transport."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping

import anyio
import httpx

from outpace.simulation.acting_faults import ERROR, ActingFaults, Harm, Way, whole_seconds

FLOOD_PIECE_BYTES = 64 << 10
FLOOD_PIECES = 256
"""An endless answer is 16 MiB longer for each piece of the true one: far more than thousands of tokens may take."""
PIECES_AHEAD = 4096
_ERRORS = {"refused": httpx.ConnectError, "dropped": httpx.ReadError, "silent": httpx.ReadTimeout}


class FaultyTransport(httpx.AsyncBaseTransport):
    """Passes requests on to ``inner``, with the ``faults`` of the host that each is for.

    ``hosts`` gives the name of the host behind an authority (``127.0.0.1:11434``).
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, faults: ActingFaults, hosts: Mapping[str, str]) -> None:
        self._inner, self._faults, self._hosts = inner, faults, hosts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request on, or let it fail."""
        host = self._hosts.get(request.url.netloc.decode(), "")
        way = self._faults.way(host, request.extensions.get("timeout", {}).get("read"))
        if way is None:
            return await self._inner.handle_async_request(request)
        try:
            way.connect()
            with way.hurried():
                if busy := await way.ask():
                    return _busy(whole_seconds(busy))
                response = await self._inner.handle_async_request(request)
                assert isinstance(response.stream, httpx.AsyncByteStream)
                response.stream = _FaultyBody(way, response.stream, request)
                try:
                    await way.arrive(way.now())
                except BaseException:
                    await response.stream.aclose()
                    raise
        except Harm as harm:
            raise as_httpx(harm, request) from None
        return response

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class _FaultyBody(httpx.AsyncByteStream):
    """The body of an answer, as it arrives over a faulty way."""

    def __init__(self, way: Way, inner: httpx.AsyncByteStream, request: httpx.Request) -> None:
        self._way, self._inner, self._request = way, inner, request
        self._ollama = request.url.path.endswith("/api/generate")
        self._sent: asyncio.Queue[tuple[float, bytes | Exception]] = asyncio.Queue(PIECES_AHEAD)
        # Taken in as it comes, whatever the client is made to wait for: the host does not wait with its work.
        self._pump = asyncio.get_running_loop().create_task(self._take_in())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        way = self._way
        while piece := await self._next_piece():
            if way.acting("garbage"):
                yield b"<<<<\x00\xff no line of any protocol\n" * 3
                return
            if failing := way.acting("errors", "truncates"):
                yield self._first_event(piece)
                if failing.kind == "errors":
                    yield self._error()
                return
            if way.acting("endless"):
                for _ in range(FLOOD_PIECES):
                    yield piece * math.ceil(FLOOD_PIECE_BYTES / len(piece))
                    await asyncio.sleep(0)
            yield piece
            if way.acting("resets"):
                raise as_httpx(Harm("dropped"), self._request)

    async def _next_piece(self) -> bytes:
        """The next piece once it has arrived, empty at the end; raises what cut the answer."""
        try:
            with self._way.hurried():
                sent, piece = await self._sent.get()
                await self._way.arrive(sent)
        except Harm as harm:
            raise as_httpx(harm, self._request) from None
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def _take_in(self) -> None:
        try:
            async for piece in self._inner:
                if piece:
                    await self._sent.put((self._way.now(), piece))
            await self._sent.put((self._way.now(), b""))
        except Exception as error:  # raised where the body is read
            await self._sent.put((self._way.now(), error))

    async def aclose(self) -> None:
        self._pump.cancel()
        # Shielded: a client that is called off itself, as by a timeout, must still leave the host.
        with anyio.CancelScope(shield=True):
            try:
                await asyncio.wait([self._pump])
            finally:
                await self._inner.aclose()

    def _first_event(self, piece: bytes) -> bytes:
        """The first line or event of ``piece`` with its end, empty where it holds no whole one."""
        line, end, _ = piece.partition(b"\n")
        return (line + (end if self._ollama else end * 2)) if end else b""

    def _error(self) -> bytes:
        if self._ollama:
            return b'{"error":"%s"}\n' % ERROR.encode()
        return b'data: {"error":{"message":"%s","code":500}}\n\ndata: [DONE]\n\n' % ERROR.encode()


def as_httpx(harm: Harm, request: httpx.Request) -> httpx.HTTPError:
    """``harm`` as the HTTP library tells of it."""
    return _ERRORS[harm.how](str(harm), request=request)


def _busy(retry_after_s: int | None) -> httpx.Response:
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return httpx.Response(503, headers=headers, stream=httpx.ByteStream(b'{"error": "busy on purpose"}'))
