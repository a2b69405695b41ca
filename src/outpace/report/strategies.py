"""A row a strategy: its ratio and verdict, as its report tells them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from outpace.judge.comparison import Comparison
from outpace.judge.stats import Interval
from outpace.report.blocks import NUMBER, TEXT, Table
from outpace.report.words import NOT_TOLD, Foreign, Words, ratio, times

BASELINE = "sequential"


@dataclass(frozen=True)
class Row:
    """One strategy. ``seen`` are the least and the highest ratio of its rounds; ``bound`` the ratio of the best split.

    ``ranked`` is False for a report of another session than the newest, and where no round has a ratio.
    """

    strategy: Foreign
    rounds: int
    ratios: tuple[float | None, ...]
    ratio: Interval | None
    seen: tuple[float, float] | None
    speedup: float | None
    per_token: float | None
    efficiency: float | None
    bound: float | None
    threshold: float
    verdict: str
    reason: Foreign
    notes: tuple[Foreign, ...]
    hosts: int
    ranked: bool
    baseline_host: Foreign

    @property
    def median(self) -> float | None:
        """The median ratio; None where no round has one."""
        return self.ratio.median if self.ratio else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of the ratio, where its rounds are enough for one."""
        if self.ratio is None or self.ratio.low is None or self.ratio.high is None:
            return None
        return self.ratio.low, self.ratio.high

    @property
    def span(self) -> tuple[float, float]:
        """The interval, or what the rounds ranged over."""
        return self.interval or self.seen or (math.nan, math.nan)

    @property
    def comparison(self) -> Comparison:
        """As much of the comparison as ranking looks at."""
        ratios = tuple(each for each in self.ratios if each is not None) or (self.median or 0.0,)
        figures = (self.ratio, ratios, self.speedup, self.efficiency, self.per_token)
        return Comparison(self.strategy, self.rounds, *figures, {}, self.notes)


def row_of(document: Mapping[str, Any], *, now: bool) -> Row:
    """The row of one report; ``now`` says whether it is of the newest session."""
    summary, rounds, gate = document["summary"], document["rounds"], document["gate"]
    told = summary["overhead_ratio"]
    ratios = tuple(each["overhead_ratio"] for each in rounds)
    seen = [each for each in ratios if each is not None] or ([told["median"]] if told["median"] is not None else [])
    bounds = [
        bound / alone
        for each in rounds
        if (bound := each["run"]["lower_bound_ms"]) and (alone := each["baseline"]["makespan_ms"])
    ]
    return Row(
        Foreign(document["strategy"]),
        summary["rounds"],
        ratios,
        None if told["median"] is None else Interval(*(told[key] for key in ("median", "low", "high", "confidence"))),
        (min(seen), max(seen)) if seen else None,
        summary["speedup"],
        summary.get("overhead_ratio_per_token"),
        summary["dispatch_efficiency"],
        median(bounds) if bounds else None,
        gate["threshold"],
        gate["verdict"],
        Foreign(gate["reason"]),
        tuple(map(Foreign, summary.get("notes", ()))),
        # A router stands among its hosts under the name of its strategy, and answers nothing itself.
        len([each for each in document["hosts"] if each["name"] != document["strategy"]]),
        # No number can be had from a ratio of 0, which a document may claim.
        bool(now and told["median"] and min(seen) > 0),
        Foreign(next((name for each in rounds for name in each["baseline"]["hosts"]), document["hosts"][0]["name"])),
    )


def table(rows: Sequence[Row]) -> Table:
    """A row a strategy."""
    numbers = dict.fromkeys(("speedup", "efficiency", "best split", "rounds"), NUMBER)
    return Table(
        "Strategies, the fastest first",
        {"strategy": TEXT, "ratio": NUMBER, "interval": TEXT, **numbers, "gate": TEXT},
        [
            (
                row.strategy,
                ratio(row.median),
                _interval(row),
                times(row.speedup),
                NOT_TOLD if row.efficiency is None else f"{row.efficiency:.2f}",
                times(1 / row.bound if row.bound else None),
                f"{row.rounds:,}",
                row.verdict + ("" if row.ranked else ", not compared"),
            )
            for row in rows
        ],
    )


def _interval(row: Row) -> str:
    if row.interval:
        return f"{row.interval[0]:.3f} to {row.interval[1]:.3f}"
    if row.seen is None or row.rounds < 2:
        return "none: one round" if row.rounds == 1 else "none"
    return f"none; rounds {row.seen[0]:.3f} to {row.seen[1]:.3f}"


def verdicts(rows: Sequence[Row]) -> list[tuple[str, Words]]:
    """For each strategy what the gate says, and what bears on its ratio."""
    told: list[tuple[str, Words]] = []
    for row in rows:
        told.append((row.verdict, (row.reason,)))
        if row.per_token is not None:
            told.append(("note", (row.strategy, f": ratio a token {ratio(row.per_token)}.")))
        told += [("note", (row.strategy, ": ", note)) for note in row.notes]
    return told
