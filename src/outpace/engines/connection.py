"""One connection to a host: a request goes out, and its answer comes back in the pieces in which it arrives.

The bytes are read by llhttp (httptools), as liberally as honest servers need it. What fails is raised as the HTTP
library's own errors, so that nobody above has to know who carried the request.
"""

from __future__ import annotations

import asyncio
import select

import httptools
import httpx

MOST_HELD = 256 << 10
"""Bytes of an answer that nobody has taken yet: at more of them the host is made to wait."""
MOST_WITHOUT_BODY = 100 << 10
"""Bytes in a row that may be no part of a body: what stands before it, between its chunks, or behind it."""

NO_WORD = "Server disconnected without sending a response."


class Connection(asyncio.Protocol):
    """A connection to one host, for one request after another; among the ``open_ones`` until it is lost."""

    def __init__(self, open_ones: set[Connection]) -> None:
        self._loop, self._open_ones = asyncio.get_running_loop(), open_ones
        self._waiter: asyncio.Future[None] | None = None
        self._is_lost = self._full = False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True,
            lenient_data_after_close=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._reset()
        self._whole = True

    def _reset(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._has_head = self._whole = self._can_be_kept = self._to_its_end = self._paused = False
        self._pieces: list[bytes] = []
        self._held = self._received = self._without_body = 0
        self._failure: Exception | None = None

    # What it is asked.

    async def ask(self, request: bytes, *, write_s: float | None, read_s: float | None) -> None:
        """Send ``request``, and wait until ``status`` and ``headers`` of its answer are there.

        ``write_s`` is how long it may take to send it, and ``read_s`` the longest silence after that, in seconds; None
        for as long as it takes. Raises ``httpx.TransportError``.
        """
        self._reset()
        if self._is_lost:
            raise httpx.RemoteProtocolError(NO_WORD)
        self.transport.write(request)
        while self._full and not self._is_over:
            await self._wait(write_s, httpx.WriteTimeout)
        while not self._has_head:
            if self._failure is not None:
                raise self._failure
            await self._wait(read_s, httpx.ReadTimeout)

    async def piece(self, read_s: float | None) -> bytes:
        """The next piece of the answer's body, empty at its end; raises ``httpx.TransportError``."""
        while not self._pieces:
            if self._whole:
                return b""
            if self._failure is not None:
                raise self._failure
            await self._wait(read_s, httpx.ReadTimeout)
        found = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._held = [], 0
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return found

    @property
    def can_be_kept(self) -> bool:
        """Whether another request may follow: all of the last was sent, all of its answer taken, nothing is left."""
        sent = not self.transport.get_write_buffer_size()
        return self._whole and self._can_be_kept and sent and not (self._pieces or self._failure or self._is_lost)

    @property
    def is_stale(self) -> bool:
        """Whether something came, an end mostly, while nothing was asked: it may not have been looked at yet."""
        if self._is_lost or self._failure is not None or self.transport.is_closing():
            return True
        number = self.transport.get_extra_info("socket").fileno()
        if not hasattr(select, "poll"):  # Windows
            return bool(select.select([number], [], [], 0)[0])
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    def abort(self) -> None:
        """Close it at once, whatever it is at."""
        self.transport.abort()

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the ``transport`` that was opened."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._open_ones.add(self)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._failure is not None:
            return
        if self._whole:
            self._fail(httpx.RemoteProtocolError("an answer came to nothing that was asked"))
            return
        self._without_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(httpx.RemoteProtocolError("it went over to another protocol"))
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))
        if self._without_body > MOST_WITHOUT_BODY:
            self._fail(httpx.RemoteProtocolError(f"more than {MOST_WITHOUT_BODY} bytes were no part of an answer"))
        if self._held > MOST_HELD and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that nothing more will come: that may be the end of an answer."""
        self._is_lost = True
        if self._has_head and self._to_its_end and error is None and self._failure is None:
            self._whole = True
        else:
            self._fail(_end(error, f"its end is missing after {self._received} bytes" if self._has_head else NO_WORD))
        self._wake()
        del self._parser  # which knows this one: neither is to wait for the other to be thrown away
        self._open_ones.discard(self)

    def pause_writing(self) -> None:
        """Take note that the host is slower to take the request than it is sent."""
        self._full = True

    def resume_writing(self) -> None:
        """Take note that it has taken most of it."""
        self._full = False
        self._wake()

    # What the parser tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what stands behind a body is left out."""
        if not self._has_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take note of the status."""
        if self._whole or 100 <= self._parser.get_status_code() < 200:
            return
        self.status, self._has_head = self._parser.get_status_code(), True
        self._can_be_kept = self._parser.should_keep_alive()
        names = {name.lower() for name, _ in self.headers}
        self._to_its_end = not names & {b"content-length", b"transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body until it is asked for."""
        if not self._whole:
            self._pieces.append(body)
            self._held += len(body)
            self._received += len(body)
            self._without_body = 0

    def on_message_complete(self) -> None:
        """Take note of the end; what is only informational is none."""
        if self._has_head:
            self._whole, self._without_body = True, 0
        else:
            self.headers = []

    def on_message_begin(self) -> None:
        """Take note of another answer behind the one that was asked for."""
        if self._whole:
            self._can_be_kept = False

    # How it waits.

    @property
    def _is_over(self) -> bool:
        return self._has_head or self._failure is not None

    async def _wait(self, longest_s: float | None, late: type[httpx.TimeoutException]) -> None:
        """Wait until something happens; raises ``late`` where nothing does."""
        self._waiter = waiter = self._loop.create_future()
        timer = None if longest_s is None else self._loop.call_later(longest_s, _expire, waiter, late)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: Exception) -> None:
        """Give the connection up, after what was whole already."""
        self._can_be_kept = False
        if self._failure is None and not self._whole:
            self._failure = failure
        self.transport.abort()


def _expire(waiter: asyncio.Future[None], late: type[httpx.TimeoutException]) -> None:
    if not waiter.done():
        waiter.set_exception(late("nothing came, or nothing went out, for too long"))


def _end(cause: Exception | None, said: str) -> httpx.TransportError:
    """What the end of a connection means: ``said``, but where the system tells a ``cause``."""
    if cause is None:
        return httpx.RemoteProtocolError(said)
    found = httpx.ReadError(str(cause))
    found.__cause__ = cause
    return found
