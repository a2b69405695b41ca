"""The strategy weighted: prompts are split by what each host was measured to do."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.dispatch import HostKnowledge
from outpace.dispatch.strategies.planned import split_by_rate
from outpace.workload.prompts import Prompt
from workers import Worker, answered_by, dispatch, makespan_s


@pytest.mark.parametrize("speeds", [(3.0, 2.0, 1.0), (30.0, 20.0, 10.0)])
def test_weighted_splits_by_measured_speed(speeds: tuple[float, ...]) -> None:
    works = [1.0] * 12
    outcome = dispatch(
        "weighted", [Worker(name, works, speed) for name, speed in zip("abc", speeds, strict=True)], works
    )
    assert Counter(answered_by(outcome)) == {"a": 6, "b": 4, "c": 2}
    assert makespan_s(outcome) == pytest.approx(6 / speeds[0])


def test_weighted_counts_what_a_host_does_with_several_at_once() -> None:
    works = [4.0] * 10
    engines = [Worker("a", works, 2.0), Worker("b", works, 1.0, slots=8)]
    assert Counter(answered_by(dispatch("weighted", engines, works))) == {"a": 2, "b": 8}
    assert [engine.most_in_flight for engine in engines] == [1, 8]


def test_weighted_keeps_to_its_split_whatever_turns_out() -> None:
    works = [1.0] * 8
    engines = [Worker("a", works, 1.0), Worker("b", works, 10.0)]
    alike = {"a": HostKnowledge(1.0), "b": HostKnowledge(1.0)}
    assert Counter(answered_by(dispatch("weighted", engines, works, known=alike))) == {"a": 4, "b": 4}


@given(st.integers(0, 60), st.lists(st.floats(0.1, 50.0), min_size=1, max_size=8))
def test_no_split_by_rate_is_done_sooner(count: int, rates: list[float]) -> None:
    prompts = [Prompt(index, "") for index in range(count)]
    shares = split_by_rate(prompts, rates)
    assert sorted((each for share in shares for each in share), key=lambda each: each.index) == prompts
    assert all(share == sorted(share, key=lambda each: each.index) for share in shares)
    done = max(len(share) / rate for share, rate in zip(shares, rates, strict=True))
    assert all((len(share) + 1) / rate >= done * (1 - 1e-9) for share, rate in zip(shares, rates, strict=True))
