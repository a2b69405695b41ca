"""The timeline of one round: what each host did when, and above it the baseline, to the same scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, MUTED, PAPER, Picture, area, legend, picture, room_for, sheet, short
from outpace.report.figures.lanes import MOST_HOSTS, Lane, in_flight, lanes_of, too_many
from outpace.report.figures.parts import look
from outpace.report.shape import PARTS, Bar, Timeline, View
from outpace.report.words import counted, ms

ROW, TIGHT_ROW, GAP, LABEL = 21.0, 11.0, 8.0, 16.0
LETTERS = 18
CUT = 6.0
"""A baseline that takes more times as long as the run is cut off at the edge, and the caption says so."""
STEPS = 4000
"""Of all lanes of requests drawn together."""
ON_BARS = "#0d0d0d"
"""Ink that stays dark in the dark, on bars that stay bright; black itself matplotlib leaves out, as the default."""
NUMBERED = 48
"""So many bars may bear the number of their prompt."""
LOST = "failed attempt"
SPENT = "copy that lost"


def timeline(found: Timeline, name: str) -> Picture:
    """The figure of one round; ``name`` is its own on the page."""
    lanes, alone = lanes_of(found.run), lanes_of(found.baseline)
    together = too_many(found.run, lanes) or too_many(found.baseline, alone)

    def paint(width: int) -> Figure:
        return _Painter(found, lanes[:MOST_HOSTS], alone[:1], together, width).paint()

    title = f"Timeline of round {found.round} under {found.strategy}"
    return picture(name, title, _described(found, lanes), _caption(found, lanes, together), paint)


def _described(found: Timeline, lanes: Sequence[Lane]) -> str:
    parts = [
        f"Baseline on {', '.join(found.baseline.hosts)}: {ms(found.baseline.makespan_ms)}.",
        f"{found.strategy}: {ms(found.run.makespan_ms)}.",
    ]
    for lane in lanes[:8]:
        bars = [bar for row in lane.rows for bar in row]
        lost = sum(bar.failed is not None for bar in bars)
        end = max((bar.start_ms + bar.wall_ms for bar in bars), default=0.0)
        said = f"{lane.host}: {counted(len(bars) - lost, 'answer')}, the last after {ms(end)}"
        parts.append(said + (f", {counted(lost, 'attempt')} without an answer." if lost else "."))
    if len(lanes) > 8:
        parts.append(f"And {len(lanes) - 8} hosts more.")
    return " ".join(parts)


def _caption(found: Timeline, lanes: Sequence[Lane], together: bool) -> str:
    said = [f"Round {found.round} of {found.rounds}, whose ratio is nearest to the median."] if found.rounds > 1 else []
    if together:
        said.append(
            f"{counted(len(found.run.bars), 'request')}, too many to draw one by one: the height of each lane is how "
            f"many were in flight. Alone {ms(found.baseline.makespan_ms)}, together {ms(found.run.makespan_ms)}."
        )
    else:
        number = ", its number that of the prompt" if len(found.run.bars) <= NUMBERED else ""
        said.append(f"A bar is a request{number}; requests that overlap stand below one another.")
    if _edge_ms(found) < _end(found.baseline):
        said.append(f"The baseline goes on beyond the edge, to {ms(_end(found.baseline))}.")
    if found.run.assumed:
        said.append("When requests began is not told: they are drawn one after another, as this strategy sends them.")
    if found.run.not_drawn:
        said.append(f"{counted(found.run.not_drawn, 'answer')} cannot be drawn, for when they began is not told.")
    if len(lanes) > MOST_HOSTS:
        said.append(f"Of {len(lanes)} hosts, the first {MOST_HOSTS} are drawn.")
    return " ".join(said)


class _Painter:
    """One figure at one width: lanes from the top down, in pixels, over an axis of time."""

    def __init__(
        self, found: Timeline, lanes: Sequence[Lane], alone: Sequence[Lane], together: bool, width: int
    ) -> None:
        self._found, self._lanes, self._alone = found, lanes, alone
        self._together, self._width = together, width
        self._above = width < canvas.WIDE
        """Whether names stand above their lanes: on a telephone nothing is left beside them."""
        few = len(lanes) <= 12 if together else sum(len(lane.rows) for lane in lanes) <= 20
        self._row = ROW if few else TIGHT_ROW
        self._end_ms = _edge_ms(found) or 1.0
        self._pixel_ms = 0.0
        self._shapes: dict[str, list[tuple[float, float, float, float]]] = {}

    def paint(self) -> Figure:
        head, foot = 40.0 if self._above else 24.0, 36.0
        height = head + foot + sum(self._height(lane) for lane in [*self._alone, *self._lanes]) + GAP
        figure = sheet(self._width, height)
        names = [short(lane.host, LETTERS) for lane in self._lanes]
        names += [f"{short(lane.host, LETTERS)} alone" for lane in self._alone]
        left = 6.0 if self._above else room_for(names, LETTERS + 6)
        axes = area(figure, left, head, 66, foot)
        axes.set(xlim=(0, self._end_ms), ylim=(height - head - foot, 0), xlabel="ms since the start of the run")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4 if self._above else 8, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        self._pixel_ms = self._end_ms / (self._width - left - 66)
        top = 0.0
        for lane in self._alone:
            top = self._lane(axes, lane, top, f"{short(lane.host, LETTERS)} alone", self._found.baseline)
        axes.axhline(top + GAP / 2, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)), clip_on=False)
        top += GAP
        for lane in self._lanes:
            top = self._lane(axes, lane, top, short(lane.host, LETTERS), self._found.run)
        self._fill(axes)
        self._ends(axes, top)
        self._legend(figure)
        return figure

    def _height(self, lane: Lane) -> float:
        rows = 1 if self._together else len(lane.rows)
        return rows * self._row + GAP + (LABEL if self._above else 0.0)

    def _lane(self, axes: Axes, lane: Lane, top: float, name: str, view: View) -> float:
        """Draw a lane from ``top`` on; gives where the next one begins."""
        below = top + self._height(lane)
        if self._above:
            axes.text(0, top + LABEL / 2 + 1, name, va="center", ha="left", clip_on=False)
            top += LABEL
        else:
            middle = (top + below - GAP) / 2
            axes.text(-6 * self._pixel_ms, middle, name, va="center", ha="right", clip_on=False)
        if self._together:
            self._crowd(axes, lane, top, view)
            return below
        if not view.bars and view.makespan_ms:
            self._shape("working", 0.0, top, view.makespan_ms, self._row)
        for index, row in enumerate(lane.rows):
            for bar in row:
                self._bar(axes, bar, top + index * self._row)
        return below

    def _bar(self, axes: Axes, bar: Bar, top: float) -> None:
        height = self._row - 2
        if bar.failed is not None:
            kind = SPENT if bar.failed == "spent" else LOST
            self._shape(kind, bar.start_ms, top, bar.wall_ms, height)
            if kind == LOST:
                style: dict[str, Any] = {
                    "color": canvas.RED,
                    "markersize": 7,
                    "markeredgewidth": 2,
                    "clip_on": False,
                    "zorder": 5,
                }
                axes.plot([bar.start_ms + bar.wall_ms], [top + height / 2], marker="x", **style)
            return
        at = bar.start_ms
        for name, part_ms in bar.parts:
            self._shape(name, at, top, part_ms, height)
            at += part_ms
        number = f"{bar.prompt}" if bar.attempts < 2 else f"{bar.prompt} ({bar.attempts})"
        last_ms = bar.parts[-1][1] if bar.parts else 0.0
        inside = at <= self._end_ms * (1 + 1e-9)
        if inside and len(self._found.run.bars) <= NUMBERED and last_ms > (7 * len(number) + 4) * self._pixel_ms:
            place: dict[str, Any] = {"va": "center", "ha": "center", "zorder": 6}
            axes.text(at - last_ms / 2, top + height / 2 + 0.5, number, fontsize=10, color=ON_BARS, **place)

    def _crowd(self, axes: Axes, lane: Lane, top: float, view: View) -> None:
        """All requests of a host together, as how many were in flight over time."""
        bars = [bar for row in lane.rows for bar in row]
        steps = max(24, min(self._width // 3, STEPS // max(1, len(self._lanes))))
        most = max((len(each.rows) for each in [*self._alone, *self._lanes]), default=1)
        height = self._row - 2
        levels = [round(each / most * height, 1) for each in in_flight(bars, self._end_ms, steps)]
        edges = [self._end_ms * step / steps for step in range(steps + 1)]
        # Only steps at which something changes: a lane that is always busy is one box.
        kept = [step for step in range(steps) if step == 0 or levels[step] != levels[step - 1]]
        borders = [*(edges[step] for step in kept), edges[-1]]
        heights = [top + height - levels[step] for step in kept]
        axes.stairs(heights, borders, baseline=top + height, fill=True, color=canvas.SKY)
        axes.plot([0, self._end_ms], [top + height] * 2, color=MUTED, linewidth=0.5)
        lost = sorted({int(bar.start_ms / self._end_ms * steps) for bar in bars if _is_lost(bar)})
        where = [edges[min(step, steps)] for step in lost]
        axes.plot(where, [top + height / 2] * len(where), "x", color=canvas.RED, markersize=5, zorder=5)
        at = self._end_ms + 6 * self._pixel_ms
        axes.text(at, top + height / 2, f"max {len(lane.rows)}", va="center", fontsize=9.5, clip_on=False)

    def _shape(self, kind: str, start: float, top: float, length: float, height: float) -> None:
        length = min(length, self._end_ms - start)
        if length > 0:
            self._shapes.setdefault(kind, []).append((start, top, length, height))

    def _fill(self, axes: Axes) -> None:
        """One path for all bars of a kind: a page of thousands of bars stays small."""
        for kind, boxes in self._shapes.items():
            fill, hatch = look(kind)
            patch = PathPatch(_boxes(boxes), facecolor=fill, hatch=hatch, edgecolor=PAPER, linewidth=0.5, zorder=3)
            patch.set_hatchcolor(INK if fill == "none" else "#000000")
            axes.add_patch(patch)
            axes.add_patch(PathPatch(_boxes(boxes), facecolor="none", edgecolor=MUTED, linewidth=0.4, zorder=4))

    def _ends(self, axes: Axes, bottom: float) -> None:
        """The makespans, marked at their ends."""
        first = sum(self._height(lane) for lane in self._alone)
        for view, top, below in ((self._found.baseline, 0.0, first), (self._found.run, first + GAP, bottom)):
            if view.makespan_ms is not None:
                end_ms = min(view.makespan_ms, self._end_ms)
                axes.plot([end_ms] * 2, [top, below - 2], color=INK, linewidth=1.4, zorder=7)
                if not self._together:
                    place = (top + below - GAP) / 2 + (LABEL / 2 if self._above else 0)
                    at = end_ms + 5 * self._pixel_ms
                    axes.text(at, place, ms(view.makespan_ms), va="center", fontweight="bold", clip_on=False)

    def _legend(self, figure: Figure) -> None:
        kinds = [kind for kind in (*PARTS, SPENT, LOST) if kind in self._shapes]
        handles: list[Patch | Line2D] = [
            Patch(facecolor=look(kind)[0], hatch=look(kind)[1], edgecolor=MUTED, label=PARTS.get(kind, kind))
            for kind in kinds
        ]
        for handle in handles:
            if isinstance(handle, Patch):
                handle.set_hatchcolor(INK)
        if self._together:
            handles.append(Patch(facecolor=canvas.SKY, label="in flight"))
            if any(_is_lost(bar) for bar in self._found.run.bars):
                cross: dict[str, Any] = {"color": canvas.RED, "linestyle": "", "marker": "x"}
                handles.append(Line2D([], [], label=LOST, **cross))
        if handles:
            legend(figure, handles, 2 if self._above else len(handles), handle=1.6)


def _edge_ms(found: Timeline) -> float:
    """Where the axis of time ends: with the longer run, but not so late that nothing is seen of the strategy's."""
    run, alone = _end(found.run), _end(found.baseline)
    return run * 1.1 if 0 < run * CUT < alone else max(run, alone)


def _end(view: View) -> float:
    return max([view.makespan_ms or 0.0, *(bar.start_ms + bar.wall_ms for bar in view.bars)])


def _is_lost(bar: Bar) -> bool:
    return bar.failed is not None and bar.failed != "spent"


def _boxes(boxes: Iterable[tuple[float, float, float, float]]) -> Path:
    corners: list[tuple[float, float]] = []
    codes: list[int] = []
    for x, y, width, height in boxes:
        corners += [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        codes += [int(Path.MOVETO), *[int(Path.LINETO)] * 3, int(Path.CLOSEPOLY)]
    return Path(corners, codes)
