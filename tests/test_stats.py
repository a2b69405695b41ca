"""Statistics: the exact bootstrap against every resample there is."""

import math
from itertools import product
from statistics import median

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outpace.stats import ROUNDS_FOR_AN_INTERVAL, Interval, median_interval

ratios = st.floats(min_value=0.01, max_value=100.0)
samples = st.lists(ratios, min_size=1, max_size=15)
long_samples = st.lists(ratios, min_size=5, max_size=15)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


def brute_force(values, confidence):
    """The percentile interval of the medians of all n^n resamples, each as likely as any other."""
    medians = sorted(median(resample) for resample in product(values, repeat=len(values)))
    tail = (1 - confidence) / 2
    low, high = (medians[math.ceil(len(medians) * share - 1e-6) - 1] for share in (tail, 1 - tail))
    return low, high


@settings(max_examples=40, deadline=None)
@given(st.lists(ratios, min_size=5, max_size=5), confidences)
@example([1.0, 1.0, 1.0, 2.0, 2.0], 0.95)
def test_the_interval_of_five_values_is_that_of_all_their_resamples(values, confidence):
    found = median_interval(values, confidence)
    assert (found.low, found.high) == brute_force(values, confidence)


@settings(max_examples=12, deadline=None)
@given(st.lists(ratios, min_size=6, max_size=6), confidences)
@example([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95)
@example([1.0, 1.0, 1.0, 2.0, 2.0, 2.0], 0.9)
def test_the_interval_of_six_values_is_that_of_all_their_resamples(values, confidence):
    found = median_interval(values, confidence)
    assert (found.low, found.high) == brute_force(values, confidence)


def test_an_interval_that_can_be_worked_out_by_hand():
    # The median of a resample is 1 where three or more of five draws are the one 1: with probability 0.05792.
    assert median_interval([1.0, 2.0, 2.0, 2.0, 2.0]) == Interval(2.0, 1.0, 2.0, 0.95)
    assert median_interval([1.0, 2.0, 2.0, 2.0, 2.0], 0.80) == Interval(2.0, 2.0, 2.0, 0.80)


@given(samples)
def test_the_median_is_the_median(values):
    assert median_interval(values).median == median(values)


@given(st.lists(ratios, min_size=1, max_size=ROUNDS_FOR_AN_INTERVAL - 1))
def test_fewer_than_five_values_have_no_interval(values):
    assert median_interval(values) == Interval(median(values), None, None, None)


@given(long_samples, confidences)
def test_from_five_values_on_there_is_an_interval_around_the_median_within_the_values(values, confidence):
    found = median_interval(values, confidence)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
    assert found.confidence == confidence


@given(long_samples)
def test_more_confidence_is_never_a_narrower_interval(values):
    narrow, wide = median_interval(values, 0.8), median_interval(values, 0.99)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@given(samples.flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))))
def test_the_order_of_the_values_does_not_matter(orders):
    values, shuffled = orders
    assert median_interval(values) == median_interval(shuffled)


@given(samples)
def test_the_same_values_have_the_same_interval_each_time(values):
    assert median_interval(values) == median_interval(list(values)) == median_interval(tuple(values))


# Powers of two scale a float without rounding, so that equality may be exact.
@given(samples, st.integers(-20, 20))
def test_values_scaled_have_an_interval_scaled_alike(values, power):
    found, scaled = median_interval(values), median_interval([math.ldexp(value, power) for value in values])
    assert scaled.median == math.ldexp(found.median, power)
    if found.low is not None:
        assert (scaled.low, scaled.high) == (math.ldexp(found.low, power), math.ldexp(found.high, power))


@given(ratios, st.integers(5, 40))
def test_equal_values_have_an_interval_of_one_point(value, count):
    assert median_interval([value] * count) == Interval(value, value, value, 0.95)


def test_no_values_have_no_median():
    with pytest.raises(ValueError, match="no values"):
        median_interval([])
