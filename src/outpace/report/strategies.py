"""A row a strategy: its set gain, its ratio and its verdict, as its report tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from outpace.ground.records import BestAlone
from outpace.judge.comparison import Comparison
from outpace.judge.impossible import IMPOSSIBLE
from outpace.judge.stats import Interval
from outpace.report.blocks import NUMBER, TEXT, Table
from outpace.report.words import NOT_TOLD, Foreign, Words, ratio, times


@dataclass(frozen=True)
class Row:
    """One strategy. ``ratios`` and ``gains`` are by round.

    ``bound`` is the ratio of the best split, ``split`` how many times as fast that is as the best alone.
    ``least_gain`` is None where nothing was asked of the set gain. ``ranked`` is False for a report of another session
    than the newest, and where no round has a ratio.
    """

    strategy: Foreign
    comparison: Comparison
    ratios: tuple[float | None, ...]
    gains: tuple[float | None, ...]
    bound: float | None
    split: float | None
    threshold: float
    least_gain: float | None
    verdict: str
    reason: Foreign
    hosts: int
    ranked: bool
    baseline_host: Foreign

    @property
    def ratio(self) -> Interval | None:
        """The overhead ratio; None where no round has one."""
        return self.comparison.ratio

    @property
    def gain(self) -> Interval | None:
        """The set gain; None where no round has one."""
        return self.comparison.gain

    @property
    def best_alone(self) -> BestAlone | None:
        """What the set gain is against; None where there is none."""
        return self.comparison.best_alone if self.gain else None

    @property
    def reference(self) -> Foreign:
        """The host that the answer is about: the best alone, or the baseline's where that was not measured."""
        return Foreign(self.best_alone.host) if self.best_alone else self.baseline_host


def span(found: Interval, values: Sequence[float]) -> tuple[float, float]:
    """An interval, or what the rounds ranged over where they are too few for one."""
    if found.low is not None and found.high is not None:
        return found.low, found.high
    return min(values), max(values)


def outpaces(comparison: Comparison) -> bool | None:
    """Whether the set is faster than the best alone; None where that cannot be told, or was not measured."""
    if comparison.gain is None or comparison.impossible:
        return None
    low, high = span(comparison.gain, comparison.gains)
    return True if low > 1 else False if high <= 1 else None


def row_of(document: Mapping[str, Any], *, now: bool) -> Row:
    """The row of one report; ``now`` says whether it is of the newest session."""
    summary, rounds, gate = document["summary"], document["rounds"], document["gate"]
    ratio, gain, alone = _interval(summary["overhead_ratio"]), _interval(summary["set_gain"]), summary["best_alone"]
    ratios = tuple(each["overhead_ratio"] for each in rounds)
    gains = tuple(each["set_gain"] for each in rounds)
    seen = tuple(each for each in ratios if each is not None) or ((ratio.median,) if ratio else ())
    bounds = [
        (bound_ms / baseline_ms, (each["alone"] or each["baseline"])["makespan_ms"] / bound_ms)
        for each in rounds
        if (bound_ms := each["run"]["lower_bound_ms"]) and (baseline_ms := each["baseline"]["makespan_ms"])
    ]
    return Row(
        Foreign(document["strategy"]),
        Comparison(
            document["strategy"],
            summary["rounds"],
            ratio,
            seen,
            summary["speedup"],
            summary["dispatch_efficiency"],
            summary.get("overhead_ratio_per_token"),
            {},
            tuple(map(Foreign, summary.get("notes", ()))),
            gain if alone else None,
            tuple(each for each in gains if each is not None),
            BestAlone(**alone) if alone else None,
            {
                Foreign(each["name"]): Foreign(each["said"])
                for each in document.get("fairness", ())
                if each["held"] is False and each["name"] in IMPOSSIBLE
            },
        ),
        ratios,
        gains,
        median(bound for bound, _ in bounds) if bounds else None,
        median(split for _, split in bounds) if bounds else None,
        gate["threshold"],
        gate["least_gain"],
        gate["verdict"],
        Foreign(gate["reason"]),
        # A router stands among its hosts under the name of its strategy, and answers nothing itself.
        len([each for each in document["hosts"] if each["name"] != document["strategy"]]),
        # No number can be had from a ratio of 0, which a document may claim.
        bool(now and ratio and ratio.median and min(seen) > 0),
        Foreign(next((name for each in rounds for name in each["baseline"]["hosts"]), document["hosts"][0]["name"])),
    )


def _interval(told: Mapping[str, Any] | None) -> Interval | None:
    if told is None or told["median"] is None:
        return None
    return Interval(*(told[key] for key in ("median", "low", "high", "confidence")))


def table(rows: Sequence[Row]) -> Table:
    """A row a strategy."""
    gained = {"set gain": NUMBER, "gain interval": TEXT} if any(row.gain for row in rows) else {}
    numbers = dict.fromkeys(("speedup", "efficiency", "best split", "rounds"), NUMBER)
    return Table(
        "Strategies, the fastest first",
        {"strategy": TEXT, **gained, "ratio": NUMBER, "interval": TEXT, **numbers, "gate": TEXT},
        [
            (
                row.strategy,
                *((times(row.gain.median if row.gain else None), spread(row.gain, row.gains)) if gained else ()),
                ratio(row.ratio.median if row.ratio else None),
                spread(row.ratio, row.ratios),
                times(row.comparison.speedup),
                NOT_TOLD if (efficiency := row.comparison.dispatch_efficiency) is None else f"{efficiency:.2f}",
                times(1 / row.bound if row.bound else None),
                f"{row.comparison.rounds:,}",
                row.verdict + ("" if row.ranked else ", not compared"),
            )
            for row in rows
        ],
    )


def spread(found: Interval | None, values: Sequence[float | None]) -> str:
    """An interval in digits, or where its rounds are too few for one, what they ranged over."""
    seen = [each for each in values if each is not None]
    if found is not None and found.low is not None and found.high is not None:
        return f"{found.low:.3f} to {found.high:.3f}"
    if len(values) == 1:
        return "none: one round"
    return f"none; rounds {min(seen):.3f} to {max(seen):.3f}" if seen else "none"


def verdicts(rows: Sequence[Row]) -> list[tuple[str, Words]]:
    """For each strategy what the gate says, and what bears on its ratio."""
    told: list[tuple[str, Words]] = []
    for row in rows:
        told.append((row.verdict, (row.reason,)))
        if row.comparison.ratio_per_token is not None:
            told.append(("note", (row.strategy, f": ratio a token {ratio(row.comparison.ratio_per_token)}.")))
        told += [("note", (row.strategy, ": ", note)) for note in row.comparison.notes]
    return told
