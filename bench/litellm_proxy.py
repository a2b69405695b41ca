"""A real LiteLLM proxy over hosts of the OpenAI protocol: a router to be measured beside outpace's own strategies.

It runs in a process of its own, which is this very file: LiteLLM is no part of outpace, and nothing here imports it
where it is not wanted. What it could ask the internet for is switched off, and it hears loopback alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from outpace.engines.embedded.child import end_with_parent

RULES = ("simple-shuffle", "least-busy", "latency-based-routing")
"""LiteLLM's rules of choice, called as ``routing_strategy`` calls them."""

INSTALL = "Install it with `uv sync --group routers` in a checkout of outpace."
START_LIMIT_S = 120.0
POLL_S = 0.1
STOP_GRACE_S = 5.0
LOG_LINES_SHOWN = 20

ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",  # or the log would end with what it said first
    # Each would be fetched when the proxy starts, or when a page of it is opened; LiteLLM comes with a copy of each.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    # It wants a key of its users unless told otherwise, and has none but whoever is on this machine's loopback.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
# What a process needs to run at all. The rest stays away: keys of providers, databases and proxies are read from there.
KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class ProxyUnavailable(RuntimeError):
    """The proxy cannot be started; the message ends with the last lines of its log."""


def installed() -> bool:
    """Whether LiteLLM and what its proxy needs are here; nothing is imported to find out."""
    return all(importlib.util.find_spec(name) for name in ("litellm", "fastapi", "uvicorn"))


def config(
    hosts: Sequence[str], rule: str, model: str, weights: Sequence[float] = (), names: Sequence[str] = ()
) -> dict[str, Any]:
    """What a ``config.yaml`` has to say for ``rule`` over ``hosts``; retries and cooldowns are LiteLLM's defaults.

    ``weights`` of the hosts are for simple-shuffle. The ``model`` is offered under its own name, or under ``names``:
    what a rule learns it learns of each name apart.
    """
    weighted = [{"weight": weight} for weight in weights] or [{} for _ in hosts]
    deployment = {
        "model": f"openai/{model}",
        "api_key": "none",  # the library behind it sends none without
        # A llama-server answers a prompt that it has seen before out of its cache, and outpace tells it not to. Through
        # a router it can only be told here, or the router's later rounds would be quicker than those they stand beside.
        "extra_body": {"cache_prompt": False},
    }
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {**deployment, **weight, "api_base": f"{host.rstrip('/')}/v1"}}
            for name in names or (model,)
            for host, weight in zip(hosts, weighted, strict=True)
        ],
        "router_settings": {"routing_strategy": rule},
    }


@contextmanager
def proxy(hosts: Sequence[str], rule: str, weights: Sequence[float] = (), names: Sequence[str] = ()) -> Iterator[str]:
    """Run a proxy that spreads requests over ``hosts`` (their base URLs) by ``rule``, and give its base URL.

    ``weights`` of the hosts, where there are some, are for simple-shuffle.

    It serves the first model of the first host, under the same name or under ``names``. Raises ``ProxyUnavailable``
    where it does not start.
    """
    if not installed():
        raise ProxyUnavailable(f"LiteLLM's proxy is not installed here. {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="litellm-") as folder, httpx.Client(trust_env=False, timeout=10) as client:
        model = client.get(f"{hosts[0]}/v1/models").raise_for_status().json()["data"][0]["id"]
        settings = Path(folder, "config.yaml")
        settings.write_text(
            json.dumps(config(hosts, rule, model, weights, names)), encoding="utf-8"
        )  # JSON is YAML too
        url = f"http://127.0.0.1:{_free_port()}"
        with Path(folder, "log").open("w+b") as log:
            process = subprocess.Popen(
                [sys.executable, __file__, str(settings), url.rpartition(":")[2]],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,  # it reads a .env file where it stands
                env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
                | {"HOME": folder}
                | ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for whoever runs the proxy: the block's end ends it
            )
            try:
                _wait_until_ready(process, client, url, Path(log.name))
                yield url
            finally:
                _end(process)


def pytest_options(hosts: Mapping[str, str], routers: Mapping[str, str]) -> list[str]:
    """The options that let outpace measure ``routers`` over ``hosts``, both by name to base URL."""
    named = ",".join(f"{name}={url}" for name, url in hosts.items())
    return [f"--hosts={named}", *(f"--router={name}={url}" for name, url in routers.items())]


def _free_port() -> int:
    """A port of the kernel's choice: LiteLLM takes a number only, and does not tell what it would have got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], client: httpx.Client, url: str, log: Path) -> None:
    give_up = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < give_up:
        try:
            if client.get(f"{url}/health/readiness").status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(POLL_S)
    status = process.poll()
    _end(process)
    how = f"was not ready within {START_LIMIT_S:.0f} s" if status is None else f"ended with status {status}"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    tail = "\n".join(f"    {line}" for line in lines[-LOG_LINES_SHOWN:]) or "    (it is empty)"
    raise ProxyUnavailable(f"LiteLLM's proxy {how}. The last lines of its log:\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Return when the process is gone: it ends with its stdin, and is killed if it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _serve(settings: str, port: str) -> None:
    """Be the proxy, until the parent is gone or closes our stdin."""
    command = importlib.import_module("litellm.proxy.proxy_cli").run_server
    end_with_parent()
    command(["--config", settings, "--host", "127.0.0.1", "--port", port])


if __name__ == "__main__":
    _serve(*sys.argv[1:])
