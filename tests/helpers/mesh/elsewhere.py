"""The world outside a mesh: it answers for names, and takes whatever reaches any address of it.

    python tests/helpers/mesh/elsewhere.py NAMES LOG

``NAMES`` is a JSON file of names and their addresses, one for each look at the name, the last for all looks after it.
What comes in is noted in ``LOG``, a JSON object a line. The standard library is all that it needs.
"""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

HTTP_PORTS = (80, 3128, 8080, 11434)
"""Where anyone would expect a server, a proxy or an engine."""
ADDRESS, INTERNET = 1, 1
NAME_ERROR = 3

_lock = threading.Lock()


def note(log: Path, **seen: object) -> None:
    """Add one line to the log."""
    with _lock, log.open("a") as lines:
        lines.write(json.dumps(seen) + "\n")


class Names(socketserver.BaseRequestHandler):
    """Answers for names by UDP."""

    names: Path
    log: Path
    looks: ClassVar[Counter[str]] = Counter()

    def handle(self) -> None:
        asked, sock = self.request
        labels, at = [], 12
        while asked[at]:
            labels.append(asked[at + 1 : at + 1 + asked[at]].decode())
            at += 1 + asked[at]
        kind, _ = struct.unpack_from("!HH", asked, at + 1)
        question, name = asked[12 : at + 5], ".".join(labels)
        known = json.loads(self.names.read_text())
        answer = b""
        if kind == ADDRESS and name in known:
            with _lock:
                look = self.looks[name]
                self.looks[name] += 1
            address = known[name][min(look, len(known[name]) - 1)]
            answer = struct.pack("!HHHIH", 0xC00C, ADDRESS, INTERNET, 0, 4) + ip_address(address).packed
            note(self.log, asked=name, told=address)
        elif kind == ADDRESS:
            note(self.log, asked=name, told=None)
        status = 0x8580 | (0 if name in known else NAME_ERROR)
        head = asked[:2] + struct.pack("!HHHHH", status, 1, 1 if answer else 0, 0, 0)
        sock.sendto(head + question + answer, self.client_address)


class Sink(BaseHTTPRequestHandler):
    """Takes any request, as a server, a proxy or an engine would, and says that all is well."""

    log: Path

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        note(
            self.log,
            took=f"{self.command} {self.path}",
            at="{}:{}".format(*self.connection.getsockname()[:2]),
            body=body.decode("latin-1"),
        )
        said = b'{"version": "0.9.1", "models": [{"name": "elsewhere"}], "response": "here", "done": true}\n'
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


class Everywhere(ThreadingHTTPServer):
    """Listens at every address, of both kinds."""

    address_family = socket.AF_INET6
    daemon_threads = True
    allow_reuse_address = True


def main() -> None:
    """Serve until killed."""
    Names.names, Names.log = Path(sys.argv[1]), Path(sys.argv[2])
    Sink.log = Names.log
    servers: list[socketserver.BaseServer] = [Everywhere(("::", port), Sink) for port in HTTP_PORTS]
    servers.append(socketserver.ThreadingUDPServer(("0.0.0.0", 53), Names))
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main()
