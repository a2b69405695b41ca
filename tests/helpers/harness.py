"""The whole suite in a process of its own, hosts in a thread for it, and what it says and leaves behind."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

import forked
from outpace.ground.hosts import Host, parse

REPOSITORY = Path(__file__).parents[2]
PUBLISHED = REPOSITORY / "bench" / "recordings" / "phase-0.json"


@dataclass
class Asked:
    """One request as it arrived at the host called ``host``."""

    host: str
    method: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def is_whole_answer(self) -> bool:
        return self.method == "POST" and self.body["options"]["num_predict"] > 1


def ollama(model: str, *, pause_s: float = 0.002, refuses: str | None = None) -> type[BaseHTTPRequestHandler]:
    """An Ollama with ``model`` that answers a prompt after ``pause_s`` seconds, and refuses those with a text."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        server: Any

        def do_GET(self) -> None:
            self.server.note(self, {})
            said = {
                "/api/version": {"version": "0.9.1"},
                "/api/tags": {"models": [{"name": model, "digest": "d1"}]},
                "/api/ps": {"models": []},
            }
            self._say(200 if self.path in said else 404, said.get(self.path, {"error": "not found"}))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.server.note(self, asked)
            whole = asked["options"]["num_predict"] > 1
            if refuses and refuses in asked["prompt"] and whole:
                return self._say(400, {"error": "I will not"})
            if whole:
                time.sleep(pause_s)
            spent_ns = int(pause_s * 1e9)
            done = {"response": "", "done": True, "done_reason": "stop", "total_duration": spent_ns}
            done |= {"eval_duration": spent_ns, "eval_count": 3, "prompt_eval_count": 9}
            return self._say(200, {"response": f"answer to {asked['prompt']}", "done": False}, done)

        def _say(self, status: int, *objects: Any) -> None:
            body = b"".join(json.dumps(each).encode() + b"\n" for each in objects)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str, handler: type[BaseHTTPRequestHandler], asked: list[Asked]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._name, self._asked = name, asked

    def note(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._asked.append(Asked(self._name, request.command, headers, body))


class ThreadedHosts:
    """Hosts called a, b, ... that run until the block ends; ``option`` names them on the command line."""

    def __init__(self, *handlers: type[BaseHTTPRequestHandler]) -> None:
        self.asked: list[Asked] = []
        self._servers = [_Server(name, handler, self.asked) for name, handler in zip("abcdef", handlers, strict=False)]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers]

    @property
    def option(self) -> str:
        return "--hosts=" + ",".join(f"{name}={url}" for name, url in zip("abcdef", self.urls, strict=False))

    @property
    def hosts(self) -> list[Host]:
        """The same, for a session in this process."""
        found = parse([self.option.removeprefix("--hosts=")])
        assert isinstance(found, list)
        return found

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def run(suite: pytest.Pytester, *arguments: str, sweep: bool = False) -> pytest.RunResult:
    """Run the suite in a process of its own, without the sweep of capacities unless that is what is tested."""
    options = ["-p", "no:cacheprovider", "--no-pages", *([] if sweep else ["--deselect=bench/test_capacity.py"])]
    return run_pytest(suite, "bench", *options, *arguments)


def run_pytest(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """What ``suite.runpytest_subprocess`` does, without a new interpreter."""
    base = tempfile.mkdtemp(prefix="runpytest-", dir=suite.path)
    began = time.perf_counter()
    done = forked.pytest(f"--basetemp={base}", *arguments, folder=Path.cwd())
    lines = done.stdout.splitlines(), done.stderr.splitlines()
    sys.stdout.write(f"{done.stdout}\n{done.stderr}\n")
    return pytest.RunResult(done.returncode, *lines, time.perf_counter() - began)


def report(suite: pytest.Pytester, strategy: str) -> dict[str, Any]:
    """What a session in ``suite`` left behind."""
    return dict(json.loads((suite.path / "reports" / f"report-{strategy}.json").read_text()))


def paragraph_of(result: pytest.RunResult) -> str:
    """The one error that a session ended with; fails where there is a traceback."""
    text = result.stdout.str() + "\n" + result.stderr.str()
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    assert result.ret == pytest.ExitCode.USAGE_ERROR == 4
    return line
