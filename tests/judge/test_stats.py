"""Statistics: an interval holds the true median as often as it says, whatever the distribution."""

import math
import random
from collections.abc import Callable
from itertools import product
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL, Interval, median_interval, students_t

ratios = st.floats(min_value=0.01, max_value=100.0)
samples = st.lists(ratios, min_size=1, max_size=15)
long_samples = st.lists(ratios, min_size=5, max_size=15)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


DISTRIBUTIONS: dict[str, tuple[Callable[[random.Random], float], float]] = {
    "normal": (lambda chance: chance.gauss(1.0, 0.1), 1.0),
    "uniform": (lambda chance: chance.uniform(0.5, 1.5), 1.0),
    "skewed": (lambda chance: chance.expovariate(1.0), math.log(2)),
    "with spikes": (lambda chance: chance.gauss(1.0, 0.1) + chance.choice([0.0] * 8 + [3.0, -3.0]), 1.0),
}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("count", [5, 6, 7, 8, 9, 10, 12, 15, 20])
def test_the_interval_holds_the_true_median_as_often_as_it_says(distribution: str, count: int) -> None:
    draw, truth = DISTRIBUTIONS[distribution]
    chance = random.Random(f"{distribution} {count}")
    found = [median_interval([draw(chance) for _ in range(count)]) for _ in range(2000)]
    held = sum(each.low <= truth <= each.high for each in found) / len(found)
    # Three standard errors of 2,000 samples, and what interpolation errs by.
    assert held == pytest.approx(found[0].confidence, abs=0.02)


def test_the_interval_holds_what_all_falls_of_the_coins_say() -> None:
    for count in (5, 8, 11):
        falls = [sum(heads) for heads in product((0, 1), repeat=count)]
        for k in range(1, count // 2 + 1):
            within = sum(k <= heads <= count - k for heads in falls) / len(falls)
            values = [float(value) for value in range(1, count + 1)]
            if within >= 0.5:
                found = median_interval(values, within - 1e-12)
                assert (found.low, found.high) == (pytest.approx(values[k - 1]), pytest.approx(values[-k]))


def test_an_interval_that_can_be_worked_out_by_hand() -> None:
    # The range of six holds 1 - 2/64, the four within it 1 - 14/64; a tenth of the way in probability from the one
    # to the other, which is 5/14 in place.
    found = median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert (found.low, found.high) == (pytest.approx(1 + 5 / 14), pytest.approx(6 - 5 / 14))


def test_five_values_hold_less_and_say_so() -> None:
    assert median_interval([5.0, 1.0, 2.0, 4.0, 3.0]) == Interval(3.0, 1.0, 5.0, 1 - 2 / 32)


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
    assert found.confidence == min(confidence, 1 - 2 / 2 ** len(values))


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
    found = median_interval([value] * count)
    assert (found.median, found.low, found.high) == (value, value, value)


@pytest.mark.parametrize(("values", "confidence"), [([], 0.95), ([1.0], 0.4), ([1.0], 1.0)])
def test_what_has_no_interval_is_refused(values: list[float], confidence: float) -> None:
    with pytest.raises(ValueError, match="no values, or a confidence"):
        median_interval(values, confidence)


@pytest.mark.parametrize(
    ("confidence", "freedom", "deviations"),
    [
        (0.95, 1, 12.7062),
        (0.95, 2, 4.3027),
        (0.95, 5, 2.5706),
        (0.99, 10, 3.1693),
        (0.95, 19, 2.0930),
        (0.95, 120, 1.9799),
    ],
)
def test_students_t_is_as_its_tables_have_it(confidence: float, freedom: int, deviations: float) -> None:
    assert students_t(confidence, freedom) == pytest.approx(deviations, abs=1e-4)
