"""Quantiles and means of latencies in the order of their requests, each with an interval, or how many it would take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import fmean, variance
from typing import Literal

BATCHES = 20
T_OF_BATCHES = 2.093
"""Student's t for 95 % and one degree of freedom less than there are batches."""
MOST_RESEMBLANCE = 0.98
BUNCHED_FROM = 0.8
"""The largest values are those above this quantile."""
MOST_BUNCHED = 0.9
"""So far one being among the largest goes with the next being so at most, as in a queue that is not overloaded."""
TAIL_DEVIATIONS = 12


@dataclass(frozen=True)
class Estimate:
    """A figure with the interval that holds the true one in 95 % of samples.

    All are None where there were too few requests for it; ``requests_needed`` is how many it takes, as alike as these
    were, None where there were enough.
    """

    value: float | None
    low: float | None
    high: float | None
    requests_needed: int | None = None


def quantile(values: Sequence[float], q: float, confidence: float = 0.95) -> Estimate:
    """The ``q`` quantile of ``values``, which are in the order of their requests, with its interval.

    Whatever the distribution, the j-th smallest of n values lies below the quantile unless fewer than j of n coins
    that show heads with probability q do (H. A. David and H. N. Nagaraja, "Order Statistics", 2003, section 7.1).
    Requests that wait behind one another resemble each other, and n of them tell as much as n (1 - r) / (1 + r) that
    do not, where r is how far one being beyond the quantile goes with the next being so (as ``rounds_interval``).
    Where not even the whole range holds ``confidence``, the quantile is not told: 50 requests say nothing of a p99.

    Raises ``ValueError`` for a ``q`` or a ``confidence`` that is not between 0 and 1.
    """
    _require_between(q, confidence)
    ordered, n = sorted(values), len(values)
    if not n:
        return Estimate(None, None, None, requests_needed(q, confidence))
    value = ordered[min(n - 1, math.floor(q * n))]
    shrunk = _independent_share([each > value for each in values])
    independent = math.floor(n * shrunk)
    ranks = _ranks(independent, q, confidence)
    if ranks is None:
        return Estimate(None, None, None, math.ceil(requests_needed(q, confidence) / shrunk))
    below, above = (rank / independent for rank in ranks)
    low = ordered[max(0, math.floor(below * n) - 1)]
    high = ordered[min(n - 1, math.ceil(above * n) - 1)]
    return Estimate(value, min(low, value), max(high, value))


