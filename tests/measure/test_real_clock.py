"""The live world's clock: as fine as the system has it, where ``time.monotonic`` moves in steps of 15.6 ms."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from harness import ThreadedHosts, ollama
from outpace.measure.measurement import Measurement
from outpace.measure.real_clock import RealLoop
from outpace.measure.session import Session
from outpace.measure.worlds import Settings

STEP_S = 0.015625
TICK_S = 0.004


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """``time.monotonic`` as Windows has it before Python 3.13."""
    fine = time.monotonic
    info = time.get_clock_info
    coarse_info = type("Info", (), {"resolution": STEP_S})
    monkeypatch.setattr(time, "monotonic", lambda: fine() // STEP_S * STEP_S)
    monkeypatch.setattr(time, "get_clock_info", lambda name: coarse_info if name == "monotonic" else info(name))


def is_a_step(ms: float) -> bool:
    return round(ms, 3) % (STEP_S * 1000) == 0


@pytest.mark.usefixtures("coarse")
def test_time_that_passes_is_read_between_the_steps() -> None:
    async def read() -> list[float]:
        times = []
        for _ in range(12):
            times.append(anyio.current_time())
            await anyio.sleep(TICK_S)
        return [(later - earlier) * 1000 for earlier, later in pairwise(times)]

    with asyncio.Runner(loop_factory=RealLoop) as runner:
        ticks_ms = runner.run(read())
    assert min(ticks_ms) >= TICK_S * 1000  # a timer goes off when it is due, and not a coarse clock's step before
    assert not all(map(is_a_step, ticks_ms))


@pytest.mark.usefixtures("coarse")
def test_the_times_of_a_live_session_lie_between_the_steps(tmp_path: Path) -> None:
    with ThreadedHosts(ollama("m", pause_s=0.003), ollama("m", pause_s=0.003)) as hosts:  # noqa: SIM117
        with Session(Settings(hosts=hosts.hosts)) as session:
            Measurement(session, "serial-per-side", report_dir=tmp_path).measure(1)
            trips_ms = [trip for trips in session.round_trips_ms.values() for trip in trips]
    report = json.loads((tmp_path / "report-serial-per-side.json").read_text())
    requests = report["rounds"][0]["run"]["requests"]
    told_ms = [*trips_ms, *(each[key] for each in requests for key in ("wall_ms", "first_token_ms"))]
    assert len(told_ms) > 16
    assert sum(map(is_a_step, told_ms)) <= 1  # by chance
    assert 0 < report["machine"]["clock_resolution_ms"] < 1
