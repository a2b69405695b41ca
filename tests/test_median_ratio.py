"""The interval of a ratio of medians: the exact bootstrap against every pair of resamples there is."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import product
from statistics import median

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from outpace.stats import ROUNDS_FOR_AN_INTERVAL, Interval, median_interval, median_ratio_interval

ratios = st.floats(min_value=0.01, max_value=100.0)
five = st.lists(ratios, min_size=5, max_size=5)
whole_numbers = st.lists(st.integers(1, 4).map(float), min_size=5, max_size=5)
long_samples = st.lists(ratios, min_size=5, max_size=12)
samples = st.lists(ratios, min_size=1, max_size=12)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


def medians(values: list[float]) -> Counter[float]:
    """How many of the n^n resamples of ``values`` have each median."""
    return Counter(median(resample) for resample in product(values, repeat=len(values)))


def brute_force(values: list[float], others: list[float]) -> list[tuple[float, Fraction]]:
    """Each ratio that a pair of resamples can have with the share of pairs up to it, of all n^n m^m pairs."""
    count: Counter[float] = Counter()
    for (above, times), (below, as_often) in product(medians(values).items(), medians(others).items()):
        count[above / below] += times * as_often
    total, found = sum(count.values()), []
    for ratio in sorted(count):
        found.append((ratio, Fraction(count[ratio], total) + (found[-1][1] if found else 0)))
    return found


def quantile(found: list[tuple[float, Fraction]], share: float) -> float:
    return next(ratio for ratio, up_to in found if up_to >= share - 1e-12)


@settings(max_examples=60)
@given(st.one_of(five, whole_numbers), st.one_of(five, whole_numbers), confidences)
@example([1.0, 1.0, 1.0, 2.0, 2.0], [1.0, 2.0, 2.0, 2.0, 2.0], 0.95)
@example([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0], 0.95)
def test_the_interval_of_five_rounds_each_is_that_of_all_pairs_of_their_resamples(values, others, confidence) -> None:
    found, all_pairs = median_ratio_interval(values, others, confidence), brute_force(values, others)
    tail = (1 - confidence) / 2
    # Where the share of pairs up to a ratio is the tail itself, rounding decides.
    assume(all(abs(float(up_to) - share) > 1e-9 for _, up_to in all_pairs for share in (tail, 1 - tail)))
    assert (found.low, found.high) == (quantile(all_pairs, tail), quantile(all_pairs, 1 - tail))


def test_the_two_need_not_have_as_many_rounds() -> None:
    values, others = [1.0, 2.0, 4.0, 3.0, 5.0, 9.0], [2.0, 2.5, 1.5, 1.0, 3.0]
    found, all_pairs = median_ratio_interval(values, others), brute_force(values, others)
    assert (found.low, found.high) == (quantile(all_pairs, 0.025), quantile(all_pairs, 0.975))


@given(samples, samples)
def test_the_median_is_the_ratio_of_the_medians(values, others) -> None:
    assert median_ratio_interval(values, others).median == median(values) / median(others)


@given(long_samples, long_samples)
def test_the_other_way_round_it_is_the_reciprocal(values, others) -> None:
    """The smallest ratio that reaches a share, from below, and the largest from above, may be neighbours."""
    there, back = median_ratio_interval(values, others), median_ratio_interval(others, values)
    assert there.median == pytest.approx(1 / back.median)
    found = sorted(above / below for above in _possible(values) for below in _possible(others))
    place = {round(math.log(ratio), 9): index for index, ratio in enumerate(found)}
    for ours, theirs in ((there.low, 1 / back.high), (there.high, 1 / back.low)):
        between = [ratio for ratio in found if min(ours, theirs) * (1 + 1e-9) < ratio < max(ours, theirs) * (1 - 1e-9)]
        assert between == []
        assert round(math.log(ours), 9) in place


def _possible(values: list[float]) -> set[float]:
    ordered = sorted(values)
    if len(values) % 2:
        return set(ordered)
    return {(one + other) / 2 for one in ordered for other in ordered}


@given(long_samples, long_samples, confidences)
def test_it_lies_around_the_ratio_within_what_the_values_allow(values, others, confidence) -> None:
    found = median_ratio_interval(values, others, confidence)
    assert min(values) / max(others) <= found.low <= found.median * (1 + 1e-12)
    assert found.median * (1 - 1e-12) <= found.high <= max(values) / min(others)
    assert found.confidence == confidence


@given(long_samples, long_samples)
def test_more_confidence_is_never_a_narrower_interval(values, others) -> None:
    narrow, wide = (median_ratio_interval(values, others, confidence) for confidence in (0.8, 0.99))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@given(long_samples, ratios, st.integers(5, 12))
def test_against_values_without_spread_it_is_the_interval_of_the_median(values, other, count) -> None:
    found, alone = median_ratio_interval(values, [other] * count), median_interval(values)
    assert (found.low, found.high) == (alone.low / other, alone.high / other)


@given(long_samples, long_samples, st.integers(-20, 20))
def test_the_unit_does_not_matter(values, others, power) -> None:
    scaled = [[math.ldexp(value, power) for value in each] for each in (values, others)]
    assert median_ratio_interval(*scaled) == median_ratio_interval(values, others)


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
    with pytest.raises(ValueError, match="no values, or others that are not above 0"):
        median_ratio_interval(values, others)
