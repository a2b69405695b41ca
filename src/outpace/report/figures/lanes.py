"""Where requests stand on a timeline: a lane a host, with lanes below it where requests overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from outpace.report.shape import Bar, View
from outpace.report.views import TOUCHING_MS

MOST_BARS = 300
MOST_LANES = 72
MOST_HOSTS = 64
"""More than that is not drawn one by one: no eye could follow it, and no page should have to carry it."""


@dataclass(frozen=True)
class Lane:
    """One host's requests; ``rows`` holds the lanes within it, each of requests that do not overlap."""

    host: str
    rows: tuple[tuple[Bar, ...], ...]


def lanes_of(view: View) -> tuple[Lane, ...]:
    """A lane for each host of the run, in its order."""
    by_host: dict[str, list[Bar]] = {host: [] for host in view.hosts}
    for bar in view.bars:
        by_host[bar.host].append(bar)
    return tuple(Lane(host, _rows(bars)) for host, bars in by_host.items())


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


def too_many(view: View, lanes: Sequence[Lane]) -> bool:
    """Whether the requests of a run have to be drawn together instead of one by one."""
    return len(view.bars) > MOST_BARS or sum(len(lane.rows) for lane in lanes) > MOST_LANES


def in_flight(bars: Iterable[Bar], end_ms: float, steps: int) -> list[float]:
    """How many of ``bars`` were in flight, on average within each of so many equal steps up to ``end_ms``."""
    if end_ms <= 0:
        return [0.0] * steps
    within, after = [0.0] * (steps + 1), [0.0] * (steps + 1)
    for bar in bars:
        for time_ms, sign in ((bar.start_ms, 1.0), (bar.start_ms + bar.wall_ms, -1.0)):
            place = min(max(time_ms / end_ms * steps, 0.0), float(steps))
            step = int(place)
            # What comes counts for the rest of its step, and for all later ones; what goes, the other way round.
            within[step] += sign * (1 - (place - step))
            after[min(step + 1, steps)] += sign
    averages, flying = [], 0.0
    for step in range(steps):
        flying += after[step]
        averages.append(max(0.0, flying + within[step]))
    return averages
