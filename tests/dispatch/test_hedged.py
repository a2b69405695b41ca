"""The strategy hedged: which prompts are copied to a second host, and what becomes of the loser."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.dispatch.expectation import work_of
from outpace.dispatch.strategies.shared_queue import OVERDUE
from workers import Worker, answered_by, dispatch, hangs, makespan_s


def test_hedged_copies_the_straggler_and_calls_the_loser_off() -> None:
    works = [10.0] * 4
    a, b = Worker("a", works), Worker("b", works, misbehave=hangs(3))
    outcome = dispatch("hedged", [a, b], works, guess=lambda each: work_of(each, 10.0))
    # b has prompt 3 since 10 s, and would be done at 20 s; then it is overdue, and a, idle since then, is quicker.
    copied_s = 10 + 10 * (1 + OVERDUE)
    assert [number for _, number in a.asked] == [0, 2, 3]
    assert a.asked[-1][0] == pytest.approx(copied_s, abs=0.1)
    assert answered_by(outcome) == ["a", "b", "a", "a"]
    assert makespan_s(outcome) == pytest.approx(copied_s + 10, abs=0.1)
    (lost,) = outcome.run.failed_attempts
    assert (lost.prompt, lost.host, lost.kind) == (3, "b", "spent")
    assert lost.start_ms + lost.wall_ms == pytest.approx(outcome.run.makespan_ms)
    assert b.in_flight == 0
    assert outcome.run.requests[3].attempts == 2


def test_hedged_counts_the_copy_as_spent_where_the_first_answers_first() -> None:
    works = [10.0] * 2
    a, b = Worker("a", works), Worker("b", works, misbehave=hangs(1, seconds=5.0))
    outcome = dispatch("hedged", [a, b], works)
    assert answered_by(outcome) == ["a", "b"]
    assert makespan_s(outcome) == pytest.approx(15)
    (lost,) = outcome.run.failed_attempts
    assert (lost.prompt, lost.host, lost.kind) == (1, "a", "spent")
    assert lost.wall_ms == pytest.approx(15_000 - 10_100, abs=100)


def test_hedged_copies_at_once_what_a_much_quicker_host_would_do_sooner() -> None:
    works = [10.0] * 2
    a, b = Worker("a", works, 10.0), Worker("b", works, 1.0)
    outcome = dispatch("hedged", [a, b], works)
    assert makespan_s(outcome) == pytest.approx(2)
    assert answered_by(outcome) == ["a", "a"]


def test_hedged_copies_nothing_that_goes_as_expected() -> None:
    works = [10.0, 10.0, 10.0, 8.0, 9.0, 10.0]
    engines = [Worker(name, works) for name in "abc"]
    assert dispatch("hedged", engines, works).run.failed_attempts == ()
    assert sum(len(engine.asked) for engine in engines) == len(works)


def test_hedged_copies_no_prompt_a_third_time() -> None:
    works = [10.0] * 4
    engines = [Worker(name, works, misbehave=hangs(0, 1, seconds=100.0)) for name in "abcd"]
    outcome = dispatch("hedged", engines, works)
    assert max(Counter(number for engine in engines for _, number in engine.asked).values()) == 2
    assert makespan_s(outcome) == pytest.approx(110)
    assert {each.kind for each in outcome.run.failed_attempts} == {"spent"}


def test_hedged_leaves_a_straggler_alone_while_all_others_work() -> None:
    works = [1.0] * 10
    a, b = Worker("a", works), Worker("b", works, misbehave=hangs(1, seconds=4.5))
    assert dispatch("hedged", [a, b], works).run.failed_attempts == ()


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.5, 20.0), min_size=1, max_size=12),
    st.lists(st.sampled_from([0.5, 1.0, 4.0]), min_size=2, max_size=4),
    st.sets(st.integers(0, 11)),
)
def test_hedged_has_no_prompt_at_more_than_two_hosts(works: list[float], speeds: list[float], stuck: set[int]) -> None:
    engines = [
        Worker(name, works, speed, misbehave=hangs(*stuck, seconds=50.0) if name in "bd" else None)
        for name, speed in zip("abcd", speeds, strict=False)
    ]
    outcome = dispatch("hedged", engines, works)
    asked = Counter(number for engine in engines for _, number in engine.asked)
    assert set(asked) == set(range(len(works)))
    assert max(asked.values()) <= 2
    assert len(outcome.run.failed_attempts) == sum(asked.values()) - len(works)
    assert {each.kind for each in outcome.run.failed_attempts} <= {"spent"}
    assert makespan_s(outcome) > 0
    assert all(engine.in_flight == 0 for engine in engines)
