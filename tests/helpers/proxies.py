"""Real routers on loopback, each by one of its rules: nginx, HAProxy, LiteLLM's proxy, vllm-router.

With nginx and HAProxy, what is no prompt (``GET``: is it there, which models has it) goes to the first machine, so that
it takes nobody's turn.
"""

from __future__ import annotations

import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_LIMIT_S = 60.0
STOP_LIMIT_S = WRITTEN_LIMIT_S = 5.0
LITELLM: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "litellm_proxy.py"))

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/said;
events {{}}
http {{
    log_format served "$request_method $upstream_addr";
    access_log {folder}/served served;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream machines {{
        {rule}
        {servers}
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_buffering off;
        proxy_next_upstream off;
        location / {{
            if ($request_method = GET) {{ proxy_pass http://{first}; }}
            proxy_pass http://machines;
        }}
    }}
}}
"""
HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 5s
    timeout client 10m
    timeout server 10m
    timeout queue 10m
frontend router
    bind 127.0.0.1:{port}
    log-format "%HM %si:%sp"
    use_backend first if METH_GET
    default_backend machines
backend first
    server first {first}
backend machines
    {rule}
    {servers}
"""


@dataclass(frozen=True)
class Rule:
    """One rule of a router: ``line`` is what its configuration says, ``ours`` our rule of the same definition.

    ``weighted`` gives each machine its weight, ``room`` what it may have in flight. Where it goes by ``chance``, no two
    runs are alike.
    """

    ours: str
    line: str = ""
    weighted: bool = False
    room: int | None = None
    chance: bool = False


RULES: Mapping[str, Mapping[str, Rule]] = {
    "nginx": {
        "round robin": Rule("round-robin"),
        "round robin, weights": Rule("weighted-round-robin", weighted=True),
        "least_conn": Rule("least-in-flight", "least_conn;"),
        "least_conn, weights": Rule("weighted-least-in-flight", "least_conn;", weighted=True),
    },
    "haproxy": {
        "roundrobin": Rule("round-robin", "balance roundrobin"),
        "leastconn": Rule("least-in-flight", "balance leastconn"),
        "random(2)": Rule("power-of-two-draws", "balance random(2)", chance=True),
        "leastconn, maxconn 1": Rule("pull", "balance leastconn", room=1),
    },
    "litellm": {
        "simple-shuffle": Rule("random", "simple-shuffle", chance=True),
        "simple-shuffle, weights": Rule("weighted-random", "simple-shuffle", weighted=True, chance=True),
        "least-busy": Rule("least-busy", "least-busy"),
        "latency-based-routing": Rule("lowest-latency", "latency-based-routing", chance=True),
    },
    "vllm-router": {
        "round_robin": Rule("round-robin", "round_robin"),
        "random": Rule("random", "random", chance=True),
        "power_of_two": Rule("power-of-two", "power_of_two", chance=True),
    },
}
"""By router, its rules as its own manual calls them."""


@dataclass(frozen=True)
class Proxy:
    """A router that runs at ``url``; ``served`` gives the machine (its host and port) of each prompt, if it tells.

    It waits until there are so many of them: routers write that down a moment after they have answered.
    """

    url: str
    served: Callable[[int], list[str]]


def program(router: str) -> str | None:
    """Where ``router`` lies, beside this Python or on the path; None where it is not installed."""
    if router == "litellm":
        return sys.executable if LITELLM["installed"]() else None
    beside = Path(sys.executable).with_name(router)
    return str(beside) if beside.exists() else shutil.which(router)


@contextmanager
def running(router: str, rule: str, machines: Sequence[str], weights: Sequence[int]) -> Iterator[Proxy]:
    """Run ``router`` by its ``rule`` over ``machines`` (their base URLs), which have these ``weights``."""
    asked = RULES[router][rule]
    if router == "litellm":
        with LITELLM["proxy"](machines, asked.line, weights if asked.weighted else ()) as url:
            yield Proxy(url, lambda _: [])
        return
    with tempfile.TemporaryDirectory(prefix=f"{router}-") as name:
        folder, port = Path(name), _free_port()
        command = [str(program(router)), *_options(router, asked, machines, weights, folder, port)]
        with (folder / "served").open("wb") as out, (folder / "said").open("ab") as said:
            process = subprocess.Popen(command, stdout=out, stderr=said)
            try:
                _wait_until_ready(process, f"http://127.0.0.1:{port}", folder / "said")
                yield Proxy(f"http://127.0.0.1:{port}", lambda least: _of_prompts(folder / "served", least))
            finally:
                process.terminate()
                try:
                    process.wait(STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _options(
    router: str, asked: Rule, machines: Sequence[str], weights: Sequence[int], folder: Path, port: int
) -> list[str]:
    """What the program is called with; the configuration of nginx and HAProxy lies in ``folder`` then."""
    if router == "vllm-router":
        plain = ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(_free_port())]
        return [*plain, "--policy", asked.line, "--worker-urls", *machines]
    places = [url.removeprefix("http://") for url in machines]
    equals = "=" if router == "nginx" else " "
    servers = [
        place
        + (f" weight{equals}{weight}" if asked.weighted else "")
        + (f" maxconn{equals}{asked.room}" if asked.room else "")
        for place, weight in zip(places, weights, strict=True)
    ]
    if router == "nginx":
        text, lines = NGINX, [f"server {each};" for each in servers]
        options = ["-e", str(folder / "said"), "-c", str(folder / "config")]
    else:
        text, lines = HAPROXY, [f"server s{index} {each}" for index, each in enumerate(servers)]
        options = ["-db", "-f", str(folder / "config")]
    found = {"folder": folder, "port": port, "first": places[0], "rule": asked.line}
    (folder / "config").write_text(text.format(servers="\n    ".join(lines), **found))
    return options


def _of_prompts(log: Path, least: int) -> list[str]:
    give_up = time.monotonic() + WRITTEN_LIMIT_S
    while True:
        lines = [line.split() for line in log.read_text(errors="replace").splitlines()]
        found = [line[1] for line in lines if line[:1] == ["POST"]]
        if len(found) >= least or time.monotonic() > give_up or not lines:
            return found
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, said: Path) -> None:
    give_up = time.monotonic() + START_LIMIT_S
    with httpx.Client(trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < give_up:
            try:
                if client.get(f"{url}/v1/models").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"{process.args!r} did not start: {said.read_text(errors='replace')}")
