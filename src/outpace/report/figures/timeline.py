"""The timeline of one round: what each host did when, and above it the runs on one host, to the same scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, MUTED, PAPER, Chart, Picture, chart, left_out, picture
from outpace.report.figures.parts import look, marks
from outpace.report.latency import AT_ITS_BEST, ONE_BY_ONE, PARTS
from outpace.report.timeline import Bar, Drawn, Lane, Timeline
from outpace.report.words import counted, ms

ROW, TIGHT_ROW = 21.0, 11.0
CUT = 6.0
"""A baseline that takes more times as long as the run is cut off at the edge, and the caption says so."""
MOST_BARS = 300
MOST_ROWS = 72
MOST_HOSTS = 64
"""More than that is not drawn one by one: no eye could follow it, and no page should have to carry it."""
STEPS = 4000
"""Of all lanes of requests drawn together."""
ON_BARS = "#0d0d0d"
"""Ink that stays dark in the dark, on bars that stay bright; black itself matplotlib leaves out, as the default."""
NUMBERED = 48
"""So many bars may bear the number of their prompt."""
LOST = "failed attempt"
SPENT = "copy that lost"
_CROSS: dict[str, Any] = {"color": canvas.RED, "linestyle": "", "marker": "x", "zorder": 5, "clip_on": False}

Box = tuple[float, float, float, float]
"""Start, top, length and height."""


def timeline(found: Timeline, name: str) -> Picture:
    """The figure of one round; ``name`` is its own on the page."""
    together = any(len(each.bars) > MOST_BARS or _rows(each.lanes) > MOST_ROWS for each in _runs(found))
    title = f"Timeline of round {found.round} under {found.strategy}"
    return picture(name, title, _described(found), _caption(found, together), _Painter(found, together).paint)


def _runs(found: Timeline) -> list[Drawn]:
    return [found.baseline, *([found.alone] if found.alone else []), found.run]


def _rows(lanes: Iterable[Lane]) -> int:
    return sum(len(lane.rows) for lane in lanes)


def _described(found: Timeline) -> str:
    said = f"Baseline on {', '.join(lane.host for lane in found.baseline.lanes)}: {ms(found.baseline.makespan_ms)}."
    if found.alone:
        said += f" {', '.join(lane.host for lane in found.alone.lanes)} at its best: {ms(found.alone.makespan_ms)}."
    said += f" {found.strategy}: {ms(found.run.makespan_ms)}."
    for lane in found.run.lanes[:8]:
        lost = sum(bar.failed is not None for bar in lane.bars)
        end = max((bar.start_ms + bar.wall_ms for bar in lane.bars), default=0.0)
        said += f" {lane.host}: {counted(len(lane.bars) - lost, 'answer')}, the last after {ms(end)}"
        said += f", {counted(lost, 'attempt')} without an answer." if lost else "."
    more = len(found.run.lanes) - 8
    return said + (f" And {more} hosts more." if more > 0 else "")


def _caption(found: Timeline, together: bool) -> str:
    run, alone = found.run, found.baseline
    said = f"Under {found.strategy}"
    said += f", round {found.round} of {found.rounds}, that is nearest to the median. " if found.rounds > 1 else ". "
    if together:
        said += (
            f"{counted(len(run.bars), 'request')}, too many to draw one by one: the height of each lane is how many "
        )
        best = f" at its best {ms(found.alone.makespan_ms)}," if found.alone else ""
        said += f"were in flight. Alone {ms(alone.makespan_ms)},{best} together {ms(run.makespan_ms)}."
    else:
        number = ", its number that of the prompt" if len(run.bars) <= NUMBERED else ""
        said += f"A bar is a request{number}; requests that overlap stand below one another."
    if _edge_ms(found) < alone.end_ms:
        said += f" The baseline goes on beyond the edge, to {ms(alone.end_ms)}."
    if run.assumed:
        said += " When requests began is not told: they are drawn one after another, as this strategy sends them."
    if run.not_drawn:
        said += f" {counted(run.not_drawn, 'answer')} cannot be drawn, for when they began is not told."
    return said + left_out("hosts", min(MOST_HOSTS, len(run.lanes)), len(run.lanes))


def _edge_ms(found: Timeline) -> float:
    """Where the axis of time ends: with the longer run, but not so late that nothing is seen of the strategy's."""
    run, alone = max(each.end_ms for each in _runs(found)[1:]), found.baseline.end_ms
    return run * 1.1 if 0 < run * CUT < alone else max(run, alone)


