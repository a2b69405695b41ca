"""Statistics of a few paired rounds: median and its bootstrap interval, without chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

ROUNDS_FOR_AN_INTERVAL = 5
MOST_RESEMBLANCE = 0.9


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


def rounds_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """As ``median_interval``, for values in the order in which they were measured, some seconds after one another.

    Machines drift, so a round resembles the one before it, and n rounds tell as much as fewer that are independent:
    n (1 - r) / (1 + r) of them, where r is how far each resembles the one before (G. V. Bayley and J. M. Hammersley,
    "The effective number of independent observations in an autocorrelated time series", 1946). The interval is wider
    by the root of that.
    """
    return _widened(median_interval(values, confidence), _widening(values))


def rounds_ratio_interval(values: Sequence[float], others: Sequence[float], confidence: float = 0.95) -> Interval:
    """As ``median_ratio_interval``, for values that were measured one after another; see ``rounds_interval``."""
    return _widened(median_ratio_interval(values, others, confidence), max(_widening(values), _widening(others)))


def _widening(values: Sequence[float]) -> float:
    middle = median(values)
    away = [value - middle for value in values]
    whole = sum(each * each for each in away)
    if not whole:
        return 1.0
    resemblance = sum(each * later for each, later in pairwise(away)) / whole
    # Of independent rounds it is -1/n on average (F. H. C. Marriott and J. A. Pope, "Bias in the estimation of
    # autocorrelations", 1954); what is above that counts, and no more than makes sense of a few rounds.
    resemblance = min(max(resemblance + 1 / len(values), 0.0), MOST_RESEMBLANCE)
    return math.sqrt((1 + resemblance) / (1 - resemblance))


def _widened(found: Interval, by: float) -> Interval:
    """``found`` with both ends so many times as far away, in proportion where all is above 0."""
    if found.low is None or found.high is None:
        return found
    if found.low > 0:
        low, high = (found.median * _power(end / found.median, by) for end in (found.low, found.high))
    else:
        low, high = (found.median + (end - found.median) * by for end in (found.low, found.high))
    return Interval(found.median, low, high, found.confidence)


def _power(base: float, by: float) -> float:
    """``base`` to the power of ``by``, the largest number where it would be larger."""
    return math.exp(min(math.log(base) * by, 700.0)) if base > 0 else 0.0


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
