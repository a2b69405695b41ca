"""The connections beneath the HTTP library: when they are used again, and what closes them."""

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

from outpace.engines.network import Network

PATIENCE_S = 20
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nword"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nwo\r\n2\r\nrd\r\n0\r\n\r\n"

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
