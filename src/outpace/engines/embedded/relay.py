"""A distance on one machine: a TCP relay that delays what passes, as ``python -m outpace.engines.embedded.relay``.

Every byte takes half a round trip in either direction, in order; as on a long line and unlike with a plain
``sleep``, the next bytes set out meanwhile, so that throughput is not limited. The first bytes of a connection take
one round trip more: a real connection pays it for its handshake, which the loopback does at once. Round trips may
differ, as those of a mesh over the internet do: most are near to the shortest, and long ones the rarer the longer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from outpace.engines.embedded.child import LOOPBACK, end_with_parent, take_stdout, tell_address

CHUNK_BYTES = 64 * 1024
BACKLOG_CHUNKS = 1024
"""What may be under way in one direction of one connection; beyond it the sender has to wait, as on a real line."""


@dataclass(frozen=True)
class RoundTrips:
    """How long round trips take: ``mean_ms``, all of them alike, or with jitter from ``least_ms`` to ``most_ms``.

    With jitter each way there takes the least and an exponential time on top, cut at the most. Raises ``ValueError``
    where the mean lies outside.
    """

    mean_ms: float
    least_ms: float | None = None
    most_ms: float = float("inf")
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - the same jitter every time

    def __post_init__(self) -> None:
        """Hold the figures against each other."""
        if not 0 <= (self.mean_ms if self.least_ms is None else self.least_ms) <= self.mean_ms <= self.most_ms:
            raise ValueError(f"a round trip is 0 ms or more, and its mean between the least and the most: {self}")

    def one_way_s(self) -> float:
        """What the next bytes take, half of a round trip, in seconds."""
        if self.least_ms is None or self.least_ms == self.mean_ms:
            return self.mean_ms / 2000
        longer_ms = self.chance.expovariate(1 / (self.mean_ms - self.least_ms))
        return min(self.least_ms + longer_ms, self.most_ms) / 2000


class Relay:
    """Listens on ``address`` and relays to ``engine_port`` on the loopback, ``trips`` away."""

    def __init__(self, engine_port: int, trips: RoundTrips, address: str = LOOPBACK) -> None:
        self._engine_port, self._trips, self._address = engine_port, trips, address
        self._listener: asyncio.Server | None = None

    async def listen(self, port: int = 0) -> int:
        """Begin to accept connections, on a port of the kernel's choice unless one is given, and return it."""
        self._listener = await asyncio.start_server(self._connect, self._address, port)
        return int(self._listener.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept no more connections; those that stand are carried on."""
        if self._listener is not None:
            self._listener.close()

    async def _connect(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            from_engine, to_engine = await asyncio.open_connection(LOOPBACK, self._engine_port)
        except OSError:
            # The engine is gone and is never started again: let the next clients be refused, as it would refuse them.
            self.close()
            _reset(to_client)
            return
        one_way_s = self._trips.one_way_s
        try:
            async with asyncio.TaskGroup() as directions:
                handshake_s = one_way_s() + one_way_s()
                directions.create_task(_carry(from_client, to_engine, one_way_s, handshake_s))
                directions.create_task(_carry(from_engine, to_client, one_way_s))
        except* OSError:
            _reset(to_client)
            _reset(to_engine)
        finally:
            to_client.close()
            to_engine.close()


async def _carry(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, one_way_s: Callable[[], float], handshake_s: float = 0.0
) -> None:
    """Carry one direction until its end, and that end too; a reset on either side is raised when its time has come."""
    now_s = asyncio.get_running_loop().time
    under_way: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(BACKLOG_CHUNKS)

    async def depart() -> None:
        extra_s = handshake_s
        chunk: bytes | OSError = b"more"
        while chunk and not isinstance(chunk, OSError):
            try:
                chunk = await source.read(CHUNK_BYTES)
            except OSError as reset:
                chunk = reset
            await under_way.put((now_s() + one_way_s() + extra_s, chunk))
            extra_s = 0.0

    async def arrive() -> None:
        while True:
            due_s, chunk = await under_way.get()
            await asyncio.sleep(due_s - now_s())
            if isinstance(chunk, OSError):
                raise chunk
            try:
                if not chunk:
                    sink.write_eof()
                    return
                sink.write(chunk)
                await sink.drain()
            except OSError:
                # The far side is gone: that news has the way back still to go.
                await asyncio.sleep(one_way_s())
                raise

    async with asyncio.TaskGroup() as ends:
        ends.create_task(depart())
        ends.create_task(arrive())


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by a reset and not by an orderly end, which a client could take for that of the answer."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _serve(options: argparse.Namespace, trips: RoundTrips, to_parent: int) -> None:
    relay = Relay(options.engine_port, trips, options.address)
    tell_address(to_parent, f"http://{options.address}:{await relay.listen(options.port)}")
    await asyncio.Event().wait()


def main() -> None:
    """Relay until the parent ends."""
    parser = argparse.ArgumentParser(prog="outpace.engines.embedded.relay", description=__doc__)
    parser.add_argument("--engine-port", type=int, required=True, help="where the engine listens on the loopback")
    parser.add_argument("--rtt-ms", type=float, required=True, help="mean round trip to pretend, in milliseconds")
    parser.add_argument("--least-ms", type=float, help="the shortest round trip, where they are not all alike")
    parser.add_argument("--most-ms", type=float, default=float("inf"), help="the longest")
    parser.add_argument("--address", default=LOOPBACK, help="the address to listen on: the loopback's by default")
    parser.add_argument("--port", type=int, default=0, help="the port there: one of the kernel's choice by default")
    options = parser.parse_args()
    try:
        trips = RoundTrips(options.rtt_ms, options.least_ms, options.most_ms)
    except ValueError as error:
        parser.error(str(error))
    to_parent = take_stdout()
    end_with_parent()
    asyncio.run(_serve(options, trips, to_parent))


if __name__ == "__main__":
    main()
