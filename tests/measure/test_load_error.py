"""How far replays of a recording are off the loads that it holds: of those that it was not told, and said in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from outpace.judge.replay_error import ReplayError, replay_error
from outpace.judge.slo import Latency, parse_slo
from outpace.measure.load import BEST_ALONE, Load, LoadMeasurement
from outpace.measure.load_error import load_error
from outpace.measure.rate_search import RateAsked, RateSearch
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.report import rate_document, rate_page
from outpace.simulation.altered_recording import Alteration, altered
from outpace.workload.arrivals import arriving, parse, parse_kind
from outpace.workload.prompts import Generation, workload
from recorded import recorded
from reference.truth import Truth
from reference_session import virtual_session

WORK = workload([f"Count to {number}." for number in range(2, 8)], Generation(max_tokens=8))
HOSTS = {"a": Truth(100.0, 20.0, tokens=8), "b": Truth(60.0, 5.0, tokens=8)}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A recording of a load over both hosts, and on the best of them alone."""
    folder = tmp_path_factory.mktemp("recorded")
    work = arriving(WORK, parse("poisson:8/s"), seed=7, requests=80)
    with virtual_session(HOSTS, workload=WORK, record=folder / "r.json") as session:
        for strategy in (BEST_ALONE, "pull"):
            measured = LoadMeasurement(session, strategy, Load("poisson:8/s", work), report_dir=folder)
            measured.prepare()
            measured.run()
    return har.read(folder / "r.json")


def test_a_recording_keeps_the_latencies_of_its_loads(found: Recording) -> None:
    loads = [run for run in found.runs if run.latencies]
    assert [(run.measured, len(run.latencies)) for run in loads] == [("load/best-alone", 80), ("load/pull", 80)]
    assert har.from_har(har.to_har(found)).runs == found.runs
    assert not any(run.latencies for run in recorded("vllm").runs)


def test_replays_are_held_against_the_half_that_they_were_not_told(found: Recording) -> None:
    error = load_error(found)
    assert error is not None
    assert error.share < 0.05
    assert error.strategy in ("pull", BEST_ALONE)
    # Had the machines been half as fast in the second half, and only there, the first would not have told.
    slower = [
        replace(run, latencies=(*run.latencies[:40], *(_as_slow(each, 2.0) for each in run.latencies[40:])))
        for run in found.runs
    ]
    error = load_error(replace(found, runs=tuple(slower)))
    assert error is not None
    assert error.share == pytest.approx(0.5, abs=0.05)


def _as_slow(latency: Latency, times: float) -> Latency:
    return replace(latency, ttft_ms=times * (latency.ttft_ms or 0.0), e2e_ms=times * (latency.e2e_ms or 0.0))


def test_what_holds_no_load_or_was_altered_tells_no_error(found: Recording) -> None:
    assert load_error(recorded("vllm")) is None
    assert load_error(altered(found, [Alteration("speed", "b", 2.0)])) is None


def test_the_worst_figure_is_the_error() -> None:
    was = [Latency(0.0, 10.0, None, 100.0 + number) for number in range(20)]
    assert replay_error(was, [replace(each, ttft_ms=12.0) for each in was], "pull") == ReplayError(
        pytest.approx(0.2), "ttft p50", "pull"
    )
    assert replay_error(was[:19], was[:19], "pull") is None
    unanswered = replace(was[0], ttft_ms=None, e2e_ms=None)
    assert replay_error(was, [unanswered, *was[1:]], "pull") is None


@pytest.mark.parametrize("batch", [True, False])
def test_a_search_tells_it(batch: bool, found: Recording, tmp_path: Path) -> None:
    recording = recorded("ollama-np1") if batch else found
    asked = RateAsked(parse_kind("poisson", 40), "poisson", parse_slo("e2e:p80<5s"), 40, 0.3)
    with Session(Settings(recording=recording, workload=recording.workload, baseline=recording.baseline)) as session:
        RateSearch(session, ("pull",), asked, report_dir=tmp_path).run()
    document = rate_document.read(tmp_path / "rate.json")
    (words,) = rate_page.replays_off(document)
    if batch:
        assert document["replay_error"] is None
        assert "is not known: it holds no load" in "".join(words)
    else:
        assert f"off by up to {document['replay_error']['share']:.1%}" in "".join(words)
    assert rate_page.replays_off({**document, "source": "live"}) == []
