"""A distance on one machine: a TCP relay that delays what passes, as ``python -m outpace.engines.embedded.relay``.

Every byte takes half a round trip in either direction, in order; as on a long line and unlike with a plain
``sleep``, the next bytes set out meanwhile, so that throughput is not limited. The first bytes of a connection take
one round trip more: a real connection pays it for its handshake, which the loopback does at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import struct
import sys

from outpace.engines.embedded.child import end_with_parent, take_stdout, tell_address

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
BACKLOG_CHUNKS = 1024
"""What may be under way in one direction of one connection; beyond it the sender has to wait, as on a real line."""


class Relay:
    """Listens on a loopback port of the kernel's choice and relays to ``engine_port``, ``rtt_ms`` away."""

    def __init__(self, engine_port: int, rtt_ms: float) -> None:
        self._engine_port = engine_port
        self._rtt_s = rtt_ms / 1000
        self._listener: asyncio.Server | None = None

    async def listen(self) -> int:
        """Begin to accept connections, and return the port."""
        self._listener = await asyncio.start_server(self._connect, LOOPBACK, 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

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
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(_carry(from_client, to_engine, self._rtt_s / 2, handshake_s=self._rtt_s))
                directions.create_task(_carry(from_engine, to_client, self._rtt_s / 2))
        except* OSError:
            _reset(to_client)
            _reset(to_engine)
        finally:
            to_client.close()
            to_engine.close()


async def _carry(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float, handshake_s: float = 0.0
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
            await under_way.put((now_s() + delay_s + extra_s, chunk))
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
                await asyncio.sleep(delay_s)
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


async def _serve(engine_port: int, rtt_ms: float, to_parent: int) -> None:
    relay = Relay(engine_port, rtt_ms)
    tell_address(to_parent, f"http://{LOOPBACK}:{await relay.listen()}")
    await asyncio.Event().wait()


def main() -> None:
    """Relay until the parent ends."""
    parser = argparse.ArgumentParser(prog="outpace.engines.embedded.relay", description=__doc__)
    parser.add_argument("--engine-port", type=int, required=True, help="where the engine listens on the loopback")
    parser.add_argument("--rtt-ms", type=float, required=True, help="round trip time to pretend, in milliseconds")
    options = parser.parse_args()
    to_parent = take_stdout()
    end_with_parent()
    asyncio.run(_serve(options.engine_port, options.rtt_ms, to_parent))


if __name__ == "__main__":
    main()
