"""Runs as they can be drawn: which round stands for a strategy, and a lane a host with its requests.

Where requests of a host overlap its lane has rows, each of requests that do not: so many were in flight at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import Any

from outpace.report.failures import kind_of
from outpace.report.latency import split, trip_alone, trips
from outpace.report.words import Foreign

TOUCHING_MS = 0.01
"""Two requests that overlap by less, as rounded figures may, follow one another."""
ONE_AT_A_TIME = ("sequential", "serial-per-side")
"""By their definition no request of these overlaps another on its host."""


@dataclass(frozen=True)
class Bar:
    """One request, or one attempt that failed, in a run; ``parts`` follow one another from ``start_ms``."""

    prompt: int
    host: Foreign
    start_ms: float
    wall_ms: float
    parts: tuple[tuple[str, float], ...]
    attempts: int = 1
    failed: str | None = None
    """The kind of the failure, "spent" for a copy that lost; None for an answer."""


@dataclass(frozen=True)
class Lane:
    """One host's requests in rows of which no two requests overlap; an empty row where it had none."""

    host: Foreign
    rows: tuple[tuple[Bar, ...], ...]

    @cached_property
    def bars(self) -> list[Bar]:
        """All its requests."""
        return [bar for row in self.rows for bar in row]


@dataclass(frozen=True)
class Drawn:
    """One run as it can be drawn; ``assumed`` where starts are not told and requests stand one after another."""

    lanes: tuple[Lane, ...]
    makespan_ms: float | None
    not_drawn: int = 0
    assumed: bool = False

    @cached_property
    def bars(self) -> list[Bar]:
        """All its requests."""
        return [bar for lane in self.lanes for bar in lane.bars]

    @cached_property
    def end_ms(self) -> float:
        """When all was over."""
        return max([self.makespan_ms or 0.0, *(bar.start_ms + bar.wall_ms for bar in self.bars)])


@dataclass(frozen=True)
class Timeline:
    """The round of a strategy that is nearest to its median; ``round`` counts from 1.

    ``alone`` is the run of the best alone, None where the baseline is it, or it was not measured.
    """

    strategy: Foreign
    round: int
    rounds: int
    run: Drawn
    baseline: Drawn
    alone: Drawn | None = None


def timeline_of(document: Mapping[str, Any]) -> Timeline | None:
    """The round whose set gain, or ratio, is nearest to the median; None where no round tells enough to be drawn."""
    rounds, summary = document["rounds"], document["summary"]
    what = "set_gain" if summary["set_gain"] else "overhead_ratio"
    middle = summary[what]["median"]

    def strangeness(index: int) -> tuple[bool, float, int]:
        found = rounds[index][what]
        far = 0.0 if found is None or middle is None else abs(found - middle)
        return (found is None, far, index)

    trips_ms = trips(document)
    for index in sorted(range(len(rounds)), key=strangeness):
        run = _drawn(rounds[index]["run"], lambda each: trips_ms.get(each["host"]))
        if run.bars:
            baseline = _drawn(rounds[index]["baseline"], lambda each: trip_alone(each, trips_ms))
            found = rounds[index]["alone"]
            alone = _drawn(found, lambda each: trips_ms.get(each["host"])) if found else None
            return Timeline(Foreign(document["strategy"]), index + 1, len(rounds), run, baseline, alone)
    return None


def _drawn(run: Mapping[str, Any], trip_of: Callable[[Mapping[str, Any]], float | None]) -> Drawn:
    attempts = [each for each in run.get("failed_attempts") or () if None not in (each["start_ms"], each["wall_ms"])]
    tried = {each["prompt"] for each in attempts}
    # The record of a prompt that no host answered repeats its last attempt.
    requests = [
        each
        for each in run["requests"]
        if None not in (each["host"], each["wall_ms"]) and (each["error"] is None or each["prompt"] not in tried)
    ]
    assumed = run["strategy"] in ONE_AT_A_TIME and all(each["start_ms"] is None for each in requests)
    free: dict[str, float] = {}
    bars = []
    for each in requests:
        start = free.get(each["host"], 0.0) if assumed else each["start_ms"]
        if start is None:
            continue
        free[each["host"]] = start + each["wall_ms"]
        failed = None if each["error"] is None else kind_of(each)
        parts = () if failed else tuple(split(each, trip_of(each)).items())
        host, attempted = Foreign(each["host"]), each["attempts"] or 1
        bars.append(Bar(each["prompt"], host, start, each["wall_ms"], parts, attempted, failed))
    for each in attempts:
        bars.append(Bar(each["prompt"], Foreign(each["host"]), each["start_ms"], each["wall_ms"], (), 1, kind_of(each)))
    drawn = sum(bar.failed is None for bar in bars)
    answered = sum(each["error"] is None for each in run["requests"])
    lanes = lanes_of(map(Foreign, run["hosts"]), bars)
    return Drawn(lanes, run["makespan_ms"], max(0, answered - drawn), assumed and bool(bars))


def lanes_of(hosts: Iterable[Foreign], bars: Iterable[Bar]) -> tuple[Lane, ...]:
    """A lane for each of ``hosts`` in their order, and for each host beyond them that ``bars`` tell of."""
    by_host: dict[Foreign, list[Bar]] = {host: [] for host in hosts}
    for bar in bars:
        by_host.setdefault(bar.host, []).append(bar)
    return tuple(Lane(host, _rows(each)) for host, each in by_host.items())


def _rows(bars: Iterable[Bar]) -> tuple[tuple[Bar, ...], ...]:
    """Bars put into as few rows as they need: each into the row that has been free for the longest."""
    rows: list[list[Bar]] = []
    free: list[tuple[float, int]] = []
    for bar in sorted(bars, key=lambda bar: (bar.start_ms, bar.prompt)):
        if free and free[0][0] <= bar.start_ms + TOUCHING_MS:
            _, row = heappop(free)
        else:
            row = len(rows)
            rows.append([])
        rows[row].append(bar)
        heappush(free, (bar.start_ms + bar.wall_ms, row))
    return tuple(map(tuple, rows)) or ((),)
