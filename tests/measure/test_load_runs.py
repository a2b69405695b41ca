"""A load in its session: faults act in strategies' runs, hosts that batch are swept first, a recording holds it."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest

from outpace.ground.hosts import ReplayHosts
from outpace.measure.load import BEST_ALONE, Load, LoadMeasurement, run_load
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.simulation.fault_schedule import parse_all
from outpace.workload import arrivals
from outpace.workload.prompts import Generation, workload
from recorded import recorded
from reference.truth import Truth
from reference_session import virtual_session

WORK = workload([f"Count to {number}." for number in range(2, 8)], Generation(max_tokens=8))
BATCHING = Truth(100.0, 5.0, 4, batching={4: 4.0}, tokens=8)
"""85 ms a request, four at once as quickly as one."""


def arriving(rate: str, requests: int, work=WORK) -> Load:
    return Load(rate, arrivals.arriving(work, arrivals.parse(rate), seed=7, requests=requests))


def test_faults_act_in_the_run_of_a_strategy_and_not_in_that_of_the_best_alone(tmp_path: Path) -> None:
    found = recorded("vllm")
    settings = Settings(
        ReplayHosts(Path("vllm.json")),
        found,
        workload=found.workload,
        baseline=found.baseline,
        faults=parse_all(["laptop:errors@0s"]),
    )
    with Session(settings) as session:
        load = arriving("constant:1/s", 20, found.workload)
        ours, alone = (LoadMeasurement(session, each, load, report_dir=tmp_path) for each in ("pull", BEST_ALONE))
        for each in (ours, alone):
            each.prepare()
            each.run()
    assert {attempt.host for attempt in ours.rounds[0].failed_attempts} == {"laptop"}
    assert {request.host for request in alone.rounds[0].requests} == {"laptop"}
    assert not alone.rounds[0].failed_attempts


def test_hosts_that_batch_get_as_many_at_once_as_they_batch(tmp_path: Path) -> None:
    with virtual_session({"a": BATCHING, "b": BATCHING}, workload=WORK) as session:
        load = arriving("constant:40/s", 200)  # one request at a time would be overloaded
        for strategy in (BEST_ALONE, "pull"):
            measured = LoadMeasurement(session, strategy, load, report_dir=tmp_path)
            measured.prepare()
            measured.run()
            assert measured.figures().steady == "steady"
            assert measured.best_alone.in_flight == 4
    assert (tmp_path / "capacity.json").exists()


def test_a_recording_holds_a_load_and_plays_it(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    load = arriving("poisson:9/s", 40)
    with virtual_session({"a": BATCHING, "b": Truth(60.0, 5.0, tokens=8)}, workload=WORK, record=file) as session:
        live = LoadMeasurement(session, "pull", load, report_dir=tmp_path)
        live.prepare()
        live.run()
    found = har.read(file)
    assert [run.name for run in found.runs if run.measured == "load/pull"] == ["load/pull#0"]
    assert len([each for each in found.exchanges if each.run == "load/pull#0"]) == 40
    assert found.arrivals is not None
    assert found.arrivals.asked == "poisson:9/s"
    again = arrivals.at_times(found.workload, found.arrivals.due_ms)
    settings = Settings(ReplayHosts(file), found, workload=found.workload, baseline=found.baseline)
    with Session(settings) as session:
        replayed = run_load(session, "pull", Load("as recorded", again)).run
    recorded = live.rounds[0]
    assert [round(each.due_ms, 3) for each in recorded.requests] == [each.due_ms for each in replayed.requests]
    # Which of two idle hosts gets a request hangs on less than a recording keeps, so only the whole is the same.
    live_ms, replayed_ms = (
        fmean(each.start_ms + each.wall_ms - each.due_ms for each in run.requests) for run in (recorded, replayed)
    )
    assert replayed_ms == pytest.approx(live_ms, rel=0.1)
