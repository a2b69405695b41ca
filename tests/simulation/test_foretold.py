"""What a host by itself would take, as its model says, against a run of the coordinator over HTTP: the same digits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.measure.best_alone import find_best_alone
from outpace.measure.measurement import Measurement
from outpace.measure.session import LONGEST_FIRST, Session
from outpace.measure.worlds import Settings
from outpace.recording.recording import Recording
from outpace.simulation.altered_recording import altered
from recorded import NAMES, changes, recorded
from replayed_over_http import replaying


def tried(session: Session, tries: list[tuple[int, int]]) -> list[object]:
    """What each host took alone with so many in flight in such a turn, and what is known after it."""
    found: list[object] = []
    for in_flight, turn in tries:
        for host in session.ordered:
            took_ms = session.run_alone(host, in_flight, turn)
            known = [session.knowledge.work(prompt) for prompt in session.settings.workload.prompts]
            found.append((took_ms, session.now(), known))
    return found


@settings(max_examples=20)
@given(
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(["add=HOST*2", "speed=HOST:1.7x", "rtt=HOST:0ms", "slots=HOST:3"]), max_size=2),
    st.integers(0, 1),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), min_size=1, max_size=3),
    st.sampled_from([120.0, 30.0, 5.0]),
)
def test_it_is_what_a_run_takes_to_the_last_digit(
    name: str, texts: list[str], which: int, times: int, tries: list[tuple[int, int]], timeout_s: float
) -> None:
    found = recorded(name)
    for text in texts:
        found = altered(found, changes(text.replace("HOST", found.hosts[which].name)))
    with replaying(found, times, over_http=False, timeout_s=timeout_s) as session:
        ours = tried(session, tries)
    with replaying(found, times, over_http=True, timeout_s=timeout_s) as session:
        theirs = tried(session, tries)
    assert ours == theirs


@pytest.mark.parametrize("name", NAMES)
def test_a_session_finds_the_same_best_alone_and_reports_the_same(name: str, tmp_path: Path) -> None:
    reports = []
    for over_http in (False, True):
        folder = tmp_path / str(over_http)
        with replaying(recorded(name), 3, over_http=over_http) as session:
            measurement = Measurement(session, "pull", report_dir=folder)
            measurement.measure(2)
            reports.append((measurement.path.read_bytes(), session.best_alone, session.now()))
    assert reports[0] == reports[1]


def test_two_hosts_that_are_equal_to_the_last_digit_are_told_apart_alike() -> None:
    found = altered(recorded("vllm"), changes("add=laptop*3"))
    best = []
    for over_http in (False, True):
        with replaying(found, 3, over_http=over_http) as session:
            best.append(find_best_alone(session))
    assert best[0] == best[1]


def foretold(session: Session, in_flight: int) -> tuple[object, float]:
    """What is told of the first host, and how much time that took."""
    before_s = session.now()
    told = session._wait(session.world.foretell(session.engines[session.ordered[0]], in_flight))
    return told, session.now() - before_s


def test_it_takes_as_long_as_it_says_and_tells_how_long_answers_are() -> None:
    with replaying(recorded("vllm"), 1, over_http=False) as session:
        told, took_s = foretold(session, 4)
        assert told is not None
        assert took_s * 1000 == pytest.approx(told.makespan_ms)
        assert told.tokens.keys() == {prompt.index for prompt in session.settings.workload.prompts}


@pytest.mark.parametrize("why", ["an attempt takes too long", "prompts come later"])
def test_nothing_is_told_and_no_time_goes_by_where_a_run_may_go_otherwise(why: str) -> None:
    recording = recorded("ollama-np1")
    prompts = recording.workload.prompts
    if why == "prompts come later":
        work = replace(recording.workload, prompts=tuple(replace(each, due_ms=10.0 * each.index) for each in prompts))
        with Session(Settings(recording=recording, workload=work, baseline=recording.baseline)) as session:
            assert foretold(session, 1) == (None, 0.0)
    else:
        with replaying(recording, 4, over_http=False, timeout_s=5.0) as session:
            assert foretold(session, 1)[0] is not None
            assert foretold(session, 32) == (None, 0.0)


def test_an_answer_that_is_none_is_left_to_a_run() -> None:
    with replaying(without_an_end(recorded("vllm")), 1, over_http=False) as session:
        assert foretold(session, 2) == (None, 0.0)
        assert session.run_alone(session.ordered[0], 2) == math.inf


def test_the_longest_first_is_run_and_no_run_is_made_of_what_is_foretold() -> None:
    with replaying(recorded("vllm"), 1, over_http=False) as session:
        runs: list[str] = []
        execute = session.runs.execute

        def noting(name: str, *given: object, **named: object):
            runs.append(name)
            return execute(name, *given, **named)  # type: ignore[arg-type]

        session.runs.execute = noting  # type: ignore[method-assign]
        session.run_alone(session.ordered[0], 2)
        assert not runs
        session.run_alone(session.ordered[0], 2, 0, LONGEST_FIRST)
        assert runs == [LONGEST_FIRST]


def without_an_end(recording: Recording) -> Recording:
    """``recording``, in which no answer to the last prompt says that it is finished."""
    cut = recording.workload.prompts[-1].index
    exchanges = [
        replace(each, chunks=each.chunks[:2]) if each.prompt == cut and each.answered else each
        for each in recording.exchanges
    ]
    return replace(recording, exchanges=tuple(exchanges))
