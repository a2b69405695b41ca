"""Statistics of a few paired rounds: the median and its interval, without chance and whatever the distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from statistics import median

ROUNDS_FOR_AN_INTERVAL = 5
MOST_RESEMBLANCE = 0.9


@dataclass(frozen=True)
class Interval:
    """A median with the interval that holds the true one in ``confidence`` of all samples; None where too few."""

    median: float
    low: float | None
    high: float | None
    confidence: float | None

    @property
    def inverse(self) -> Interval:
        """That of 1 / the value, as of a speedup where this is of a ratio; the median is not 0."""
        low, high = (1 / end if end else None for end in (self.high, self.low))
        return Interval(1 / self.median, low, high, self.confidence)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Median of ``values`` and, from five values on, the interval that holds the true one.

    Whatever the distribution, its median lies between the k-th smallest and the k-th largest of n values unless fewer
    than k of n coins show heads, or tails (W. R. Thompson, "On confidence ranges for the median", Annals of
    Mathematical Statistics 7, 1936); between two k it is interpolated (T. P. Hettmansperger and S. J. Sheather,
    "Confidence intervals based on interpolated order statistics", Statistics & Probability Letters 4, 1986). A
    percentile bootstrap of so few values says more than it holds: of seven, 95 % where it is 87. Where even the whole
    range holds less than ``confidence``, as for five values, the interval is that range, and says what it holds.

    Raises ``ValueError`` for no values, and for a ``confidence`` below 0.5.
    """
    if not values or not 0.5 <= confidence < 1:
        raise ValueError(f"no values, or a confidence of {confidence}, which is not from 0.5 to 1")
    ordered, middle, n = sorted(values), median(values), len(values)
    if n < ROUNDS_FOR_AN_INTERVAL:
        return Interval(middle, None, None, None)
    k = sum(_holds(k, n) >= confidence for k in range(1, n // 2 + 1))
    if k == 0:
        return Interval(middle, ordered[0], ordered[-1], _holds(1, n))
    surplus = (_holds(k, n) - confidence) / (_holds(k, n) - _holds(k + 1, n))
    inwards = (n - k) * surplus / (k + (n - 2 * k) * surplus)
    low = ordered[k - 1] + inwards * (ordered[k] - ordered[k - 1])
    high = ordered[-k] + inwards * (ordered[-k - 1] - ordered[-k])
    return Interval(middle, min(low, middle), max(high, middle), confidence)


def median_ratio_interval(values: Sequence[float], others: Sequence[float], confidence: float = 0.95) -> Interval:
    """Median of ``values`` / median of ``others``, all above 0, and, from five of each on, its interval.

    The two were measured independently: the logarithmic distances of their intervals' ends add as the sides of a right
    angle do (G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", Statistics in
    Medicine 27, 2008). Raises ``ValueError`` for no values, and where one is not above 0.
    """
    _require_positive(values, others)
    return _ratio(median_interval(values, confidence), median_interval(others, confidence))


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
    _require_positive(values, others)
    return _ratio(rounds_interval(values, confidence), rounds_interval(others, confidence))


def chosen_interval(values: Sequence[float], among: int, confidence: float = 0.95) -> Interval:
    """As ``rounds_interval``, for what was chosen as the best of so many that were measured alike.

    The best of several looks better than it is. Where each interval misses with a chance of (1 - ``confidence``) /
    ``among``, one of them all misses with 1 - ``confidence`` at most, and so does that of the best, however they hang
    together (C. E. Bonferroni, 1936; O. J. Dunn, "Multiple comparisons among means", Journal of the American
    Statistical Association 56, 1961). Where rounds are fewer than ``rounds_to_choose``, not even their whole range
    holds that much; it is widened as far as the intervals of a normal distribution's mean are ("Student", "The
    probable error of a mean", Biometrika 6, 1908).
    """
    if among < 2 or len(values) < ROUNDS_FOR_AN_INTERVAL:
        return rounds_interval(values, confidence)
    each = 1 - (1 - confidence) / among
    found, freedom = rounds_interval(values, each), len(values) - 1
    if found.confidence is not None and found.confidence < each:
        found = _widened(found, students_t(each, freedom) / students_t(found.confidence, freedom))
    return replace(found, confidence=confidence)


def rounds_to_choose(among: int, confidence: float = 0.95) -> int:
    """How many rounds it takes until ``chosen_interval`` holds whatever the distribution."""
    return next(n for n in range(ROUNDS_FOR_AN_INTERVAL, 1000) if _holds(1, n) >= 1 - (1 - confidence) / among)


@lru_cache(maxsize=512)
def students_t(confidence: float, freedom: int) -> float:
    """How many standard errors Student's t of so much ``freedom`` keeps within in ``confidence`` of all samples."""
    low, high = 0.0, 1e6
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return high


def _holds(k: int, n: int) -> float:
    """How probable it is that a median lies between the k-th smallest and the k-th largest of n values."""
    outside = sum(math.comb(n, heads) for heads in range(k))
    return 1 - outside / (1 << n - 1)


def _require_positive(values: Sequence[float], others: Sequence[float]) -> None:
    if not values or not others or min(*values, *others) <= 0:
        raise ValueError("no values, or some that are not above 0")


def _ratio(over: Interval, under: Interval) -> Interval:
    ratio = over.median / under.median
    if over.confidence is None or under.confidence is None:
        return Interval(ratio, None, None, None)
    up = math.hypot(_distance(over.median, over.high), _distance(under.median, under.low))
    down = math.hypot(_distance(over.median, over.low), _distance(under.median, under.high))
    confidence = min(over.confidence, under.confidence)
    return Interval(ratio, ratio * math.exp(-down), ratio * _exponential(up), confidence)


def _distance(middle: float, end: float | None) -> float:
    """How far ``end`` is from ``middle``, as a logarithm; infinitely far where it is 0."""
    return abs(math.log(end) - math.log(middle)) if end else math.inf


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
        low, high = (found.median * _exponential(by * math.log(end / found.median)) for end in (found.low, found.high))
    else:
        low, high = (found.median + (end - found.median) * by for end in (found.low, found.high))
    return Interval(found.median, low, high, found.confidence)


def _within(t: float, freedom: int) -> float:
    """How probable it is that Student's t lies within -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    odd, cosine, term, total = freedom % 2, math.cos(angle), 1.0, 0.0
    for power in range(odd, freedom - 1, 2):
        total += term * cosine**power
        term *= (power + 1) / (power + 2)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total


def _exponential(power: float) -> float:
    """The exponential of ``power``, the largest number of its kind where it would be larger."""
    return math.exp(min(power, 700.0))
