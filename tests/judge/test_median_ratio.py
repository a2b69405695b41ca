"""The interval of a ratio of medians holds the true one as often as it says."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL, Interval, median_interval, median_ratio_interval

ratios = st.floats(min_value=0.01, max_value=100.0)
long_samples = st.lists(ratios, min_size=5, max_size=12)
samples = st.lists(ratios, min_size=1, max_size=12)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


@pytest.mark.parametrize(("count", "other_count"), [(5, 5), (7, 7), (10, 10), (6, 20)])
def test_the_interval_holds_the_true_ratio_as_often_as_it_says(count: int, other_count: int) -> None:
    chance = random.Random(count)
    found = [
        median_ratio_interval(
            [math.exp(chance.gauss(0.5, 0.1)) for _ in range(count)],
            [math.exp(chance.gauss(0.0, 0.2)) for _ in range(other_count)],
        )
        for _ in range(2000)
    ]
    held = sum(each.low <= math.exp(0.5) <= each.high for each in found) / len(found)
    # Of few it holds more than it says, as their ends are far out both at once less often than each.
    assert found[0].confidence - 0.02 <= held <= 0.985


def test_an_interval_that_can_be_worked_out_by_hand() -> None:
    # Both reach from a half to twice their medians: the two distances add as sides of a right angle do.
    found = median_ratio_interval([2.0, 4.0, 4.0, 4.0, 8.0], [1.0, 2.0, 2.0, 2.0, 4.0])
    assert found.median == 2.0
    assert (found.low, found.high) == (pytest.approx(2 / 2 ** math.sqrt(2)), pytest.approx(2 * 2 ** math.sqrt(2)))


@given(samples, samples)
def test_the_median_is_the_ratio_of_the_medians(values, others) -> None:
    assert median_ratio_interval(values, others).median == median(values) / median(others)


@given(long_samples, long_samples)
def test_the_other_way_round_it_is_the_reciprocal(values, others) -> None:
    there, back = median_ratio_interval(values, others), median_ratio_interval(others, values)
    assert there.median == pytest.approx(1 / back.median)
    assert (there.low, there.high) == (pytest.approx(1 / back.high), pytest.approx(1 / back.low))


@given(long_samples, long_samples, confidences)
def test_it_lies_around_the_ratio_within_what_the_values_allow(values, others, confidence) -> None:
    found = median_ratio_interval(values, others, confidence)
    assert min(values) / max(others) * (1 - 1e-12) <= found.low <= found.median
    assert found.median <= found.high <= max(values) / min(others) * (1 + 1e-12)
    assert found.confidence == min(confidence, 1 - 2 / 2 ** min(len(values), len(others)))


@given(long_samples, long_samples)
def test_more_confidence_is_never_a_narrower_interval(values, others) -> None:
    narrow, wide = (median_ratio_interval(values, others, confidence) for confidence in (0.8, 0.99))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@given(long_samples, ratios, st.integers(5, 12))
def test_against_values_without_spread_it_is_the_interval_of_the_median(values, other, count) -> None:
    found, alone = median_ratio_interval(values, [other] * count), median_interval(values)
    assert (found.low, found.high) == (pytest.approx(alone.low / other), pytest.approx(alone.high / other))


@given(long_samples, long_samples, st.integers(-20, 20))
def test_the_unit_does_not_matter(values, others, power) -> None:
    scaled = [[math.ldexp(value, power) for value in each] for each in (values, others)]
    found, alike = median_ratio_interval(values, others), median_ratio_interval(*scaled)
    assert alike.median == found.median
    assert (alike.low, alike.high) == (pytest.approx(found.low), pytest.approx(found.high))


@given(long_samples.flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))), long_samples)
def test_the_order_of_the_rounds_does_not_matter(orders, others) -> None:
    values, shuffled = orders
    assert median_ratio_interval(values, others) == median_ratio_interval(shuffled, others)
    assert median_ratio_interval(others, values) == median_ratio_interval(others, shuffled)


@given(long_samples)
def test_what_is_measured_twice_alike_cannot_be_told_apart(values) -> None:
    found = median_ratio_interval(values, values)
    assert found.low <= 1 <= found.high
    assert found.median == 1


@given(st.lists(ratios, min_size=1, max_size=ROUNDS_FOR_AN_INTERVAL - 1), samples)
def test_fewer_than_five_rounds_of_either_have_no_interval(few, values) -> None:
    assert median_ratio_interval(few, values) == Interval(median(few) / median(values), None, None, None)
    assert median_ratio_interval(values, few) == Interval(median(values) / median(few), None, None, None)


@pytest.mark.parametrize(
    ("values", "others"), [([], [1.0]), ([1.0], []), ([1.0], [0.0]), ([1.0] * 5, [1.0, 1.0, 1.0, 1.0, -1.0])]
)
def test_what_has_no_ratio_is_refused(values, others) -> None:
    with pytest.raises(ValueError, match="no values, or some that are not above 0"):
        median_ratio_interval(values, others)
