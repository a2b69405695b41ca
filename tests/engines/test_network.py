"""The connections beneath the HTTP library: what they make of bytes, when they are used again, and what closes them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.engines.connection import MOST_HELD, Connection
from outpace.engines.network import Network

PATIENCE_S = 20
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


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Served:
    url: str
    connections: int = 0
    closed: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    """An entry a connection that the other side has closed."""


@asynccontextmanager
async def served(talk: Talk, trust: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Served]:
    found = Served("")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        try:
            await talk(reader, writer)
            if not await reader.read():
                found.closed.put_nowait(None)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=trust)
    scheme = "https" if trust else "http"
    found.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield found


def answering(body: bytes = WHOLE, times: int = 9) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            if not await reader.readline():
                return
            await reader.readuntil(b"\r\n\r\n")
            writer.write(body)

    return talk


def using(network: Network) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=network, trust_env=False)


def network(kept_s: float = 4.0) -> Network:
    return Network(ssl.create_default_context(), kept_s)


@pytest.mark.parametrize(
    ("answer", "kept_s", "connections"),
    [
        (WHOLE, 4.0, 1),
        (CHUNKED, 4.0, 1),
        (WHOLE, -1.0, 3),
        (WHOLE.replace(b"1.1", b"1.0"), 4.0, 3),
        (WHOLE + b"more", 4.0, 3),
    ],
)
def test_a_connection_is_used_again_where_its_answer_allows_it(answer: bytes, kept_s: float, connections: int) -> None:
    async def main() -> None:
        async with served(answering(answer)) as host, using(network(kept_s)) as client:
            for _ in range(3):
                assert (await client.get(host.url)).content == b"word"
            assert host.connections == connections

    anyio.run(main)


def test_connections_are_opened_for_requests_at_once_and_closed_with_the_client() -> None:
    async def main() -> None:
        async with served(answering()) as host:
            async with using(network()) as client, anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(client.get, host.url)
            with anyio.fail_after(PATIENCE_S):
                for _ in range(5):
                    await host.closed.get()
            assert host.connections == 5

    anyio.run(main)


def test_a_kept_connection_that_its_host_has_closed_is_found_out_before_it_is_used() -> None:
    """Also while nobody looked: between two runs the event loop stands still."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer_once() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(WHOLE)

    with listener, asyncio.Runner() as runner:
        client = using(network())
        for _ in range(3):
            host = threading.Thread(target=answer_once)
            host.start()
            response = runner.run(client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
            assert response.content == b"word"
            host.join()
        runner.run(client.aclose())


def ending(ended: asyncio.Queue[None], *, under_way: bool) -> Talk:
    """Answer once, and end the connection without having said so: at once, or when something more was asked."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(times=1)(reader, writer)
        if under_way:
            await reader.readline()
        writer.close()
        ended.put_nowait(None)

    return talk


@pytest.mark.parametrize(("under_way", "lost"), [(False, []), (True, [1, 3])])
def test_no_connection_is_kept_to_a_host_that_ends_each_without_a_word(under_way: bool, lost: list[int]) -> None:
    async def main() -> None:
        ended: asyncio.Queue[None] = asyncio.Queue()
        found = []
        async with served(ending(ended, under_way=under_way)) as host, using(network()) as client:
            for turn in range(9):
                try:
                    await client.get(host.url)
                except httpx.TransportError:
                    found.append(turn)
                if not under_way:
                    await ended.get()
            assert found == lost
            assert host.connections == 9 - len(lost)

    anyio.run(main)


def test_a_host_that_starts_again_has_its_connections_kept_as_before() -> None:
    async def main() -> None:
        ended: asyncio.Queue[None] = asyncio.Queue()
        async with using(network()) as client:
            async with served(ending(ended, under_way=False)) as host:
                async with anyio.create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(client.get, host.url)
                for _ in range(5):
                    await ended.get()
            async with served(answering(), port=urlsplit(host.url).port or 0) as host:
                for _ in range(5):
                    await client.get(host.url)
                assert host.connections == 1

    anyio.run(main)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nwo"], ids=["waiting", "reading"])
def test_a_request_that_is_called_off_leaves_its_host(answer: bytes) -> None:
    async def main() -> None:
        async with served(answering(answer, times=1)) as host, using(network()) as client:
            with anyio.move_on_after(0.05):
                await client.get(host.url)
            with anyio.fail_after(PATIENCE_S):
                await host.closed.get()

    anyio.run(main)


def test_a_host_that_takes_no_request_in_is_not_waited_for() -> None:
    async def deaf(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await anyio.sleep(PATIENCE_S)

    async def main() -> None:
        async with served(deaf) as host, using(network()) as client:
            longest_s = httpx.Timeout(PATIENCE_S, write=0.05)
            with pytest.raises(httpx.WriteTimeout), anyio.fail_after(PATIENCE_S):
                await client.post(host.url, content=b"x" * (64 << 20), timeout=longest_s)

    anyio.run(main)


def test_no_name_is_looked_up_and_no_header_makes_two() -> None:
    async def main() -> None:
        async with using(network()) as client:
            with pytest.raises(httpx.UnsupportedProtocol, match="localhost is no address"):
                await client.get("http://localhost:1/")
            with pytest.raises(httpx.UnsupportedProtocol, match="ftp"):
                await client.get("ftp://127.0.0.1:1/")
            for value in ("a\r\nx-more: b", "a\nb", "a\rb"):
                with pytest.raises(httpx.LocalProtocolError):
                    await client.get("http://127.0.0.1:1/", headers={"authorization": value})

    anyio.run(main)
