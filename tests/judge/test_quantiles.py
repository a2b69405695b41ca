"""Quantiles and means with their intervals: what they hold, and when they are not told."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.quantiles import mean, quantile, requests_needed

SAMPLES = 300
DISTRIBUTIONS: dict[str, tuple[Callable[[random.Random], float], Callable[[float], float], float]] = {
    "exponential": (lambda chance: chance.expovariate(1.0), lambda q: -math.log(1 - q), 1.0),
    "uniform": (lambda chance: chance.random(), lambda q: q, 0.5),
    "heavy": (lambda chance: chance.random() ** -0.4, lambda q: (1 - q) ** -0.4, 1 / 0.6),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(("q", "n"), [(0.5, 30), (0.9, 80), (0.95, 200), (0.99, 500)])
def test_an_interval_holds_the_true_quantile_as_often_as_it_says(name: str, q: float, n: int) -> None:
    draw, truth, _ = DISTRIBUTIONS[name]
    chance = random.Random(f"{name} {q}")
    found = [quantile([draw(chance) for _ in range(n)], q) for _ in range(SAMPLES)]
    told = [each for each in found if each.low is not None and each.high is not None]
    held = sum(each.low <= truth(q) <= each.high for each in told)
    assert len(told) > 0.8 * SAMPLES
    assert held >= 0.92 * len(told)


def test_requests_that_resemble_each_other_say_less() -> None:
    chance, q, covered, told = random.Random(4), 0.9, 0, 0
    for _ in range(200):
        values, value = [], chance.gauss(0, 1)
        for _ in range(800):  # each is mostly the one before it, as waits in one queue are
            value = 0.8 * value + math.sqrt(1 - 0.64) * chance.gauss(0, 1)
            values.append(value)
        found = quantile(values, q)
        if found.low is not None and found.high is not None:
            told += 1
            covered += found.low <= 1.2816 <= found.high
    assert told == 200
    assert covered >= 0.9 * told


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_interval_of_a_mean_holds_the_true_one(name: str) -> None:
    draw, _, truth = DISTRIBUTIONS[name]
    chance = random.Random(name)
    found = [mean([draw(chance) for _ in range(400)]) for _ in range(SAMPLES)]
    held = sum(each.low <= truth <= each.high for each in found if each.low is not None and each.high is not None)
    assert held >= 0.9 * SAMPLES


@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_a_quantile_is_told_from_so_many_requests_on(q: float, needed: int) -> None:
    chance = random.Random(2)
    values = [chance.random() for _ in range(needed)]
    assert requests_needed(q) == needed
    few = quantile(values[: needed - 1], q)
    assert (few.value, few.low, few.high) == (None, None, None)
    assert few.requests_needed is not None
    assert few.requests_needed >= needed


def test_nothing_at_all_is_no_quantile_and_no_mean() -> None:
    assert quantile([], 0.5).value is mean([]).value is None


@pytest.mark.parametrize(("q", "confidence"), [(0.0, 0.95), (1.0, 0.95), (0.5, 1.0), (math.nan, 0.95)])
def test_what_is_no_quantile_is_refused(q: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1.0], q, confidence)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_quantile_lies_within_its_interval_and_that_within_the_values(values: list[float], q: float) -> None:
    found = quantile(values, q)
    if found.value is not None:
        assert found.low is not None
        assert found.high is not None
        assert min(values) <= found.low <= found.value <= found.high <= max(values)
