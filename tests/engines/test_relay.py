"""The relay before a tiny server: what goes in comes out, whole, in order, and not too soon."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from outpace.engines.embedded.relay import LOOPBACK, Relay

DEADLINE_S = 60.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def answer_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only once the client has ended its half: possible only if the end of a half passes on, as a half."""
    whole = await reader.read()
    writer.write(hashlib.sha256(whole).hexdigest().encode())
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def relayed(handler: Handler, rtt_ms: float) -> AsyncIterator[int]:
    """The port of a relay before a server that runs ``handler`` for each connection."""
    server = await asyncio.start_server(handler, LOOPBACK, 0)
    relay = Relay(server.sockets[0].getsockname()[1], rtt_ms)
    try:
        yield await relay.listen()
    finally:
        relay.close()
        server.close()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await test()
        # What was aborted last is told to the handlers in the turns of the loop that follow.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    asyncio.run(bounded())


def now_s() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("rtt_ms", [0.0, 20.0])
def test_megabytes_arrive_whole_and_in_order(rtt_ms: float) -> None:
    sent = random.Random(7).randbytes(5_000_000)

    async def test() -> None:
        async with relayed(echo, rtt_ms) as port, connected(port) as (reader, writer):

            async def send() -> None:
                writer.write(sent)
                await writer.drain()
                writer.write_eof()

            sending = asyncio.create_task(send())
            received = await reader.read()
            await sending
            assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()

    run(test)


def test_many_small_pieces_keep_their_order() -> None:
    async def test() -> None:
        async with relayed(echo, 10.0) as port, connected(port) as (reader, writer):
            for number in range(200):
                writer.write(b"%d\n" % number)
                await asyncio.sleep(0.001 * (number % 3))
            writer.write_eof()
            assert (await reader.read()).split() == [b"%d" % number for number in range(200)]

    run(test)


def test_more_than_the_backlog_waits_and_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outpace.engines.embedded.relay.BACKLOG_CHUNKS", 2)
    sent = random.Random(8).randbytes(1_000_000)

    async def test() -> None:
        async with relayed(answer_after_the_end, 2.0) as port, connected(port) as (reader, writer):
            writer.write(sent)
            writer.write_eof()
            assert (await reader.read()).decode() == hashlib.sha256(sent).hexdigest()

    run(test)


def test_end_of_one_half_passes_on_and_leaves_the_other_open() -> None:
    async def test() -> None:
        async with relayed(answer_after_the_end, 10.0) as port, connected(port) as (reader, writer):
            writer.write(b"all of it")
            writer.write_eof()
            assert (await reader.read()).decode() == hashlib.sha256(b"all of it").hexdigest()

    run(test)


def test_answer_takes_the_round_trip_and_the_first_one_the_handshake_too() -> None:
    rtt_s = 0.05

    async def test() -> None:
        async with relayed(echo, rtt_s * 1000) as port:
            before = now_s()
            async with connected(port) as (reader, writer):
                taken = []
                for _ in range(3):
                    writer.write(b"ping")
                    await reader.readexactly(4)
                    taken.append(now_s() - before)
                    before = now_s()
            assert taken[0] >= 2 * rtt_s
            assert all(later >= rtt_s for later in taken[1:])

    run(test)


def test_delay_is_not_paid_once_per_piece() -> None:
    """Pieces under way together take the delay together; one after the other they would outlast any deadline."""
    pieces, rtt_s = 400, 0.4
    assert pieces * rtt_s > 2 * DEADLINE_S

    async def test() -> None:
        async with relayed(echo, rtt_s * 1000) as port, connected(port) as (reader, writer):
            for _ in range(pieces):
                writer.write(b"x")
                await asyncio.sleep(0.001)
            await reader.readexactly(pieces)

    run(test)


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_reset_by_the_engine_reaches_the_client() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer)

    async def test() -> None:
        async with relayed(break_off, 10.0) as port, connected(port) as (reader, writer):
            writer.write(b"x")
            with pytest.raises(ConnectionError):
                await reader.read()

    run(test)


def test_end_of_the_engine_in_the_middle_ends_the_answer() -> None:
    async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"half of the ans")
        writer.close()
        await writer.wait_closed()

    async def test() -> None:
        async with relayed(half_an_answer, 10.0) as port, connected(port) as (reader, writer):
            writer.write(b"x")
            assert await reader.read() == b"half of the ans"

    run(test)


def test_reset_by_the_client_reaches_the_engine() -> None:
    async def test() -> None:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def listen_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.read(1):
                    writer.write(b"!")
                ended.set_result("end")
            except ConnectionError:
                ended.set_result("reset")
            writer.close()

        async with relayed(listen_on, 10.0) as port, connected(port) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            reset(writer)
            assert await ended == "reset"

    run(test)


def test_client_is_dropped_and_the_next_refused_where_the_engine_is_gone() -> None:
    async def test() -> None:
        with socket.socket() as silent:
            silent.bind((LOOPBACK, 0))  # bound and not listening: nobody can be there
            relay = Relay(silent.getsockname()[1], 10.0)
            port = await relay.listen()
            async with connected(port) as (reader, writer):
                writer.write(b"x")
                with pytest.raises(ConnectionError):
                    await reader.read()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(LOOPBACK, port)

    run(test)
