"""Intervals of rounds that follow one another: wider where each resembles the one before."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.stats import (
    MOST_RESEMBLANCE,
    chosen_interval,
    median_interval,
    median_ratio_interval,
    rounds_interval,
    rounds_ratio_interval,
    rounds_to_choose,
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


# Of what was chosen as the best of several


@given(rounds, st.integers(2, 30))
def test_what_was_chosen_has_a_wider_interval_about_the_same_median(values: list[float], among: int) -> None:
    alone, found, more = rounds_interval(values), chosen_interval(values, among), chosen_interval(values, among + 1)
    assert chosen_interval(values, 1) == alone
    assert (found.median, found.confidence) == (alone.median, 0.95)
    assert more.low <= found.low * (1 + 1e-9) <= alone.low * (1 + 2e-9)
    assert more.high >= found.high * (1 - 1e-9) >= alone.high * (1 - 2e-9)


def test_too_few_rounds_have_none_however_many_there_were_to_choose_from() -> None:
    assert chosen_interval([1.0, 1.1, 1.2, 1.3], 3) == rounds_interval([1.0, 1.1, 1.2, 1.3])


def test_where_order_statistics_cannot_bear_the_choice_it_is_widened_as_student_s_t_is() -> None:
    values = [1.02, 1.08, 1.03, 1.06, 1.05]
    alone, found = rounds_interval(values), chosen_interval(values, 3)
    wider = [math.log(getattr(found, end) / 1.05) / math.log(getattr(alone, end) / 1.05) for end in ("low", "high")]
    assert wider == pytest.approx([3.961 / 2.562] * 2, rel=0.001)  # 98.33 % and 93.75 %, of four degrees of freedom


@pytest.mark.parametrize(("among", "enough"), [(1, 6), (2, 7), (3, 7), (8, 9), (20, 10)])
def test_so_many_rounds_bear_a_choice_whatever_the_distribution(among: int, enough: int) -> None:
    assert rounds_to_choose(among) == enough
    values = [1.0 + 0.01 * (number * 7 % 11) for number in range(enough)]
    plain = median_interval(values, 1 - 0.05 / among)
    assert plain.confidence == 1 - 0.05 / among
    assert chosen_interval(values, among).low <= plain.low


@pytest.mark.parametrize("count", [5, 7, 10])
@pytest.mark.parametrize("among", [3, 8])
def test_the_interval_of_the_best_holds_the_truth_as_often_as_it_says(count: int, among: int) -> None:
    chance, sessions = random.Random(count * among), 1000
    held = above = missed = 0
    for _ in range(sessions):
        strategies = [[math.exp(chance.gauss(0.0, 0.05)) for _ in range(count)] for _ in range(among)]
        best = max(strategies, key=median)
        found = chosen_interval(best, among)
        held += found.low <= 1.0 <= found.high
        above += found.low > 1.0
        missed += rounds_interval(best).low > 1.0
    assert held >= 0.95 * sessions
    assert above <= 0.05 * sessions
    assert missed > above
