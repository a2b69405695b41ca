"""One connection beneath the HTTP library: what it makes of bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.engines.connection import MOST_HELD, Connection

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nword"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nwo\r\n2\r\nrd\r\n0\r\n\r\n"


class Wire(asyncio.Transport):
    """What the event loop would give a connection, without a network behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads, self.aborted, self.sent = True, False, b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return 0


@dataclass
class Heard:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    kept: bool
    failed: str | None = None


def heard(*pieces: bytes, hangs_up: bool = False) -> Heard:
    """What a connection makes of an answer that arrives in these ``pieces``."""

    async def main() -> Heard:
        wire, connection = Wire(), Connection(set())
        connection.connection_made(wire)
        asked = asyncio.ensure_future(connection.ask(b"GET", write_s=None, read_s=None))
        await asyncio.sleep(0)
        for piece in pieces:
            connection.data_received(piece)
        if hangs_up:
            connection.connection_lost(None)
        await asked
        body = b""
        try:
            while found := await connection.piece(0.0):
                body += found
        except httpx.TransportError as error:
            return Heard(connection.status, connection.headers, body, connection.can_be_kept, type(error).__name__)
        return Heard(connection.status, connection.headers, body, connection.can_be_kept)

    return asyncio.run(main())


ANSWERS = {
    "a length": (WHOLE, True),
    "chunks": (CHUNKED, True),
    "chunks with extensions and spaces": (
        CHUNKED.replace(b"2\r", b"2 ;x=y\r", 1).replace(b"\n2\r", b"\n2 \r", 1),
        True,
    ),
    "trailers": (CHUNKED.replace(b"0\r\n", b"0\r\nx-more: yes\r\n"), True),
    "a length beside chunks": (CHUNKED.replace(b"\r\n", b"\r\ncontent-length: 9\r\n", 1), None),
    "what is informational before it": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + WHOLE,
        True,
    ),
    "line feeds alone": (WHOLE.replace(b"\r\n", b"\n"), True),
    "a connection that is to be closed": (WHOLE.replace(b"\r\n", b"\r\nconnection: close\r\n", 1), False),
    "HTTP/1.0": (WHOLE.replace(b"1.1", b"1.0"), False),
    "more behind it": (WHOLE + b"HTTP/1.1 200 OK\r\n\r\n", False),
    "what is no HTTP behind it": (WHOLE + b"more", False),
}


@given(case=st.sampled_from(sorted(ANSWERS)), data=st.data())
def test_an_answer_is_the_same_wherever_the_network_cut_it(case: str, data: st.DataObject) -> None:
    answer, kept = ANSWERS[case]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(answer) - 1), max_size=12)))
    found = heard(*(answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)))
    assert (found.status, found.body, found.failed) == (200, b"word", None)
    assert kept is None or found.kept is kept
    assert {name for name, _ in found.headers} <= {b"content-length", b"transfer-encoding", b"connection"}


@given(cut=st.integers(1, len(CHUNKED) - 1))
def test_an_answer_that_is_cut_short_is_never_taken_for_a_whole_one(cut: int) -> None:
    head = CHUNKED.index(b"\r\n\r\n") + 4
    if cut < head:
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
            heard(CHUNKED[:cut], hangs_up=True)
    else:
        found = heard(CHUNKED[:cut], hangs_up=True)
        assert found.failed == "RemoteProtocolError"
        assert not found.kept


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    found = heard(b"HTTP/1.1 200 OK\r\n\r\nwo", b"rd", hangs_up=True)
    assert (found.body, found.failed, found.kept) == (b"word", None, False)


def test_what_came_before_the_break_is_given_first() -> None:
    found = heard(CHUNKED.replace(b"2\r\nrd", b"no number\r\nrd"))
    assert (found.status, found.body, found.failed) == (200, b"wo", "RemoteProtocolError")


def test_a_host_waits_while_nobody_takes_what_it_sends() -> None:
    async def main() -> None:
        wire, connection = Wire(), Connection(set())
        connection.connection_made(wire)
        asked = asyncio.ensure_future(connection.ask(b"GET", write_s=None, read_s=None))
        await asyncio.sleep(0)
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * MOST_HELD)
        assert wire.reads
        connection.data_received(b"x")
        assert not wire.reads
        await asked
        assert len(await connection.piece(None)) == MOST_HELD + 1
        assert wire.reads

    asyncio.run(main())
