"""A transport that lets things go wrong on their way, as a fault schedule says; over any other transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx

from outpace.replay.faults import Fault

ENDLESS_TIMES = 1000
TICK_S = 0.001
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
        """A run begins in which the faults act."""
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        for fault in self._faults:
            if fault.kind == "jumps":
                self._jumps.append(loop.call_later(fault.start_s, loop.jump, fault.parameter))  # type: ignore[attr-defined]

    def end(self) -> None:
        """The run is over."""
        self._began = None
        while self._jumps:
            self._jumps.pop().cancel()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request on, or let it fail."""
        mine = self._of(self._hosts.get(request.url.netloc.decode(), ""))
        if self._acting(mine, "refuses", "dies"):
            raise httpx.ConnectError("refused on purpose", request=request)
        if self._acting(mine, "silent"):
            await self._silence(mine, request)
        if busy := self._acting(mine, "busy"):
            headers = {} if busy.parameter is None else {"retry-after": f"{busy.parameter:.0f}"}
            return httpx.Response(503, headers=headers, stream=httpx.ByteStream(b'{"error": "busy on purpose"}'))
        response = await self._inner.handle_async_request(request)
        if not mine:
            return response
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Faulty(self, mine, request, response.stream)
        return response

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()

    def _of(self, host: str) -> list[Fault]:
        return [fault for fault in self._faults if fault.concerns(host)] if self._began is not None else []

    def _acting(self, faults: Sequence[Fault], *kinds: str) -> Fault | None:
        if self._began is None:
            return None
        since_s = asyncio.get_running_loop().time() - self._began
        return next((fault for fault in faults if fault.kind in kinds and fault.acts(since_s)), None)

    async def _silence(self, faults: Sequence[Fault], request: httpx.Request) -> None:
        """Let no byte pass while a host is silent, at most until the client's patience is over."""
        patience_s = request.extensions.get("timeout", {}).get("read")
        loop = asyncio.get_running_loop()
        gives_up = loop.time() + patience_s if patience_s is not None else float("inf")
        while (silent := self._acting(faults, "silent")) is not None:
            assert self._began is not None
            until = min(self._began + silent.end_s, gives_up)
            if until == float("inf"):
                await asyncio.Event().wait()
            await asyncio.sleep(max(until - loop.time(), 0.0) + TICK_S)
            if loop.time() >= gives_up:
                raise httpx.ReadTimeout("silent on purpose", request=request)

    def _held_up_s(self, faults: Sequence[Fault], asked: float, arrived: float) -> float:
        """How much later than it arrived a piece is given out, because its host was slow meanwhile."""
        if self._began is None:
            return 0.0
        late_s = 0.0
        for fault in faults:
            if fault.kind == "slow" and fault.parameter is not None:
                slow_s = min(arrived, self._began + fault.end_s) - max(asked, self._began + fault.start_s)
                late_s += max(0.0, slow_s) * (fault.parameter - 1)
        return late_s

    def _cut_at(self, faults: Sequence[Fault]) -> float:
        """When the next death of the host cuts what is under way, on the loop's clock."""
        if self._began is None:
            return float("inf")
        now = asyncio.get_running_loop().time()
        deaths = [self._began + fault.start_s for fault in faults if fault.kind == "dies"]
        return min((at for at in deaths if at >= now), default=float("inf"))


class _Faulty(httpx.AsyncByteStream):
    """The body of an answer, as it arrives over a faulty way."""

    def __init__(
        self, way: FaultyTransport, faults: Sequence[Fault], request: httpx.Request, inner: httpx.AsyncByteStream
    ) -> None:
        self._way, self._faults, self._request, self._inner = way, faults, request, inner
        self._ollama = request.url.path == "/api/generate"
        self._arrived: asyncio.Queue[tuple[float, bytes | Exception]] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        way, loop = self._way, asyncio.get_running_loop()
        # Taken in as it comes, whatever the client is made to wait for: the host does not wait with its work.
        self._pump = loop.create_task(self._take_in())
        asked, cut_at = loop.time(), way._cut_at(self._faults)
        while piece := await self._next_piece(asked, cut_at):
            if way._acting(self._faults, "garbage"):
                yield b"<<<<\x00\xff no line of any protocol\n" * 3
                return
            if failing := way._acting(self._faults, "errors", "truncates"):
                yield piece.partition(b"\n")[0] + b"\n"
                if failing.kind == "errors":
                    yield self._error()
                return
            if way._acting(self._faults, "endless"):
                for _ in range(ENDLESS_TIMES):
                    yield piece * 8
                    await asyncio.sleep(0)
            yield piece
            if way._acting(self._faults, "resets"):
                raise self._dropped()

    async def _next_piece(self, asked: float, cut_at: float) -> bytes:
        """The next piece once it may be given out, empty at the end; raises what cut the answer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(cut_at if cut_at < float("inf") else None):
                arrived, piece = await self._arrived.get()
                late_s = self._way._held_up_s(self._faults, asked, arrived)
                await asyncio.sleep(max(0.0, arrived + late_s - loop.time()))
                await self._way._silence(self._faults, self._request)
        except TimeoutError:
            raise self._dropped() from None
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def _take_in(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            async for piece in self._inner:
                if piece:
                    self._arrived.put_nowait((now(), piece))
            self._arrived.put_nowait((now(), b""))
        except Exception as error:  # raised where the body is read
            self._arrived.put_nowait((now(), error))

    async def aclose(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        await self._inner.aclose()

    def _error(self) -> bytes:
        if self._ollama:
            return b'{"error":"%s"}\n' % _ERROR
        return b'data: {"error":{"message":"%s","code":500}}\n\ndata: [DONE]\n\n' % _ERROR

    def _dropped(self) -> httpx.ReadError:
        return httpx.ReadError("dropped on purpose", request=self._request)
