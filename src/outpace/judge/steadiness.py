"""Whether a stream of requests came to a steady state: the warm-up that is to be cut off, and a queue that grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

BATCH = 5
GROWTH_DEVIATIONS = 2.5
QUICK_SHARE = 20
"""One answer in so many is a quick one: it waited behind next to none."""
FEWEST = 20


def warm_up(values: Sequence[float]) -> int | None:
    """How many of ``values``, in the order of their requests, to leave out as warm-up; None where it does not end.

    It is the rule MSER-5 (K. P. White, "An effective truncation heuristic for bias reduction in simulation output",
    Simulation 69, 1997): of means of five in a row, so many are left out at the beginning that the error of the mean
    of the rest is smallest. Where that is more than half of them, a steady state was not reached.
    """
    if len(values) < FEWEST:
        return 0
    batches = [fmean(values[start : start + BATCH]) for start in range(0, len(values) - BATCH + 1, BATCH)]
    count = len(batches)
    most = count - BATCH
    total, squares, best, least = 0.0, 0.0, 0, math.inf
    middle = fmean(batches)  # numbers near 0 keep their digits when squared
    sums: list[tuple[float, float]] = []
    for batch in reversed(batches):
        total += batch - middle
        squares += (batch - middle) ** 2
        sums.append((total, squares))
    for left_out in range(most):
        rest = count - left_out
        total, squares = sums[rest - 1]
        error = (squares - total * total / rest) / (rest * rest)
        if error < least * (1 - 1e-12):
            best, least = left_out, error
    return None if best > count / 2 else best * BATCH


def grows(due_ms: Sequence[float], done_ms: Sequence[float], deviations: float = GROWTH_DEVIATIONS) -> bool:
    """Whether requests pile up: each was due at ``due_ms`` and done at ``done_ms``, both in ms and in one order.

    When the last is due, those in work are open: the rate of arrivals times what a quick answer takes (J. D. C.
    Little, "A proof for the queuing formula L = lambda W", Operations Research 9, 1961). Chance moves that by the
    root of the number of arrivals; so many ``deviations`` more are *overload*.
    """
    count = len(due_ms)
    if count < FEWEST:
        return False
    last, span_ms = max(due_ms), max(due_ms) - min(due_ms)
    quick_ms = sorted(done - due for due, done in zip(due_ms, done_ms, strict=True))[count // QUICK_SHARE]
    in_work = count if quick_ms >= span_ms else count * quick_ms / span_ms
    waiting = sum(done > last for done in done_ms) - in_work
    return waiting > deviations * math.sqrt(count)


def grew_since_half(due_ms: Sequence[float], done_ms: Sequence[float]) -> bool:
    """Whether more requests were open when the last was due than half way, by more than chance moves that.

    It finds a queue that grows half as soon as ``grows``, and does not take hosts that are slow for one: among many
    hosts of all speeds, a quick answer is one of the fastest few.
    """
    last, first = max(due_ms), min(due_ms)
    half_way = (first + last) / 2
    pairs = list(zip(due_ms, done_ms, strict=True))
    more = sum(done > last for _, done in pairs) - sum(due <= half_way < done for due, done in pairs)
    return more > GROWTH_DEVIATIONS * math.sqrt(len(pairs) / 2)
