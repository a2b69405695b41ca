"""Starts embedded engines, each a process of its own, and sees to it that they end."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from outpace.engines.embedded.model import model_path, require_llama_cpp
from outpace.ground.errors import EmbeddedUnavailable

START_LIMIT_S = 60.0
STOP_GRACE_S = 3.0
LOG_LINES_SHOWN = 15


@dataclass(frozen=True)
class EmbeddedEngine:
    """One llama.cpp server that runs on this machine.

    ``url`` is where to reach it, through its relay if it has one; ``pid`` is the process of the engine itself.
    """

    name: str
    url: str
    pid: int


def names(count: int) -> tuple[str, ...]:
    """What so many engines are called."""
    return tuple(f"embedded-{number}" for number in range(1, count + 1))


@contextmanager
def running(count: int, *, slots: int = 1, rtt_ms: float = 0.0) -> Iterator[list[EmbeddedEngine]]:
    """Run ``count`` engines named ``embedded-1``, ``embedded-2``, ... until the block ends, or this process does.

    Each has one thread and, where the system allows it, one core of its own. It works on ``slots`` requests at once
    and lets more than that queue. Every engine but the first is made to seem ``rtt_ms`` milliseconds of round trip
    away.

    Raises ``EmbeddedUnavailable`` where the software or the model is not installed, or an engine does not start, and
    ``ValueError`` where an argument is out of range.
    """
    if count < 1 or slots < 1 or not 0 <= rtt_ms < float("inf"):
        raise ValueError(f"count and slots start at 1, rtt_ms at 0: {count=}, {slots=}, {rtt_ms=}")
    model = model_path()
    require_llama_cpp()
    children: list[Child] = []
    try:
        for index, name in enumerate(names(count)):
            arguments = ["--model", str(model), "--slots", str(slots), "--index", str(index)]
            children.append(Child(name, "outpace.engines.embedded.server", arguments))
        servers = list(children)
        urls = [server.url() for server in servers]
        if rtt_ms > 0:
            relays = []
            for server, url in zip(servers[1:], urls[1:], strict=True):
                arguments = ["--engine-port", str(urlsplit(url).port), "--rtt-ms", str(rtt_ms)]
                relays.append(Child(f"the relay of {server.title}", "outpace.engines.embedded.relay", arguments))
                children.append(relays[-1])
            urls[1:] = [relay.url() for relay in relays]
        yield [EmbeddedEngine(server.title, url, server.process.pid) for server, url in zip(servers, urls, strict=True)]
    finally:
        stop(children)


class Child:
    """A process that tells its address on stdout, logs on stderr, and ends when its stdin does.

    ``within`` is a command that runs the one behind it, such as one that enters another machine's network.
    """

    def __init__(self, title: str, module: str, arguments: Sequence[str], within: Sequence[str] = ()) -> None:
        self.title = title
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        # A session of its own keeps Ctrl-C away from it, also before it can ignore the signal by itself.
        self.process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
            [*within, sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._too_slow = False
        self._start_limit = threading.Timer(START_LIMIT_S, self._give_up)
        self._start_limit.daemon = True
        self._start_limit.start()

    def url(self) -> str:
        """Wait for the address, or raise ``EmbeddedUnavailable`` with what the child left in its log."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self._start_limit.cancel()
        if line:
            return str(json.loads(line)["url"])
        status = self._end()
        how = f"was not ready within {START_LIMIT_S:.0f} s" if self._too_slow else f"ended with status {status}"
        raise EmbeddedUnavailable(
            f"{self.title} could not be started on this machine: it {how}. The last lines of its log:\n{self._tail()}"
        )

    def release(self) -> None:
        """Let the child know that it may end."""
        self._start_limit.cancel()
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        """Return when the process is gone; kills it if it does not go by itself."""
        self._end()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()

    def _give_up(self) -> None:
        self._too_slow = True
        self.process.kill()

    def _end(self) -> int:
        try:
            return self.process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _tail(self) -> str:
        # The position in the file is the child's too, so this may be read only once the child has ended.
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LOG_LINES_SHOWN:]) or "    (it is empty)"


def stop(children: Sequence[Child]) -> None:
    """End all of them side by side: first every child is told, then each is waited for."""
    for child in children:
        child.release()
    for child in children:
        child.close()
