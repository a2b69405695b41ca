"""Which strategy of a session is the best, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from outpace.judge.comparison import Comparison
from outpace.judge.stats import Interval, rounds_ratio_interval


@dataclass(frozen=True)
class Best:
    """The strategy with the least overhead ratio, against the one that comes next.

    ``advantage`` is the runner-up's median ratio / the winner's: how many times as fast the winner is. ``tied`` names
    the strategies that the winner cannot be told from, the nearest first.
    """

    winner: str
    runner_up: str
    advantage: Interval
    tied: tuple[str, ...]


def best(comparisons: Iterable[Comparison]) -> Best | None:
    """Find the best of strategies that were measured in one session; None where fewer than two of them finished."""
    finished = [each for each in comparisons if each.ratio is not None]
    ranked = sorted(finished, key=lambda each: each.ratio.median if each.ratio else 0.0)
    if len(ranked) < 2:
        return None
    winner, *others = ranked
    advantages = [rounds_ratio_interval(other.ratios, winner.ratios) for other in others]
    tied = [
        other.strategy for other, advantage in zip(others, advantages, strict=True) if _tied(winner, other, advantage)
    ]
    return Best(winner.strategy, others[0].strategy, advantages[0], tuple(tied))


def _tied(winner: Comparison, other: Comparison, advantage: Interval) -> bool:
    """Whether the interval of their ratios leaves open which is faster; with few rounds, whether their ranges meet."""
    if advantage.low is None:
        return min(other.ratios) <= max(winner.ratios)
    return advantage.low <= 1.0


def in_words(found: Best) -> str:
    """The best in one sentence, a tie called a tie."""
    advantage = found.advantage
    if advantage.low is None or advantage.high is None:
        spread = "too few rounds for an interval"
    else:
        spread = f"{advantage.confidence:.0%} interval {advantage.low:.2f} to {advantage.high:.2f} times"
    if found.tied:
        others = ", ".join(found.tied[:-1]) + (" and " if found.tied[1:] else "") + found.tied[-1]
        return (
            f"A tie: {found.winner} cannot be told from {others}; it was {advantage.median:.2f} times as fast as "
            f"{found.runner_up} ({spread})."
        )
    return f"Best: {found.winner}, {advantage.median:.2f} times as fast as the next, {found.runner_up} ({spread})."
