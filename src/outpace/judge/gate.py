"""The gate: from a comparison and what is asked of it to a verdict. It never passes by default.

It is about the overhead ratio, and, where that is asked for, about the set gain too: then both must pass. Where rounds
hold what cannot be, their figures are not the hosts', and on neither side of a limit do they settle anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from outpace.ground.records import BASELINE
from outpace.judge.comparison import Comparison
from outpace.judge.stats import Interval

DEFAULT_THRESHOLD = 2.0
NOT_ENFORCED = frozenset({"all-parallel"})
"""Measured and shown, but by default no reason to fail: the published experiment expected it to break the gate."""


Word = Literal["pass", "fail", "inconclusive"]
WORST_FIRST: tuple[Word, ...] = ("fail", "inconclusive", "pass")


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one strategy, and why, in a sentence for each of its limits.

    ``least_gain`` is None where nothing was asked of the set gain.
    """

    threshold: float
    verdict: Word
    reason: str
    least_gain: float | None = None


def judge(
    comparison: Comparison,
    threshold: float = DEFAULT_THRESHOLD,
    problem: str | None = None,
    least_gain: float | None = None,
) -> Verdict:
    """Hold the overhead ratio against ``threshold``, and the set gain against ``least_gain`` where one is asked for.

    It passes where the whole interval lies on the right side, below the threshold or above the least gain, fails where
    none of it does, and is inconclusive where it straddles the limit. Below five rounds there is no interval, and every
    round has to agree instead. ``problem`` is why the strategy did not finish, if it did not: then it fails.
    """
    name = comparison.strategy
    if problem is not None:
        return Verdict(threshold, "fail", f"{name} did not finish: {problem}", least_gain)
    if comparison.ratio is None:
        return Verdict(threshold, "fail", f"{name} was not measured: no round of it finished.", least_gain)
    verdict, reason = _held(comparison, "overhead ratio", comparison.ratio, comparison.ratios, "threshold", threshold)
    if least_gain is not None:
        also, why = judge_gain(comparison, least_gain)
        verdict, reason = min(verdict, also, key=WORST_FIRST.index), f"{reason} {why}"
    return Verdict(threshold, verdict, reason, least_gain)


def judge_gain(comparison: Comparison, least: float) -> tuple[Word, str]:
    """What a gate on the set gain alone says of ``comparison``, and why; the baseline is no set, and passes."""
    name = comparison.strategy
    if name == BASELINE:
        return "pass", f"{name} is one host, of which no set gain is asked."
    if comparison.gain is None:
        return "fail", f"{name}: the set gain was not measured."
    return _held(comparison, "set gain", comparison.gain, comparison.gains, "least gain", least)


def _held(
    comparison: Comparison, what: str, found: Interval, values: Sequence[float], limit: str, at: float
) -> tuple[Word, str]:
    """An overhead ratio held against what it must be below, or a set gain against what it must be above."""
    low = found.low if found.low is not None else min(values)
    high = found.high if found.high is not None else max(values)
    said = f"{comparison.strategy}: {what} {found.median:.3f}, {_spread(found, len(values), low, high)}, {limit} {at:g}"
    below = what == "overhead ratio"
    right = "below" if below else "above"
    if comparison.impossible:
        broken = "; ".join(f"{name}: {seen}" for name, seen in comparison.impossible.items())
        return "inconclusive", f"{said}: that settles nothing, for it cannot be the hosts' work. Not held: {broken}."
    if high < at if below else low > at:
        return "pass", f"{said}: {right} it."
    if low >= at if below else high <= at:
        return "fail", f"{said}: not {right} it."
    more = _rounds_to_settle(what, found.median, len(values), low, high, at)
    return "inconclusive", f"{said}: the {limit} lies within; {more}."


def _spread(found: Interval, rounds: int, low: float, high: float) -> str:
    over = f"{rounds} round" + ("s" if rounds != 1 else "")
    if found.confidence is not None:
        return f"{found.confidence:.0%} interval {low:.3f} to {high:.3f} over {over}"
    return f"from {low:.3f} to {high:.3f} over {over} (too few for an interval)"


def _rounds_to_settle(what: str, middle: float, rounds: int, low: float, high: float, at: float) -> str:
    """An interval narrows with the square root of the rounds: how many more would bring it clear of the limit."""
    distance, reach = abs(middle - at), high - middle if middle < at else middle - low
    if distance <= reach / 10:
        return f"the {what.rpartition(' ')[2]} is so close to it that more rounds would hardly settle it"
    more = max(1, math.ceil(rounds * (reach / distance) ** 2) - rounds, 5 - rounds)
    return f"about {more} more rounds might settle it (--rounds={rounds + more})"
