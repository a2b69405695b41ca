"""Rounds until the interval is narrow enough, or until it is plain that it will not be."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import REPOSITORY, ThreadedHosts, ollama, run
from outpace.judge.stats import rounds_interval
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.stopping import LEAST_ROUNDS, MOST_ROUNDS, why_enough, width
from outpace.measure.worlds import Settings

pytest_plugins = ["pytester"]

ratio_lists = st.lists(st.floats(0.1, 10.0), min_size=LEAST_ROUNDS, max_size=MOST_ROUNDS)


def rounds_made(deviation: float, within: float, seed: int) -> tuple[int, str]:
    """How many rounds are made where ratios vary so much, and why no more."""
    chance = random.Random(seed)
    ratios: list[float] = []
    while True:
        ratios.append(0.6 * (1 + chance.gauss(0.0, deviation)))
        why = why_enough(ratios, within)
        if why:
            return len(ratios), why


@given(st.lists(st.floats(0.1, 10.0), max_size=LEAST_ROUNDS - 1))
def test_few_rounds_are_followed_by_another_however_narrow(ratios: list[float]) -> None:
    assert why_enough(ratios, 0.5) is None


@given(ratio_lists, st.floats(0.001, 0.5))
def test_it_is_enough_where_both_ends_are_near_and_only_there_or_where_it_is_hopeless(
    ratios: list[float], within: float
) -> None:
    found = rounds_interval(ratios)
    why = why_enough(ratios, within)
    near = found.low >= found.median * (1 - within) and found.high <= found.median * (1 + within)
    if near != (width(found) <= within):  # on the edge rounding decides
        return
    if near:
        assert why is not None
        assert "were enough" in why
    else:
        assert why is None or "Stopped after" in why
    assert why is not None or len(ratios) < MOST_ROUNDS


def test_quiet_machines_need_the_fewest() -> None:
    made, why = rounds_made(0.001, 0.05, seed=1)
    assert (made, why.partition(":")[0]) == (LEAST_ROUNDS, "10 rounds were enough")


def test_the_wider_rounds_spread_the_more_are_made() -> None:
    made = [sum(rounds_made(deviation, 0.05, seed)[0] for seed in range(20)) for deviation in (0.01, 0.04, 0.08)]
    assert made[0] < made[1] < made[2]


def test_what_cannot_be_narrowed_is_given_up_early_and_says_what_it_would_take() -> None:
    made, why = rounds_made(0.4, 0.01, seed=3)
    assert made == LEAST_ROUNDS
    assert why.startswith("Stopped after 10 rounds: the interval lies within ")
    assert "rounds would bring it within 1.0%" in why
    assert "--rounds=auto:" in why


def test_there_is_an_end() -> None:
    for seed in range(20):
        made, _ = rounds_made(0.14, 0.05, seed)
        assert made <= MOST_ROUNDS


def test_a_session_stops_by_itself_and_its_report_says_why(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        options = ["--strategies=serial-per-side", "--rounds=auto:99%", "-k", "strategy", "--benchmark-json=out.json"]
        result = run(suite, hosts.option, *options)
    result.assert_outcomes(passed=1)
    found = json.loads((suite.path / "reports" / "report-serial-per-side.json").read_text())
    made = len(found["rounds"])
    assert LEAST_ROUNDS <= made <= MOST_ROUNDS
    assert any(
        note.startswith((f"{made} rounds were enough", f"Stopped after {made}")) for note in found["summary"]["notes"]
    )
    result.stdout.fnmatch_lines([f"outpace: serial-per-side: round {made} of at most 40, *"])
    (timed,) = json.loads((suite.path / "out.json").read_text())["benchmarks"]
    assert timed["stats"]["rounds"] == made
    assert timed["extra_info"]["overhead_ratio"] == pytest.approx(
        found["summary"]["overhead_ratio"]["median"], abs=1e-6
    )


def test_a_measurement_makes_no_round_after_the_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "outpace.measure.measurement.why_enough", lambda ratios, _within: "done" if len(ratios) == 3 else None
    )
    hosts = ThreadedHosts(ollama("m"), ollama("m"))
    with hosts, Session(Settings(hosts=hosts.hosts, timeout_s=10)) as session:
        measurement = Measurement(session, "serial-per-side", report_dir=tmp_path, within=0.05)
        measurement.measure(10)
        measurement.measure(10)
    assert len(measurement.rounds) == 3
    assert "done" in measurement.comparison().notes


@pytest.mark.parametrize("rounds", ["0", "auto:", "auto:0%", "auto:5", "auto:200%", "many", "-3", "1e3"])
def test_rounds_that_are_none_are_told(suite: pytest.Pytester, rounds: str) -> None:
    result = run(suite, f"--rounds={rounds}")
    assert "write a number that is 1 or more, or auto, or auto:2%" in result.stderr.str()


def test_a_replay_makes_no_more_than_the_recording_holds(suite: pytest.Pytester) -> None:
    recording = REPOSITORY / "bench" / "recordings" / "vllm.json"
    options = [f"--hosts=replay:{recording}", "--strategies=serial-per-side", "--rounds=auto", "-k", "test_strategy"]
    run(suite, *options).assert_outcomes(passed=1)
    found = json.loads((suite.path / "reports" / "report-serial-per-side.json").read_text())
    assert len(found["rounds"]) == 3
