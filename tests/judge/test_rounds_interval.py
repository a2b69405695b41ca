"""Intervals of rounds that follow one another: wider where each resembles the one before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.stats import (
    MOST_RESEMBLANCE,
    median_interval,
    median_ratio_interval,
    rounds_interval,
    rounds_ratio_interval,
)

rounds = st.lists(st.floats(0.1, 10.0), min_size=5, max_size=12)
WIDEST = ((1 + MOST_RESEMBLANCE) / (1 - MOST_RESEMBLANCE)) ** 0.5


@given(rounds)
def test_it_holds_the_interval_of_independent_values_and_has_the_same_median(values: list[float]) -> None:
    plain, found = median_interval(values), rounds_interval(values)
    assert (found.median, found.confidence) == (plain.median, plain.confidence)
    assert found.low <= plain.low * (1 + 1e-12)
    assert found.high >= plain.high * (1 - 1e-12)
    assert found.high / found.median <= (plain.high / plain.median) ** WIDEST * (1 + 1e-9)


@given(rounds, rounds)
def test_so_does_that_of_a_ratio(values: list[float], others: list[float]) -> None:
    plain, found = median_ratio_interval(values, others), rounds_ratio_interval(values, others)
    assert found.median == plain.median
    assert found.low <= plain.low * (1 + 1e-12)
    assert found.high >= plain.high * (1 - 1e-12)


def test_rounds_that_go_up_and_down_in_turn_are_as_good_as_independent() -> None:
    values = [1.0, 2.0, 1.1, 1.9, 1.2, 1.8, 1.3]
    found, plain = rounds_interval(values), median_interval(values)
    assert (found.low, found.high) == (pytest.approx(plain.low), pytest.approx(plain.high))


def test_rounds_that_drift_are_worth_less() -> None:
    drifting = [1.0, 1.05, 1.1, 1.2, 1.3, 1.35, 1.4, 1.5]
    found, plain = rounds_interval(drifting), median_interval(drifting)
    assert found.high - found.low > 1.5 * (plain.high - plain.low)


def test_the_order_of_rounds_counts() -> None:
    drifting = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
    shaken = [1.6, 1.0, 1.5, 1.1, 1.4, 1.2, 1.3]
    assert rounds_interval(drifting).high > rounds_interval(shaken).high


@pytest.mark.parametrize("values", [[1.0] * 5, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
def test_rounds_that_are_all_alike_leave_no_doubt(values: list[float]) -> None:
    found = rounds_interval(values)
    assert (found.low, found.high) == (1.0, 1.0)


def test_few_rounds_have_none() -> None:
    assert rounds_interval([1.0, 2.0]).low is None


def test_values_below_zero_are_widened_too() -> None:
    values = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]
    found, plain = rounds_interval(values), median_interval(values)
    assert found.low < plain.low
    assert found.high > plain.high
