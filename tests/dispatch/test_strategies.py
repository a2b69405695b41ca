"""What all strategies beyond the three published ones must hold, over hosts whose every move is known."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.dispatch import HostKnowledge, Limits
from workers import Worker, answered_by, dispatch, hangs, makespan_s

FIVE = ["weighted", "pull", "earliest-finish", "capacity-aware", "hedged"]


@pytest.mark.parametrize("strategy", FIVE)
@settings(max_examples=40)
@given(
    st.lists(st.floats(0.5, 20.0), min_size=1, max_size=24),
    st.lists(st.tuples(st.sampled_from([0.5, 1.0, 4.0]), st.integers(1, 4)), min_size=1, max_size=4),
    st.sampled_from(["sweep", "adaptive", 1, 3]),
    st.booleans(),
)
def test_no_host_has_more_in_flight_than_its_limit(
    strategy: str, works: list[float], hosts: list[tuple[float, int]], limits: Limits, swept: bool
) -> None:
    engines = [Worker(name, works, *host) for name, host in zip("abcd", hosts, strict=False)]
    known = None if swept else {engine.host.name: HostKnowledge(engine.speed) for engine in engines}
    makespan_s(dispatch(strategy, engines, works, limits=limits, known=known))
    for engine in engines:
        assert engine.most_over <= 0
        if limits in (1, 3) and strategy != "capacity-aware":
            assert engine.most_in_flight <= limits
        elif limits == "sweep" and strategy != "capacity-aware":
            assert engine.most_in_flight <= (engine.slots if swept else 1)


@pytest.mark.parametrize("strategy", FIVE)
def test_with_slots_enough_as_many_are_in_flight_as_the_limit_allows(strategy: str) -> None:
    works = [5.0] * 40
    engines = [Worker(name, works, 1.0, slots=4) for name in "ab"]
    outcome = dispatch(strategy, engines, works)
    assert [engine.most_in_flight for engine in engines] == [4, 4]
    assert makespan_s(outcome) == pytest.approx(25)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("strategy", FIVE)
def test_a_host_that_dies_leaves_its_share_to_the_others(strategy: str, slots: int) -> None:
    works = [4.0 + index % 3 for index in range(24)]
    dead = Worker("b", works, slots=slots, up=lambda now: now < 9.0)
    engines = [Worker("a", works, slots=slots), dead, Worker("c", works, slots=slots)]
    outcome = dispatch(strategy, engines, works)
    by = Counter(answered_by(outcome))
    assert 0 < by["b"] <= 2 * slots
    assert by["a"] + by["c"] == len(works) - by["b"]
    assert min(by["a"], by["c"]) > by["b"]
    assert makespan_s(outcome) < sum(works) / slots * 0.75
    assert {each.host for each in outcome.run.failed_attempts if each.kind != "spent"} == {"b"}


@pytest.mark.parametrize("strategy", FIVE)
def test_a_host_that_was_never_there_gets_nothing_done(strategy: str) -> None:
    works = [2.0] * 8
    outcome = dispatch(strategy, [Worker("a", works), Worker("b", works, up=lambda _: False)], works)
    assert answered_by(outcome) == ["a"] * 8
    assert makespan_s(outcome) == pytest.approx(16)


@pytest.mark.parametrize("strategy", FIVE)
def test_a_host_that_comes_back_is_used_again(strategy: str) -> None:
    works = [3.0] * 24
    back = Worker("b", works, up=lambda now: not 4.0 < now < 12.0)
    outcome = dispatch(strategy, [Worker("a", works), back], works)
    assert makespan_s(outcome) < 60
    assert any(at > 12.0 for at, _ in back.asked)


@pytest.mark.parametrize("strategy", FIVE)
def test_every_prompt_is_answered_once(strategy: str) -> None:
    works = [1.0 + index * 7 % 5 for index in range(40)]
    engines = [Worker("a", works, 3.0), Worker("b", works, 1.0, slots=4), Worker("c", works, 0.5)]
    outcome = dispatch(strategy, engines, works)
    spent = sum(each.kind == "spent" for each in outcome.run.failed_attempts)
    assert sum(len(engine.asked) for engine in engines) == len(works) + spent
    assert [answer.rpartition(" ")[2] for answer in outcome.answers if answer] == [str(n) for n in range(40)]


@pytest.mark.parametrize("strategy", FIVE)
def test_the_same_twice(strategy: str) -> None:
    works = [1.0 + index * 7 % 5 for index in range(30)]
    runs = [
        dispatch(
            strategy, [Worker("a", works, 3.0, slots=2), Worker("b", works, misbehave=hangs(5, seconds=9.0))], works
        )
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
