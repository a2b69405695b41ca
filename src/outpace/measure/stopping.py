"""How many rounds are enough: as many as bring the ends of the interval near the ratio, or as can be afforded.

What is looked at after each round is how wide the interval is, never on which side of a threshold it lies: stopping
when the answer is welcome would make it welcome too often (Y. S. Chow and H. Robbins, "On the asymptotic theory of
fixed-width sequential confidence intervals for the mean", Annals of Mathematical Statistics 36, 1965).
"""

from __future__ import annotations

from collections.abc import Sequence

from outpace.judge.stats import Interval, rounds_interval

WITHIN = 0.05
"""How far from the ratio the ends of its interval may lie, as a share of it, unless said otherwise."""
LEAST_ROUNDS = 10
"""Fewer are narrow too often by chance: stopped from five on, sessions claim a change where there is none half again as
often as they say."""
MOST_ROUNDS = 40


def width(ratio: Interval) -> float:
    """How far the further end of an interval is from the median, as a share of it."""
    assert ratio.low is not None
    assert ratio.high is not None
    return max(ratio.high - ratio.median, ratio.median - ratio.low) / ratio.median


def why_enough(ratios: Sequence[float], within: float) -> str | None:
    """Why no round is to follow those that gave ``ratios``, in a sentence; None where one is.

    Either the interval lies ``within`` that share of their median, or it will not with any number that is made.
    """
    rounds = len(ratios)
    if rounds < LEAST_ROUNDS:
        return None
    reach = width(rounds_interval(ratios))
    if reach <= within:
        return f"{rounds} rounds were enough: the interval lies within {reach:.1%} of the ratio."
    # It narrows with the root of the rounds.
    needed = rounds * (reach / within) ** 2
    if rounds >= MOST_ROUNDS or needed > 2 * MOST_ROUNDS:
        return (
            f"Stopped after {rounds} rounds: the interval lies within {reach:.1%} of the ratio, and about {needed:.0f} "
            f"rounds would bring it within {within:.1%}. Quieter machines or longer answers would do so sooner; "
            f"--rounds=auto:{reach:.0%} asks for less."
        )
    return None
