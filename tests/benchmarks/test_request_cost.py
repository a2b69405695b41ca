"""What the coordinator itself costs: ms a request over a bare socket exchange with an engine that answers at once.

Both sides of a pair run next to each other on one event loop, so a machine that drifts is unfair to neither; the
figures are in the benchmark's extra info, and nothing is asserted of them.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from outpace.dispatch import Coordinator
from outpace.dispatch.strategies import sequential
from outpace.engines import Client, Identity
from outpace.engines.ollama import OllamaEngine
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation, workload

from .instant_engine import ANSWER

pytestmark = pytest.mark.quiet
REQUESTS = 100
ASKED = b"POST /api/generate HTTP/1.1\r\nhost: x\r\ncontent-length: 120\r\n\r\n" + b" " * 120


@pytest.fixture
def port() -> Iterator[int]:
    script = Path(__file__).with_name("instant_engine.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as engine:
        assert engine.stdout is not None
        yield int(engine.stdout.readline())
        engine.terminate()


async def bare_exchanges(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(REQUESTS):
        writer.write(ASKED)
        await reader.readexactly(len(ANSWER))
    writer.close()
    await writer.wait_closed()


def test_what_a_request_costs_over_a_bare_exchange(port: int, benchmark) -> None:
    host = Host("engine", f"http://127.0.0.1:{port}", ("127.0.0.1",))
    work = workload(["Why?"] * REQUESTS, Generation())
    bare_s: list[float] = []
    ours_s: list[float] = []
    with asyncio.Runner() as runner:
        client = Client(timeout_s=10, patient=True)
        engine = OllamaEngine(client, host, Identity("ollama", "ollama", None, {"m": None}), "m")
        coordinator = Coordinator({"engine": engine}, timeout_s=10)

        def ours() -> None:
            began = time.perf_counter()
            outcome = runner.run(coordinator.run("sequential", sequential, work, ["engine"], cache_key="k"))
            ours_s.append(time.perf_counter() - began)
            assert not outcome.run.failed

        def bare() -> None:
            began = time.perf_counter()
            runner.run(bare_exchanges(port))
            bare_s.append(time.perf_counter() - began)

        ours()  # opens the connection, and lets both sides settle
        bare()
        bare_s.clear()
        ours_s.clear()
        benchmark.pedantic(ours, setup=bare, rounds=15, iterations=1)
        runner.run(client.__aexit__())
    pairs = list(zip(ours_s, bare_s, strict=True))
    benchmark.extra_info["added_ms_a_request"] = round(median((o - b) / REQUESTS * 1000 for o, b in pairs), 3)
    benchmark.extra_info["bare_ms_a_request"] = round(median(bare_s) / REQUESTS * 1000, 3)
    benchmark.extra_info["ratio"] = round(median(o / b for o, b in pairs), 1)
