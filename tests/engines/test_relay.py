"""The relay before a tiny server: what goes in comes out, whole, in order, and not too soon."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import fmean, median

import pytest

from outpace.engines.embedded.relay import LOOPBACK, Relay, RoundTrips

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
async def relayed(handler: Handler, rtt_ms: float | RoundTrips) -> AsyncIterator[int]:
    """The port of a relay before a server that runs ``handler`` for each connection."""
    trips = rtt_ms if isinstance(rtt_ms, RoundTrips) else RoundTrips(rtt_ms)
    server = await asyncio.start_server(handler, LOOPBACK, 0)
    relay = Relay(server.sockets[0].getsockname()[1], trips)
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


@pytest.mark.parametrize("rtt_ms", [0.0, 20.0, RoundTrips(8.0, 1.0, 40.0)], ids=["none", "even", "jitter"])
def test_megabytes_arrive_whole_and_in_order(rtt_ms: float | RoundTrips) -> None:
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


@pytest.mark.parametrize("rtt_ms", [10.0, RoundTrips(10.0, 0.0, 60.0)], ids=["even", "jitter"])
def test_many_small_pieces_keep_their_order(rtt_ms: float | RoundTrips) -> None:
    async def test() -> None:
        async with relayed(echo, rtt_ms) as port, connected(port) as (reader, writer):
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


def test_round_trips_with_jitter_keep_within_their_range_and_near_their_mean() -> None:
    trips = RoundTrips(22.0, 13.0, 60.0)
    drawn_ms = [1000 * (trips.one_way_s() + trips.one_way_s()) for _ in range(5_000)]
    assert 13.0 <= min(drawn_ms) < 14.0
    assert 40.0 < max(drawn_ms) <= 60.0
    assert fmean(drawn_ms) == pytest.approx(22.0, rel=0.02)
    assert median(drawn_ms) < fmean(drawn_ms), "long ones are rare"


def test_round_trips_without_jitter_are_alike() -> None:
    assert {RoundTrips(22.0).one_way_s(), RoundTrips(22.0, 22.0, 22.0).one_way_s()} == {0.011}


@pytest.mark.parametrize("figures", [(-1.0,), (5.0, 13.0, 60.0), (70.0, 13.0, 60.0), (float("nan"),), (22.0, -1.0)])
def test_round_trips_that_cannot_be_are_refused(figures: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="between the least and the most"):
        RoundTrips(*figures)


def test_answer_with_jitter_takes_the_shortest_round_trip_at_least() -> None:
    async def test() -> None:
        async with relayed(echo, RoundTrips(30.0, 20.0, 60.0)) as port, connected(port) as (reader, writer):
            for round_trips in (2, 1, 1):
                before = now_s()
                writer.write(b"ping")
                await reader.readexactly(4)
                assert now_s() - before >= round_trips * 0.020

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
            relay = Relay(silent.getsockname()[1], RoundTrips(10.0))
            port = await relay.listen()
            async with connected(port) as (reader, writer):
                writer.write(b"x")
                with pytest.raises(ConnectionError):
                    await reader.read()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(LOOPBACK, port)

    run(test)