class _Painter:
    """One figure: the lanes of the baseline, of the best alone and of the run, over an axis of time."""

    def __init__(self, found: Timeline, together: bool) -> None:
        self._groups: list[tuple[Drawn, Sequence[Lane], str]] = [
            (found.baseline, found.baseline.lanes[:1], ONE_BY_ONE),
            *([(found.alone, found.alone.lanes[:1], AT_ITS_BEST)] if found.alone else []),
            (found.run, found.run.lanes[:MOST_HOSTS], ""),
        ]
        self._lanes = [lane for _, lanes, _ in self._groups for lane in lanes]
        self._together = together
        self._row = ROW if (len(self._lanes) if together else _rows(self._lanes)) <= 20 else TIGHT_ROW
        self._numbered = len(found.run.bars) <= NUMBERED
        self._end_ms = _edge_ms(found) or 1.0

    def paint(self, width: int) -> Figure:
        """Draw it so many pixels wide."""
        named = [[(f"{lane.host}{said}", self._height(lane)) for lane in lanes] for _, lanes, said in self._groups]
        found = chart(width, named, self._legend())
        found.time_axis(self._end_ms, "ms since the start of the run")
        boxes: dict[str, list[Box]] = {}
        spans = iter(found.spans)
        for drawn, lanes, _ in self._groups:
            tops = list(islice(spans, len(lanes)))
            for lane, (top, _) in zip(lanes, tops, strict=True):
                if self._together:
                    self._crowd(found, lane, top)
                elif lane.bars:
                    self._bars(found, lane, top, boxes)
                elif drawn.makespan_ms and not drawn.bars:
                    box = (0.0, top, min(drawn.makespan_ms, self._end_ms), self._row - 2)
                    boxes.setdefault("working", []).append(box)
            if tops and drawn.makespan_ms is not None:
                self._makespan(found, tops[0][0], tops[-1][1], drawn.makespan_ms)
        self._fill(found.axes, boxes)
        return found.figure

    def _height(self, lane: Lane) -> float:
        return self._row * (1 if self._together else len(lane.rows))

    def _legend(self) -> list[Artist]:
        bars = [bar for lane in self._lanes for bar in lane.bars]
        if self._together:
            cross = [Line2D([], [], label=LOST, **_CROSS)] if any(map(_is_lost, bars)) else []
            return [Patch(facecolor=canvas.SKY, label="in flight"), *cross]
        kinds = {kind for bar in bars for kind, _, length_ms in _pieces(bar) if length_ms > 0}
        kinds |= {"working" for drawn, _, _ in self._groups if drawn.makespan_ms and not drawn.bars}
        return [*marks(kind for kind in (*PARTS, SPENT, LOST) if kind in kinds)]

    def _bars(self, found: Chart, lane: Lane, top: float, boxes: dict[str, list[Box]]) -> None:
        """Put the boxes of a lane to those of their kinds, and write on them what they are."""
        pixel_ms, height = self._end_ms / found.width, self._row - 2
        placed = [(bar, top + self._row * place) for place, row in enumerate(lane.rows) for bar in row]
        for bar, y in placed:
            for kind, start, length in _pieces(bar):
                if (seen := min(length, self._end_ms - start)) > 0:
                    boxes.setdefault(kind, []).append((start, y, seen, height))
            end, middle = bar.start_ms + bar.wall_ms, y + height / 2
            if _is_lost(bar):
                found.axes.plot([end], [middle], markersize=7, markeredgewidth=2, **_CROSS)
            number = f"{bar.prompt}" if bar.attempts < 2 else f"{bar.prompt} ({bar.attempts})"
            last_ms = bar.parts[-1][1] if bar.parts else 0.0
            fits = end <= self._end_ms * (1 + 1e-9) and last_ms > (7 * len(number) + 4) * pixel_ms
            if self._numbered and fits:
                place: dict[str, Any] = {"va": "center", "ha": "center", "zorder": 6}
                found.axes.text(end - last_ms / 2, middle + 0.5, number, fontsize=10, color=ON_BARS, **place)

    def _crowd(self, found: Chart, lane: Lane, top: float) -> None:
        """All requests of a host together, as how many were in flight over time."""
        steps = max(24, min(int(found.width) // 3, STEPS // len(self._lanes)))
        most = max(len(each.rows) for each in self._lanes)
        floor = top + self._row - 2
        levels = [round(each / most * (self._row - 2), 1) for each in in_flight(lane.bars, self._end_ms, steps)]
        edges = [self._end_ms * step / steps for step in range(steps + 1)]
        # Only steps at which something changes: a lane that is always busy is one box.
        kept = [step for step in range(steps) if step == 0 or levels[step] != levels[step - 1]]
        borders = [*(edges[step] for step in kept), edges[-1]]
        found.axes.stairs([floor - levels[step] for step in kept], borders, baseline=floor, fill=True, color=canvas.SKY)
        found.axes.plot([0, self._end_ms], [floor] * 2, color=MUTED, linewidth=0.5)
        lost = sorted({int(bar.start_ms / self._end_ms * steps) for bar in lane.bars if _is_lost(bar)})
        where = [edges[min(step, steps)] for step in lost]
        found.axes.plot(where, [(top + floor) / 2] * len(where), markersize=5, **_CROSS)
        found.beside(self._end_ms, (top + floor) / 2, f"max {len(lane.rows)}", fontsize=9.5)

    def _makespan(self, found: Chart, top: float, bottom: float, makespan_ms: float) -> None:
        """Mark the end of a run over all its lanes."""
        end_ms = min(makespan_ms, self._end_ms)
        found.axes.plot([end_ms] * 2, [top - 2, bottom], color=INK, linewidth=1.4, zorder=7)
        if not self._together:
            found.beside(end_ms, (top + bottom) / 2, ms(makespan_ms), fontweight="bold")

    def _fill(self, axes: Axes, boxes: dict[str, list[Box]]) -> None:
        """One path for all boxes of a kind: a page of thousands of bars stays small."""
        for kind, found in boxes.items():
            fill, hatch = look(kind)
            path = _path(found)
            patch = PathPatch(path, facecolor=fill, hatch=hatch, edgecolor=PAPER, linewidth=0.5, zorder=3)
            patch.set_hatchcolor(INK if fill == "none" else "#000000")
            axes.add_artist(patch)  # add_patch looks for its extent, as if to scale the axes
            axes.add_artist(PathPatch(path, facecolor="none", edgecolor=MUTED, linewidth=0.4, zorder=4))


def _pieces(bar: Bar) -> Iterator[tuple[str, float, float]]:
    """The kinds of time in a request one after another, each with its start and length."""
    if bar.failed is not None:
        yield LOST if _is_lost(bar) else SPENT, bar.start_ms, bar.wall_ms
    at = bar.start_ms
    for name, part_ms in bar.parts:
        yield name, at, part_ms
        at += part_ms


def _is_lost(bar: Bar) -> bool:
    return bar.failed not in (None, "spent")


def in_flight(bars: Sequence[Bar], end_ms: float, steps: int) -> list[float]:
    """How many of ``bars`` were in flight, on average within each of so many equal steps up to ``end_ms``."""
    edges_ms = numpy.linspace(0.0, end_ms, steps + 1)

    def since(times_ms: Iterable[float]) -> Any:
        """At each edge, how long ago all those of ``times_ms`` are together that lie before it."""
        ordered = numpy.sort(numpy.array([0.0, *times_ms]))
        passed = numpy.searchsorted(ordered, edges_ms, side="right")
        return passed * edges_ms - numpy.cumsum(ordered)[passed - 1]

    busy_ms = since(bar.start_ms for bar in bars) - since(bar.start_ms + bar.wall_ms for bar in bars)
    return [float(each) for each in numpy.diff(busy_ms) * steps / end_ms]


def _path(boxes: Iterable[Box]) -> Path:
    corners: list[tuple[float, float]] = []
    codes: list[int] = []
    for x, y, width, height in boxes:
        corners += [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        codes += [int(Path.MOVETO), *[int(Path.LINETO)] * 3, int(Path.CLOSEPOLY)]
    return Path(corners, codes)
