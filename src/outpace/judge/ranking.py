"""Which strategy of a session is the best, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from outpace.ground.records import BASELINE
from outpace.judge.comparison import Comparison
from outpace.judge.stats import Interval, chosen_interval, rounds_ratio_interval


@dataclass(frozen=True)
class Best:
    """The strategy with the highest set gain, against the one that comes next.

    Where not all of them have one, the least overhead ratio decides. ``advantage`` is how many times as fast the winner
    is as the runner-up, by the medians of that. ``tied`` names the strategies that the winner cannot be told from, the
    nearest first.
    """

    winner: str
    runner_up: str
    advantage: Interval
    tied: tuple[str, ...]


def ranked(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Those of ``comparisons`` that have finished, the best first; behind them those whose figures cannot be."""
    finished = [each for each in comparisons if each.ratio is not None]
    by_gain = _go_by_gain(finished)
    return sorted(finished, key=lambda each: (bool(each.impossible), median(_times(each, by_gain=by_gain))))


def foremost(comparisons: Iterable[Comparison]) -> Comparison | None:
    """The best strategy over all hosts, with the interval of one that was chosen among all of them.

    That is the interval of its set gain, or, where it has none, of its overhead ratio. None where none has finished.
    """
    told = [each for each in ranked(comparisons) if each.strategy != BASELINE]
    among = sum(not each.impossible for each in told)
    if not told or among < 2:
        return told[0] if told else None
    first = told[0]
    if first.gain is None:
        return replace(first, ratio=chosen_interval(first.ratios, among), among=among)
    return replace(first, gain=chosen_interval(first.gains, among), among=among)


def best(comparisons: Iterable[Comparison]) -> Best | None:
    """Find the best of strategies that were measured in one session, of those whose figures can be.

    None where fewer than two of them finished.
    """
    finished = ranked(each for each in comparisons if not each.impossible)
    if len(finished) < 2:
        return None
    by_gain = _go_by_gain(finished)
    mine, *theirs = (_times(each, by_gain=by_gain) for each in finished)
    advantages = [rounds_ratio_interval(times, mine) for times in theirs]
    tied = [
        other.strategy
        for other, times, advantage in zip(finished[1:], theirs, advantages, strict=True)
        if _tied(mine, times, advantage)
    ]
    return Best(finished[0].strategy, finished[1].strategy, advantages[0], tuple(tied))


def _go_by_gain(finished: Iterable[Comparison]) -> bool:
    """Whether all of them have a set gain that can be counted with."""
    return all(each.gains and min(each.gains) > 0 for each in finished)


def _times(comparison: Comparison, *, by_gain: bool) -> tuple[float, ...]:
    """By round, the time that the strategy took against that of the best alone, or of the baseline."""
    return tuple(1 / gain for gain in comparison.gains) if by_gain else comparison.ratios


def _tied(mine: Sequence[float], theirs: Sequence[float], advantage: Interval) -> bool:
    """Whether the interval of their ratios leaves open which is faster; with few rounds, whether their ranges meet."""
    if advantage.low is None:
        return min(theirs) <= max(mine)
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
