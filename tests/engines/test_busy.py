"""What engines say that they are at, and a session over hosts that somebody else keeps busy."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest

from outpace.engines import Client, embedded
from outpace.engines.busy import in_work
from outpace.ground.hosts import Host
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.report import document
from outpace.workload.prompts import Generation, workload
from reference_engine import Truth, running
from scripted import Answer, serving

IDLE = "hosts idle before each run"
SLOTS = [
    {"id": slot, "n_ctx": 1024, "speculative": False, "is_processing": busy}
    for slot, busy in enumerate((True, False, True))
]
VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="smollm2"} 3.0
vllm:num_requests_waiting{engine="0",model_name="smollm2"} 2.0
vllm:num_requests_waiting_by_reason{reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="smollm2"} 0.25
"""


def asked(engine: str, answer: Answer | None) -> int | None:
    async def main() -> int | None:
        async with serving(lambda _: answer) as server, Client(timeout_s=2) as client:
            return await in_work(client, Host("h", server.url, ("127.0.0.1",)), engine)

    return anyio.run(main)


def answering(body: str, status: int = 200) -> Answer:
    return Answer(status, (body.encode(),))


@pytest.mark.parametrize(
    ("engine", "body", "told"),
    [
        ("llama-server", json.dumps(SLOTS), 2),
        ("llama-server", json.dumps([{**slot, "is_processing": False} for slot in SLOTS]), 0),
        ("vllm", VLLM, 5),
        ("vllm", VLLM.replace('{engine="0",model_name="smollm2"}', ""), 5),
        ("vllm", "", None),
        ("vllm", "vllm:num_requests_running NaN\n", None),
        ("vllm", "vllm:num_requests_running -1.0\n", None),
        ("vllm", f"vllm:num_requests_running {'9' * 400}\n", None),
        ("llama-server", "[]", None),
        ("llama-server", "[1, 2]", None),
        ("llama-server", '{"error": {"code": 501}}', None),
        ("llama-server", "[" * 100_000, None),
        ("llama-server", "\ufffe", None),
        ("ollama", json.dumps(SLOTS), None),
        (None, VLLM, None),
    ],
)
def test_what_it_says_is_counted_and_nothing_else(engine: str, body: str, told: int | None) -> None:
    assert asked(engine, answering(body)) == told


@pytest.mark.parametrize("engine", ["llama-server", "vllm"])
def test_one_that_does_not_say_is_no_failure(engine: str) -> None:
    assert asked(engine, answering("no", status=501)) is None
    assert asked(engine, None) is None  # the connection is dropped


@contextmanager
def somebody_asking(url: str, model: str) -> Iterator[None]:
    """Somebody else, who asks the host for one long answer after another."""
    left = threading.Event()
    began = threading.Event()

    def ask() -> None:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "long"}], "max_tokens": 4000}
        while not left.is_set():
            # A connection an answer: a kept one may be closed by the server at the moment it is used again.
            with (
                httpx.Client(trust_env=False, timeout=30) as client,
                client.stream("POST", f"{url}/v1/chat/completions", json=body) as response,
            ):
                for _ in response.iter_raw():
                    began.set()
                    if left.is_set():
                        return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert began.wait(10)
    try:
        yield
    finally:
        left.set()
        thread.join(10)


def idle(hosts: list[Host], folder: Path, max_tokens: int = 4) -> SimpleNamespace:
    """The check on idle hosts in the report of one round over ``hosts``."""
    work = workload(["Why?", "How?"], Generation(max_tokens=max_tokens))
    with Session(Settings(hosts=hosts, workload=work, timeout_s=60)) as session:
        Measurement(session, "serial-per-side", report_dir=folder).measure(1)
    checks = document.read(folder / "report-serial-per-side.json")["fairness"]
    return next(SimpleNamespace(**each) for each in checks if each["name"] == IDLE)


@pytest.mark.waits
def test_a_vllm_that_somebody_keeps_busy_is_told_beside_the_ratio(tmp_path: Path) -> None:
    quick = Truth(
        tokens_per_s=100.0, prompt_ms=1.0, slots=4, tokens={"long": 4000, "": 4}, engine="vllm", metrics=False
    )
    with running(quick, quick) as urls:
        hosts = [Host(name, url) for name, url in zip("ab", urls, strict=True)]
        found = idle(hosts, tmp_path)
        assert found.held is True
        assert "at 0 requests at most" in found.said
        with somebody_asking(urls[1], quick.model):
            found = idle(hosts, tmp_path)
        assert found.held is False
        assert "at 1 requests at most" in found.said
    notes = document.read(tmp_path / "report-serial-per-side.json")["summary"]["notes"]
    assert any(IDLE in note for note in notes)


@pytest.mark.quiet
def test_a_real_llama_server_says_so_too(tmp_path: Path) -> None:
    with embedded.running(2, slots=2) as engines:
        hosts = [Host(engine.name, engine.url) for engine in engines]
        assert idle(hosts, tmp_path).held is True
        with somebody_asking(engines[1].url, "any"):
            assert idle(hosts, tmp_path).held is False
