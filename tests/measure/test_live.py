"""The experiment on real engines that start here: all answered, a killed engine's work done by the other."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from outpace.engines import embedded
from outpace.ground.hosts import EmbeddedHosts, Host
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.report import document
from outpace.workload.prompts import Generation, workload

pytestmark = pytest.mark.waits
SHORT = workload([f"Count to {number}." for number in range(2, 6)], Generation(max_tokens=3))
"""As little as will do: that all of it works is seen here, not how fast it is."""


def test_the_published_strategies_run_on_real_engines(tmp_path: Path) -> None:
    with Session(Settings(hosts=EmbeddedHosts(2, rtt_ms=5.0, slots=2), workload=SHORT)) as session:
        for strategy in ("serial-per-side", "all-parallel"):
            measurement = Measurement(session, strategy, report_dir=tmp_path)
            measurement.measure(1)
            found = document.read(tmp_path / f"report-{strategy}.json")
            assert found["source"] == "embedded"
            requests = found["rounds"][0]["run"]["requests"]
            assert [request["error"] for request in requests] == [None] * 4
            assert sum(request["output_tokens"] for request in requests) == 12
            assert all(request["server_ms"] and request["first_token_ms"] for request in requests)
            assert all(request["cached_tokens"] == 0 for request in requests)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_engine_that_is_killed_in_a_run_leaves_its_prompts_to_the_other(tmp_path: Path) -> None:
    with embedded.running(2) as engines:
        hosts = [Host(engine.name, engine.url) for engine in engines]
        doomed = engines[1]

        def kill_once_it_has_answered(_strategy: str, done: int, _total: int) -> None:
            if done == 1 and measurement.phase == "run" and not killed:
                killed.append(doomed.name)
                os.kill(doomed.pid, signal.SIGKILL)

        killed: list[str] = []
        settings = Settings(hosts=hosts, workload=SHORT, baseline=engines[0].name, timeout_s=60)
        with Session(settings, watch=kill_once_it_has_answered) as session:
            measurement = Measurement(session, "serial-per-side", report_dir=tmp_path)
            measurement.measure(1)
    run = measurement.rounds[0].run
    assert killed == [doomed.name]
    assert not run.failed
    # Apart from kept connections that llama-server had closed, which are replaced at once. A process that is about to
    # be gone may take a connection and drop it, twice, which looks the same.
    assert {each.host for each in run.failed_attempts if each.kind != "stale"} <= {doomed.name}
    assert doomed.name in {each.host for each in run.failed_attempts}
    assert sum(request.host == engines[0].name for request in run.requests) >= 3
