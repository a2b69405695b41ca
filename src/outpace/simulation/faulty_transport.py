"""A transport that lets things go wrong on their way, as a fault schedule says; over any other transport."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager

import anyio
import httpx

from outpace.simulation.clock import VirtualLoop
from outpace.simulation.fault_schedule import Fault, require_virtual_clock

FLOOD_PIECE_BYTES = 64 << 10
FLOOD_PIECES = 256
"""An endless answer is 16 MiB longer for each piece of the true one: far more than thousands of tokens may take."""
PIECES_AHEAD = 4096
TICK_S = 0.001
"""A wait for a silence to end is this much longer: timers may go off a rounding early, before the silence is over."""
_ERROR = b"the engine failed on purpose"


class FaultyTransport(httpx.AsyncBaseTransport):
    """Passes requests on to ``inner``, with the ``faults`` of the host that each is for.

    ``hosts`` gives the name of the host behind an authority (``127.0.0.1:11434``). Faults act only between ``begin``
    and ``end``; their times count from ``begin``, on the running loop's clock.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, faults: Sequence[Fault], hosts: Mapping[str, str]) -> None:
        self._inner, self._faults, self._hosts = inner, tuple(faults), hosts
        self._began: float | None = None
        self._jumps: list[asyncio.TimerHandle] = []

    def begin(self) -> None:
        """A run begins in which the faults act. Raises ``UsageError`` for a jump of a clock that is not virtual."""
        self.end()
        loop = asyncio.get_running_loop()
        require_virtual_clock(self._faults, virtual=isinstance(loop, VirtualLoop))
        for fault in self._faults:
            if fault.kind == "jumps" and fault.parameter is not None:
                assert isinstance(loop, VirtualLoop)
                self._jumps.append(loop.call_later(fault.start_s, loop.jump, fault.parameter))
        self._began = loop.time()

    def end(self) -> None:
        """The run is over."""
        self._began = None
        while self._jumps:
            self._jumps.pop().cancel()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request on, or let it fail."""
        host = self._hosts.get(request.url.netloc.decode(), "")
        mine = [fault for fault in self._faults if fault.concerns(host)]
        if self._began is None or not mine:
            return await self._inner.handle_async_request(request)
        return await _Way(mine, self._began, request).go(self._inner)

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class _Way:
    """The way of one request to a faulty host and back."""

    def __init__(self, faults: Sequence[Fault], began: float, request: httpx.Request) -> None:
        self._faults, self._began, self.request = faults, began, request
        self._asked_s = self._since_s()
        # The times of faults are compared as they were written, never with ``began`` added: no rounding lets one slip.
        deaths = [fault.start_s for fault in faults if fault.kind == "dies" and fault.start_s >= self._asked_s]
        self._cut_at = began + min(deaths, default=math.inf)
        patience_s = request.extensions.get("timeout", {}).get("read")
        self._patience_s: float = math.inf if patience_s is None else patience_s

    async def go(self, inner: httpx.AsyncBaseTransport) -> httpx.Response:
        """The response, once its head may arrive."""
        if self.acting("refuses", "dies"):
            raise httpx.ConnectError("refused on purpose", request=self.request)
        with self.hurried():
            await self._silence()
            if busy := self.acting("busy"):
                return _busy(busy.parameter)
            # What the silence held back reaches the host only now.
            self._asked_s = self._since_s()
            response = await inner.handle_async_request(self.request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _FaultyBody(self, response.stream)
            try:
                await self.arrive(self.now())
            except BaseException:
                await response.stream.aclose()
                raise
        return response

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """A block that ends by an exception where the host dies inside it, or the client's patience is over."""
        gives_up = self.now() + self._patience_s
        # A scope of anyio's, as the coordinator's: asyncio's own timeout loses its way where both end at one moment.
        with anyio.CancelScope(deadline=min(self._cut_at, gives_up)) as scope:
            yield
        if scope.cancelled_caught:
            if self._cut_at <= gives_up:
                raise dropped(self.request)
            raise httpx.ReadTimeout("silent on purpose", request=self.request)

    async def arrive(self, sent: float) -> None:
        """Wait until what the host sent at ``sent`` may arrive here."""
        await asyncio.sleep(max(0.0, self._began + self._slowed_s(sent - self._began) - self.now()))
        await self._silence()

    def acting(self, *kinds: str) -> Fault | None:
        """The first fault of one of ``kinds`` that acts now."""
        since_s = self._since_s()
        return next((fault for fault in self._faults if fault.kind in kinds and fault.acts(since_s)), None)

    async def _silence(self) -> None:
        """Let no byte pass while the host is silent."""
        while (silent := self.acting("silent")) is not None:
            if silent.end_s == math.inf:
                await asyncio.Event().wait()
            await asyncio.sleep(max(0.0, silent.end_s - self._since_s()) + TICK_S)

    def _slowed_s(self, sent_s: float) -> float:
        """When a host that is slow at times comes to what it would otherwise have sent at ``sent_s``."""
        slow = [fault for fault in self._faults if fault.kind == "slow" and fault.parameter]
        edges = sorted({edge for fault in slow for edge in (fault.start_s, fault.end_s) if edge > self._asked_s})
        at_s, left_s = self._asked_s, sent_s - self._asked_s
        for edge_s in [*edges, math.inf]:
            factor = math.prod(fault.parameter or 1.0 for fault in slow if fault.acts(at_s))
            if left_s * factor <= edge_s - at_s:
                break
            left_s -= (edge_s - at_s) / factor
            at_s = edge_s
        return at_s + left_s * factor

    def _since_s(self) -> float:
        return self.now() - self._began

    @staticmethod
    def now() -> float:
        """The running loop's time, in seconds."""
        return asyncio.get_running_loop().time()


class _FaultyBody(httpx.AsyncByteStream):
    """The body of an answer, as it arrives over a faulty way."""

    def __init__(self, way: _Way, inner: httpx.AsyncByteStream) -> None:
        self._way, self._inner = way, inner
        self._ollama = way.request.url.path.endswith("/api/generate")
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
                raise dropped(way.request)

    async def _next_piece(self) -> bytes:
        """The next piece once it has arrived, empty at the end; raises what cut the answer."""
        with self._way.hurried():
            sent, piece = await self._sent.get()
            await self._way.arrive(sent)
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
            return b'{"error":"%s"}\n' % _ERROR
        return b'data: {"error":{"message":"%s","code":500}}\n\ndata: [DONE]\n\n' % _ERROR


def dropped(request: httpx.Request) -> httpx.ReadError:
    """What a connection that the host drops looks like."""
    return httpx.ReadError("dropped on purpose", request=request)


def _busy(retry_after_s: float | None) -> httpx.Response:
    """Status 503; the header has whole seconds only, and nobody may come back too soon."""
    headers = {} if retry_after_s is None else {"retry-after": str(math.ceil(retry_after_s))}
    return httpx.Response(503, headers=headers, stream=httpx.ByteStream(b'{"error": "busy on purpose"}'))
