"""What a recording has to know of each host beside the rounds: its own pace, and what several at once do to it."""

from __future__ import annotations

from collections.abc import Sequence

from outpace.dispatch import find_strategy
from outpace.dispatch.strategies import keep_in_flight
from outpace.ground.records import BASELINE
from outpace.measure.runs import Runs
from outpace.recording.recorder import Recorder
from outpace.recording.recording import Scene

RECORDED_LEVELS = (2, 4, 8)
"""How many requests at once a recording tries on each host."""


def record_capacity(runs: Runs, recorder: Recorder, hosts: Sequence[str], prompts: int) -> None:
    """Have each of ``hosts`` alone do all ``prompts`` one by one, then several at once, up to what it admits."""
    for host in hosts:
        runs.knock(hosts)
        solo = Scene(BASELINE, f"solo@{host}")
        recorder.begin(solo)
        run = runs.execute(BASELINE, find_strategy(BASELINE), [host]).run
        recorder.end(solo, run, runs.median_round_trips_ms())
        for in_flight in RECORDED_LEVELS:
            if in_flight <= prompts:
                recorder.begin_sweep(host, in_flight)
                runs.execute("sweep", keep_in_flight(in_flight), [host])
                if not recorder.end_sweep(host, in_flight):
                    break
