"""The gate: from a comparison and a threshold to a verdict. It never passes by default."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from outpace.judge.comparison import Comparison

DEFAULT_THRESHOLD = 2.0
NOT_ENFORCED = frozenset({"all-parallel"})
"""Measured and shown, but by default no reason to fail: the published experiment expected it to break the gate."""


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one strategy, and why, in one sentence."""

    threshold: float
    verdict: Literal["pass", "fail", "inconclusive"]
    reason: str


def judge(comparison: Comparison, threshold: float = DEFAULT_THRESHOLD, problem: str | None = None) -> Verdict:
    """Hold the overhead ratio against ``threshold``.

    It passes where the whole interval lies below, fails where it lies at or above, and is inconclusive where it
    straddles the threshold. Below five rounds there is no interval, and every round has to agree instead. ``problem``
    is why the strategy did not finish, if it did not: then it fails.
    """
    name, ratio = comparison.strategy, comparison.ratio
    if problem is not None:
        return Verdict(threshold, "fail", f"{name} did not finish: {problem}")
    if ratio is None:
        return Verdict(threshold, "fail", f"{name} was not measured: no round of it finished.")
    low = ratio.low if ratio.low is not None else min(comparison.ratios)
    high = ratio.high if ratio.high is not None else max(comparison.ratios)
    said = f"{name}: overhead ratio {ratio.median:.3f}, {_spread(comparison, low, high)}, threshold {threshold:g}"
    if high < threshold:
        return Verdict(threshold, "pass", f"{said}: below it.")
    if low >= threshold:
        return Verdict(threshold, "fail", f"{said}: not below it.")
    more = _rounds_to_settle(comparison, low, high, threshold)
    return Verdict(threshold, "inconclusive", f"{said}: the threshold lies within; {more}.")


def _spread(comparison: Comparison, low: float, high: float) -> str:
    rounds = f"{len(comparison.ratios)} round" + ("s" if len(comparison.ratios) != 1 else "")
    if comparison.ratio is not None and comparison.ratio.confidence is not None:
        return f"{comparison.ratio.confidence:.0%} interval {low:.3f} to {high:.3f} over {rounds}"
    return f"from {low:.3f} to {high:.3f} over {rounds} (too few for an interval)"


def _rounds_to_settle(comparison: Comparison, low: float, high: float, threshold: float) -> str:
    """An interval narrows with the square root of the rounds: how many more would bring it clear of the threshold."""
    assert comparison.ratio is not None
    distance = abs(comparison.ratio.median - threshold)
    reach = high - comparison.ratio.median if comparison.ratio.median < threshold else comparison.ratio.median - low
    rounds = len(comparison.ratios)
    if distance < reach / 10:
        return "the ratio is so close to it that more rounds would hardly settle it"
    more = max(1, math.ceil(rounds * (reach / distance) ** 2) - rounds, 5 - rounds)
    return f"about {more} more rounds might settle it (--rounds={rounds + more})"
