"""Real routers on loopback, each by one of its rules: nginx, HAProxy, Envoy, LiteLLM, vllm-router, ollama-herd.

With nginx, HAProxy and Envoy, what is no prompt (``GET``: is it there, which models has it) goes to the first machine,
so that it takes nobody's turn.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
LITELLM: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "litellm_proxy.py"))

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/said;
events {{}}
http {{
    access_log off;
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
defaults
    mode http
    timeout connect 5s
    timeout client 10m
    timeout server 10m
    timeout queue 10m
frontend router
    bind 127.0.0.1:{port}
    use_backend first if METH_GET
    default_backend machines
backend first
    server first {first}
backend machines
    {rule}
    {servers}
"""
ENVOY_TYPES = "type.googleapis.com/envoy.extensions.filters"


@dataclass(frozen=True)
class Rule:
    """One rule of a router: ``line`` is what its configuration says, ``ours`` our rule of the same definition.

    ``weighted`` gives each machine its weight, ``weight`` all of them the same one, ``room`` what it may have in
    flight. Where it goes by ``chance``, no two runs are alike; where it ``learns`` from answers, what it learned of one
    model's name counts for that name alone.
    """

    ours: str
    line: str = ""
    weighted: bool = False
    weight: int | None = None
    room: int | None = None
    chance: bool = False
    learns: bool = False


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
        "random(2), weights of 100": Rule("power-of-two-draws", "balance random(2)", weight=100, chance=True),
        "leastconn, maxconn 1": Rule("pull", "balance leastconn", room=1),
    },
    "envoy": {
        "ROUND_ROBIN": Rule("round-robin", "ROUND_ROBIN"),
        "LEAST_REQUEST": Rule("power-of-two-draws", "LEAST_REQUEST", chance=True),
    },
    "litellm": {
        "simple-shuffle": Rule("random", "simple-shuffle", chance=True),
        "simple-shuffle, weights": Rule("weighted-random", "simple-shuffle", weighted=True, chance=True),
        "least-busy": Rule("least-busy", "least-busy", chance=True),
        "latency-based-routing": Rule("lowest-latency", "latency-based-routing", chance=True, learns=True),
    },
    "vllm-router": {
        "round_robin": Rule("round-robin", "round_robin"),
        "random": Rule("random", "random", chance=True),
        "power_of_two": Rule("power-of-two", "power_of_two", chance=True),
    },
    "ollama-herd": {"its scores": Rule("shortest-expected-wait")},
}
"""By router, its rules as its own manual calls them. None of ours is the sum of scores that ollama-herd has."""
NEEDS_OLLAMA = ("ollama-herd",)
"""They speak to Ollamas alone, and call models by name and tag."""
PROGRAMS = {"ollama-herd": "herd"}


def program(router: str) -> str | None:
    """Where ``router`` lies, beside this Python or on the path; None where it is not installed."""
    if router == "litellm":
        return sys.executable if LITELLM["installed"]() else None
    name = PROGRAMS.get(router, router)
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


@contextmanager
def running(
    router: str, rule: str, machines: Sequence[str], weights: Sequence[int], names: Sequence[str] = ()
) -> Iterator[str]:
    """Run ``router`` by its ``rule`` over ``machines`` (URLs), which have these ``weights``; gives its own URL.

    One whose rule learns offers the machines' model by ``names``, where there are some.
    """
    asked = RULES[router][rule]
    if router == "litellm":
        with LITELLM["proxy"](machines, asked.line, weights if asked.weighted else (), names) as url:
            yield url
        return
    if router == "ollama-herd":
        with _herd(machines) as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix=f"{router}-") as name:
        folder, port = Path(name), _free_port()
        command = [str(program(router)), *_options(router, asked, machines, weights, folder, port)]
        with _started(command, folder, None) as process:
            _wait_until_ready(process, f"http://127.0.0.1:{port}/v1/models", folder / "said")
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _herd(machines: Sequence[str]) -> Iterator[str]:
    """A herd and its agent for each machine. It calls its maker once a day unless told not to, and looks for others."""
    herd = Path(str(program("ollama-herd")))
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in (herd, *machines)]
        plain = {name: os.environ[name] for name in LITELLM["KEPT_VARIABLES"] if name in os.environ}
        homes = [{**plain, "HOME": str(folder), "FLEET_NODE_TELEMETRY": "false"} for folder in folders]
        url = f"http://127.0.0.1:{_free_port()}"
        command = [str(herd), "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
        process = stack.enter_context(_started(command, folders[0], homes[0]))
        _wait_until_ready(process, f"{url}/fleet/status", folders[0] / "said")
        for number, machine in enumerate(machines, 1):
            agent = [str(herd.with_name("herd-node")), "--node-id", f"n{number}", "--router-url", url]
            stack.enter_context(_started([*agent, "--ollama-host", machine], folders[number], homes[number]))
        _wait_until_ready(process, f"{url}/fleet/status", folders[0] / "said", f'"nodes_online":{len(machines)}')
        yield url


@contextmanager
def _started(command: list[str], folder: Path, home: dict[str, str] | None) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "said").open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder, env=home)
        try:
            yield process
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
    if router == "envoy":
        (folder / "config").write_text(json.dumps(_envoy(asked, places, port)))  # JSON is YAML too
        # Each of its workers counts for itself.
        return ["-c", str(folder / "config"), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    equals = "=" if router == "nginx" else " "
    servers = [
        place
        + (f" weight{equals}{asked.weight or weight}" if asked.weighted or asked.weight else "")
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


def _envoy(asked: Rule, places: Sequence[str], port: int) -> dict[str, Any]:
    """Its configuration."""

    def at(place: str) -> dict[str, Any]:
        address, _, number = place.partition(":")
        return {"address": {"socket_address": {"address": address, "port_value": int(number)}}}

    def cluster(name: str, places: Sequence[str]) -> dict[str, Any]:
        endpoints = [{"lb_endpoints": [{"endpoint": at(place)} for place in places]}]
        found = {"cluster_name": name, "endpoints": endpoints}
        return {"name": name, "type": "STATIC", "lb_policy": asked.line, "load_assignment": found}

    of_gets = {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}
    matches = (("first", of_gets), ("machines", {"prefix": "/"}))
    routes = [{"match": match, "route": {"cluster": name, "timeout": "0s"}} for name, match in matches]
    manager = {
        "@type": f"{ENVOY_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "router",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{ENVOY_TYPES}.http.router.v3.Router"}}],
    }
    listener = {**at(f"127.0.0.1:{port}"), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
    clusters = [cluster("first", places[:1]), cluster("machines", places)]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, said: Path, text: str = "") -> None:
    give_up = time.monotonic() + START_LIMIT_S
    with httpx.Client(trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < give_up:
            try:
                reply = client.get(url)
                if reply.status_code == httpx.codes.OK and text in reply.text:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start: {said.read_text(errors='replace')}")
