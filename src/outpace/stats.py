"""Statistics of a few paired rounds: median and its bootstrap interval, without chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

ROUNDS_FOR_AN_INTERVAL = 5


@dataclass(frozen=True)
class Interval:
    """A median with the interval that ``confidence`` of its bootstrap distribution lies in; None where too few."""

    median: float
    low: float | None
    high: float | None
    confidence: float | None


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Median of ``values`` and, from five values on, its percentile bootstrap interval.

    The bootstrap distribution of a median is computed exactly instead of by resampling (B. Efron, "Bootstrap
    methods: another look at the jackknife", Annals of Statistics 7, 1979, section 3): the same values give the same
    interval everywhere. Raises ``ValueError`` for no values.
    """
    if not values:
        raise ValueError("no values")
    if len(values) < ROUNDS_FOR_AN_INTERVAL:
        return Interval(median(values), None, None, None)
    weighted = sorted(_bootstrap_medians(sorted(values)))
    tail = (1 - confidence) / 2
    return Interval(median(values), _quantile(weighted, tail), _quantile(weighted, 1 - tail), confidence)


def median_ratio_interval(values: Sequence[float], others: Sequence[float], confidence: float = 0.95) -> Interval:
    """Median of ``values`` / median of ``others`` and, from five of each on, its percentile bootstrap interval.

    The two were measured independently, so every pair of their bootstrap medians has the product of both
    probabilities. Raises ``ValueError`` for no values, and where one of ``others`` is not above 0.
    """
    if not values or not others or min(others) <= 0:
        raise ValueError("no values, or others that are not above 0")
    ratio = median(values) / median(others)
    if min(len(values), len(others)) < ROUNDS_FOR_AN_INTERVAL:
        return Interval(ratio, None, None, None)
    below = _bootstrap_medians(sorted(others))
    weighted = sorted(
        (above / other, probability * share)
        for above, probability in _bootstrap_medians(sorted(values))
        for other, share in below
    )
    tail = (1 - confidence) / 2
    return Interval(ratio, _quantile(weighted, tail), _quantile(weighted, 1 - tail), confidence)


def _bootstrap_medians(ordered: Sequence[float]) -> list[tuple[float, float]]:
    """Each median that a resample of ``ordered`` can have, with its probability."""
    n = len(ordered)
    middle = (n + 1) // 2

    def at_most(k: int, draws: int) -> float:
        """Probability that at least ``draws`` of n draws are among the k smallest values."""
        return sum(math.comb(n, j) * (k / n) ** j * (1 - k / n) ** (n - j) for j in range(draws, n + 1))

    middle_is = [at_most(k, middle) - at_most(k - 1, middle) for k in range(1, n + 1)]
    if n % 2:
        return list(zip(ordered, middle_is, strict=True))
    # Even n: the median is the mean of draws number n/2 and n/2 + 1; their joint distribution follows from how many
    # ways put the lower half at or below value i, reaching it, and the upper half at or above value k, reaching it.
    pairs = []
    for i in range(1, n + 1):
        lower_half = (i / n) ** middle - ((i - 1) / n) ** middle
        apart = 0.0
        for k in range(i + 1, n + 1):
            upper_half = ((n - k + 1) / n) ** middle - ((n - k) / n) ** middle
            probability = math.comb(n, middle) * lower_half * upper_half
            apart += probability
            pairs.append(((ordered[i - 1] + ordered[k - 1]) / 2, probability))
        pairs.append((ordered[i - 1], middle_is[i - 1] - apart))
    return pairs


def _quantile(weighted: Sequence[tuple[float, float]], share: float) -> float:
    """Smallest value at which the cumulative probability reaches ``share``."""
    total = 0.0
    for value, probability in weighted:
        total += probability
        if total >= share - 1e-12:
            return value
    return weighted[-1][0]
