"""What stands around the machines of a mesh in a test: the world outside, a router, servers that do as they like."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mesh.engines import PORT
from mesh.network import Machine, Mesh

ROUTER_PORT = 4000
START_LIMIT_S = 30.0


class Outside:
    """The world outside: ``names`` it answers for, and what it ``saw``."""

    def __init__(self, folder: Path) -> None:
        self._names, self._log = folder / "names.json", folder / "log.jsonl"
        self.files = (self._names, self._log)
        self.know({})
        self._log.touch()

    def know(self, names: Mapping[str, Sequence[str]]) -> None:
        """Answer for ``names``: an address for each look, the last one for all looks after it."""
        self._names.write_text(json.dumps(names))

    @property
    def saw(self) -> list[dict[str, Any]]:
        """The names that it was asked for, and the requests that it took."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@contextlib.contextmanager
def outside(mesh: Mesh) -> Iterator[Outside]:
    """Let the world outside answer, as a resolver, and as a server at every address."""
    found = Outside(mesh.outside.folder)
    script = str(Path(__file__).with_name("elsewhere.py"))
    command = mesh.outside.command(sys.executable, "-E", "-s", script, *map(str, found.files))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield found
        finally:
            process.kill()


@contextlib.contextmanager
def haproxy(machine: Machine, urls: Sequence[str]) -> Iterator[str]:
    """A real router on ``machine`` in front of ``urls``, to the least busy of them; gives its URL."""
    servers = [f"  server s{number} {url.removeprefix('http://')}" for number, url in enumerate(urls)]
    timeouts = [f"  timeout {what} 300s" for what in ("client", "server", "connect")]
    lines = ["defaults", "  mode http", *timeouts, "listen router", f"  bind {machine.address}:{ROUTER_PORT}"]
    config = machine.folder / "haproxy.cfg"
    config.write_text("\n".join([*lines, "  balance leastconn", *servers]) + "\n")
    with subprocess.Popen(machine.command("haproxy", "-db", "-f", str(config)), stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + START_LIMIT_S
            while f":{ROUTER_PORT} " not in machine.do("ss", "-lnt"):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("haproxy did not start")
                time.sleep(0.05)
            yield f"http://{machine.address}:{ROUTER_PORT}"
        finally:
            process.kill()


@contextlib.contextmanager
def serving(machine: Machine, handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of a test's own on ``machine``; gives its URL."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def note(self, *_: object) -> None:
            return

    server = machine.inside(lambda: Server((machine.address, PORT), handler)).result()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://{machine.address}:{PORT}"
    finally:
        server.shutdown()
        server.server_close()


def outpace(mesh: Mesh, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command ``outpace`` on the coordinator's machine, in a folder of its own, as a user there would."""
    command = mesh.coordinator.command(sys.executable, "-m", "outpace.command.cli", *words)
    folder = mesh.coordinator.folder / "work"
    folder.mkdir(exist_ok=True)
    how = {"cwd": folder, "env": {**os.environ, **variables}, "capture_output": True, "text": True}
    return subprocess.run(command, **how)  # type: ignore[call-overload,no-any-return]
