"""Overhead ratios: of all strategies on one axis, and of each strategy round by round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, MUTED, Picture, area, legend, picture, room_for, sheet, short
from outpace.report.shape import Row
from outpace.report.words import limit, ratio

LETTERS = 20
ROW = 26.0
WIDE_RANGE = 5.0
"""Where the highest ratio is so many times the lowest, a linear axis would press the low ones together."""
MOST_PANELS = 24
_GATE: dict[str, Any] = {"color": canvas.RED, "linewidth": 1.6, "linestyle": (0, (5, 2))}
_BOUND: dict[str, Any] = {"color": canvas.GREEN, "linewidth": 2.2, "linestyle": (0, (2, 1))}
_LOOKS: dict[str, tuple[str, Any]] = {"pass": ("o", "full"), "fail": ("X", "full"), "inconclusive": ("D", "none")}


def strategies(rows: Sequence[Row]) -> Picture | None:
    """All strategies on one axis with their intervals, and beside each what the best split would give."""
    drawn = [row for row in rows if row.ratio is not None and row.ratio.median]
    if not drawn:
        return None
    told = [f"{row.strategy}: {ratio(row.median)}{_spread_in_words(row)}, gate {row.verdict}." for row in drawn]
    bounded = any(row.bound for row in drawn)
    return picture(
        "strategies",
        "Overhead ratio of each strategy",
        " ".join(told),
        "Makespan divided by that of the fastest host alone: further left is faster."
        + (" No split of the prompts could come left of the dashed mark, the lower bound." if bounded else ""),
        lambda width: _strategies(drawn, width),
    )


def rounds(rows: Sequence[Row]) -> Picture | None:
    """A panel a strategy: the ratio of each round, the median and its interval, and the threshold."""
    drawn = [row for row in rows if any(row.ratios)][:MOST_PANELS]
    if not drawn:
        return None
    told = [f"{row.strategy}: {', '.join(map(ratio, row.ratios))}." for row in drawn]
    short_of = any(row.ratio and row.ratio.low is None for row in drawn)
    few = " Fewer than five rounds give no interval." if short_of else ""
    return picture(
        "rounds",
        "Overhead ratio round by round",
        " ".join(told),
        f"A point is the ratio of a round, the line their median, the band its interval.{few}",
        lambda width: _rounds(drawn, width),
    )


def _spread_in_words(row: Row) -> str:
    if row.ratio is not None and row.ratio.low is not None:
        return f" (interval {ratio(row.ratio.low)} to {ratio(row.ratio.high)})"
    return f" (rounds from {ratio(row.seen[0])} to {ratio(row.seen[1])})" if row.seen and row.rounds > 1 else ""


def _spread(row: Row) -> tuple[float, float]:
    assert row.ratio is not None
    middle = row.ratio.median
    if row.ratio.low is not None and row.ratio.high is not None:
        return row.ratio.low, row.ratio.high
    return row.seen or (middle, middle)


def _strategies(rows: Sequence[Row], width: int) -> Figure:
    above = width < canvas.WIDE
    row_height = ROW + (14 if above else 0)
    head, foot = (56.0 if above else 24.0), 38.0
    height = head + foot + row_height * len(rows)
    figure = sheet(width, height)
    names = [short(row.strategy, LETTERS) for row in rows]
    left = 10.0 if above else room_for(names, LETTERS)
    axes = area(figure, left, head, 56, foot)
    values = [each for row in rows for each in (*_spread(row), row.bound) if each] + [1.0, rows[0].threshold]
    _scale_x(axes, min(values), max(values), above)
    axes.set(ylim=(len(rows) * row_height, 0), xlabel="overhead ratio")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.axvline(1.0, color=INK, linewidth=1.0)
    axes.axvline(rows[0].threshold, **_GATE)
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        _strategy(axes, row, name, index * row_height, row_height, above)
    marks = [
        Line2D([], [], color=INK, linewidth=1.0, label=f"{short(rows[0].baseline_host, LETTERS)} alone (1.0)"),
        Line2D([], [], **_GATE, label=f"gate < {limit(rows[0].threshold)}"),
    ]
    if any(row.bound for row in rows):
        marks.append(Line2D([], [], **_BOUND, label="lower bound"))
    marks += [
        Line2D([], [], color=canvas.BLUE, linestyle="", marker=shape, fillstyle=fill, label=verdict)
        for verdict, (shape, fill) in _LOOKS.items()
        if any(row.verdict == verdict for row in rows)
    ]
    legend(figure, marks, 2 if above else len(marks))
    return figure


def _strategy(axes: Axes, row: Row, name: str, top: float, height: float, above: bool) -> None:
    assert row.ratio is not None
    line = top + height - ROW / 2
    if above:
        # The lines that pass behind a name would be read as letters.
        box = {"facecolor": canvas.PAPER, "edgecolor": "none", "pad": 1.5}
        place = axes.get_yaxis_transform()
        axes.text(0, top + 9, name, transform=place, va="center", clip_on=False, bbox=box, zorder=5)
    else:
        axes.annotate(name, (0, line), (-8, 0), ("axes fraction", "data"), "offset points", va="center", ha="right")
    low, high = _spread(row)
    whole = row.ratio.low is not None
    style: dict[str, Any] = {
        "color": canvas.BLUE,
        "linewidth": 2.4 if whole else 1.2,
        "linestyle": "-" if whole else (0, (1, 1)),
    }
    if low < high:
        axes.plot([low, high], [line, line], marker="|", markersize=9, markeredgewidth=1.4, **style)
    shape, fill = _LOOKS[row.verdict]
    axes.plot([row.ratio.median], [line], shape, color=canvas.BLUE, fillstyle=fill, markersize=8, zorder=4)
    if row.bound:
        ends = [line - ROW / 2, line + ROW / 2]
        axes.plot([row.bound] * 2, ends, **_BOUND, zorder=3)
    axes.annotate(ratio(row.ratio.median), (1, line), (8, 0), ("axes fraction", "data"), "offset points", va="center")


def _scale_x(axes: Axes, low: float, high: float, above: bool) -> None:
    if high / low > WIDE_RANGE:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.12, high * 1.12)
        some = (1.0,) if high / low > 300 else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=some if high / low > 30 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(max(0.0, low - 0.1 * (high - low)), high + 0.06 * (high - low))
        axes.xaxis.set_major_locator(MaxNLocator(5 if above else 9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _rounds(rows: Sequence[Row], width: int) -> Figure:
    columns = min(len(rows), 2 if width < canvas.WIDE else 4)
    lines = math.ceil(len(rows) / columns)
    head, panel, foot = 24.0 if columns > 2 or width >= canvas.WIDE else 40.0, 128.0, 22.0
    height = head + lines * (panel + foot)
    figure = sheet(width, height)
    values = [each for row in rows for each in (*_spread(row), *row.ratios) if each] + [1.0]
    near = [row.threshold for row in rows if row.threshold < 2 * max(values)]
    values += near
    logarithmic = max(values) / min(values) > WIDE_RANGE
    left, gap = 34.0, 14.0
    each_width = (width - left - 6 - gap * (columns - 1)) / columns
    for index, row in enumerate(rows):
        line, column = divmod(index, columns)
        start = left + column * (each_width + gap)
        top = head + line * (panel + foot) + 18
        axes = area(figure, start, top, width - start - each_width, height - top - panel + 18)
        _panel(axes, row, first=column == 0, letters=int(each_width / 7))
        axes.set_yscale("log" if logarithmic else "linear")
        span = max(values) - min(values)
        low, high = min(values), max(values)
        axes.set_ylim((low / 1.2, high * 1.2) if logarithmic else (max(0.0, low - 0.1 * span), high + 0.1 * span))
        some = (1.0,) if high / low > 30 else (1.0, 2.0, 5.0)
        axes.yaxis.set_major_locator(LogLocator(subs=some) if logarithmic else MaxNLocator(4))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    told = any(row.ratio and row.ratio.low is not None for row in rows)
    bands = [Patch(facecolor=canvas.SKY, alpha=0.45, label="interval")] if told else []
    marks: list[Line2D | Patch] = [
        Line2D([], [], color=canvas.BLUE, linestyle="", marker="o", markersize=5, label="round"),
        Line2D([], [], color=canvas.BLUE, linewidth=1.6, label="median"),
        *bands,
        *([Line2D([], [], **_GATE, label="gate")] if near else []),
        Line2D([], [], color=INK, linewidth=1.0, label="alone (1.0)"),
    ]
    legend(figure, marks, len(marks) if width >= canvas.WIDE else 3)
    return figure


def _panel(axes: Axes, row: Row, *, first: bool, letters: int) -> None:
    assert row.ratio is not None
    numbers = [number for number, each in enumerate(row.ratios, start=1) if each]
    axes.set_title(short(row.strategy, letters), fontsize=canvas.FONT, loc="left", pad=4)
    if row.ratio.low is not None and row.ratio.high is not None:
        axes.axhspan(row.ratio.low, row.ratio.high, color=canvas.SKY, alpha=0.45, linewidth=0)
    axes.axhline(1.0, color=INK, linewidth=1.0)
    axes.axhline(row.threshold, **_GATE)
    axes.axhline(row.ratio.median, color=canvas.BLUE, linewidth=1.6)
    size = 5 if len(numbers) < 60 else 2
    axes.plot(numbers, [each for each in row.ratios if each], "o", color=canvas.BLUE, markersize=size)
    axes.set_xlim(0.4, max(len(row.ratios), 1) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.grid(axis="y")
    axes.tick_params(labelleft=first, left=first, labelsize=10, colors=MUTED, labelcolor=INK)