def requests_needed(q: float, confidence: float = 0.95) -> int:
    """How many independent requests it takes before the ``q`` quantile has an interval: 368 for a p99."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(q, 1 - q)))


def share_beside(kept: Kept, q: float, confidence: float = 0.95) -> Literal["above", "below", "open"]:
    """Whether more than a share of ``q`` holds, as far as ``kept`` shows, or less, or it is open.

    It is the test that ``quantile`` turns into an interval, one side at a time: a few requests that all fail show that
    a promise is broken long before they could show that it is kept. Raises ``ValueError`` as ``quantile`` does.
    """
    _require_between(q, confidence)
    n, tail = math.floor(kept.independent), (1 - confidence) / 2
    if not n:
        return "open"
    yes = kept.share * n
    if 1 - _cumulative(math.floor(yes) - 1, n, q) <= tail:
        return "above"
    return "below" if _cumulative(math.ceil(yes), n, q) <= tail else "open"


@dataclass(frozen=True)
class Kept:
    """The ``share`` of so many ``requests`` that holds, and how many ``independent`` ones tell as much as these."""

    share: float
    requests: int
    independent: float

    @classmethod
    def of(cls, held: Sequence[bool], values: Sequence[float] = ()) -> Kept:
        """Of requests in their order, of which each ``held`` or not.

        Those that fail come in bunches, as the queue is long for many in a row; of how large bunches are, requests that
        all hold tell nothing. So as much is allowed for as the largest fifth of ``values``, where they are given, come
        in bunches.
        """
        if not held:
            return cls(0.0, 0, 0.0)
        told = _independent_share(held)
        if values:
            bound = sorted(values)[int(BUNCHED_FROM * len(values))]
            told = min(told, _independent_share([value > bound for value in values], MOST_BUNCHED))
        return cls(fmean(held), len(held), max(1.0, len(held) * told))

    @classmethod
    def together(cls, several: Sequence[Kept]) -> Kept:
        """Several of them as one."""
        requests = sum(each.requests for each in several)
        held = sum(each.share * each.requests for each in several)
        return cls(held / (requests or 1), requests, sum(each.independent for each in several))


def mean(values: Sequence[float]) -> Estimate:
    """The mean of ``values``, which are in the order of their requests, with its interval.

    It comes from the means of twenty batches, which resemble each other less than single requests do (B. Schmeiser,
    "Batch size effects in the analysis of simulation output", Operations Research 30, 1982); below two requests a
    batch there is none.
    """
    if not values:
        return Estimate(None, None, None, 1)
    middle, size = fmean(values), len(values) // BATCHES
    if size < 2:
        return Estimate(middle, None, None, 2 * BATCHES)
    skipped = len(values) - size * BATCHES
    batches = [fmean(values[start : start + size]) for start in range(skipped, len(values), size)]
    reach = T_OF_BATCHES * math.sqrt(variance(batches) / BATCHES)
    return Estimate(middle, middle - reach, middle + reach)


def _require_between(q: float, confidence: float) -> None:
    if not 0 < q < 1 or not 0 < confidence < 1:
        raise ValueError(f"a quantile of {q} with a confidence of {confidence}: both lie between 0 and 1")


def _independent_share(beyond: Sequence[bool], most: float = MOST_RESEMBLANCE) -> float:
    """How many independent requests one of these is worth, 1 at most."""
    n, share = len(beyond), fmean(beyond)
    spread = share * (1 - share) * n
    if n < 2 or not spread:
        return 1.0
    together = sum((one - share) * (next_one - share) for one, next_one in pairwise(beyond))
    resemblance = min(most, max(0.0, together / spread))
    return (1 - resemblance) / (1 + resemblance)


@lru_cache(maxsize=4096)
def _ranks(n: int, q: float, confidence: float) -> tuple[int, int] | None:
    """Ranks, from 1, of the values between which the ``q`` quantile of n lies; None where there are too few."""
    if n < requests_needed(q, confidence):
        return None
    tail = (1 - confidence) / 2
    low, high = _rank_above(tail, n, q) - 1, _rank_above(1 - tail, n, q)
    return (low, high) if low >= 1 and high <= n else None


def _rank_above(share: float, n: int, q: float) -> int:
    """How many heads, and one, it takes until at most so many of n are more probable than ``share``."""
    total, first, last = 0.0, *_window(n, q)
    for heads in range(first, last + 1):
        total += _probability(heads, n, q)
        if total > share:
            return heads + 1
    return n + 1


def _cumulative(most: int, n: int, q: float) -> float:
    """How probable at most so many heads in n tosses are."""
    first, last = _window(n, q)
    return min(1.0, sum(_probability(heads, n, q) for heads in range(first, min(most, last) + 1)))


def _window(n: int, q: float) -> tuple[int, int]:
    """So many heads and no others are probable enough to count."""
    away = TAIL_DEVIATIONS * math.sqrt(n * q * (1 - q)) + TAIL_DEVIATIONS
    return max(0, math.floor(n * q - away)), min(n, math.ceil(n * q + away))


def _probability(heads: int, n: int, q: float) -> float:
    """Of so many heads in n tosses."""
    ways = math.lgamma(n + 1) - math.lgamma(heads + 1) - math.lgamma(n - heads + 1)
    return math.exp(ways + heads * math.log(q) + (n - heads) * math.log1p(-q))
