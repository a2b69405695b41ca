"""Overhead ratios: all strategies on one axis, with their intervals and every round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, Picture, chart, picture, short
from outpace.report.strategies import Row
from outpace.report.words import limit, ratio

WIDE_RANGE = 5.0
"""Where the highest ratio is so many times the lowest, a linear axis would press the low ones together."""
_GATE: dict[str, Any] = {"color": canvas.RED, "linewidth": 1.6, "linestyle": (0, (5, 2))}
_BOUND: dict[str, Any] = {"color": canvas.GREEN, "linewidth": 2.2, "linestyle": (0, (2, 1))}
_ROUND: dict[str, Any] = {"color": INK, "linestyle": "", "marker": ".", "markersize": 5}
_LOOKS: dict[str, tuple[str, Any]] = {"pass": ("o", "full"), "fail": ("X", "full"), "inconclusive": ("D", "none")}


def strategies(rows: Sequence[Row]) -> Picture | None:
    """All strategies on one axis with their intervals and rounds, and beside each what the best split would give."""
    drawn = [row for row in rows if row.ratio is not None and row.ratio.median]
    if not drawn:
        return None
    bounded = any(row.bound for row in drawn)
    return picture(
        "strategies",
        "Overhead ratio of each strategy, and of each of its rounds",
        " ".join(map(_in_words, drawn)),
        "Makespan divided by that of the fastest host alone: further left is faster. A small point is a round, the "
        "first of them on top; the large one is their median, the line its interval."
        + (" Fewer than five rounds give no interval." if any(not row.interval for row in drawn) else "")
        + (" No split of the prompts could come left of the dashed mark, the lower bound." if bounded else ""),
        lambda width: _strategies(drawn, width),
    )


def _in_words(row: Row) -> str:
    spread = f" (interval {ratio(row.span[0])} to {ratio(row.span[1])})" if row.interval else ""
    return (
        f"{row.strategy}: {ratio(row.median)}{spread}, rounds {', '.join(map(ratio, row.ratios))}; gate {row.verdict}."
    )


def _strategies(rows: Sequence[Row], width: int) -> Figure:
    marks = [
        Line2D([], [], color=INK, linewidth=1.0, label=f"{short(rows[0].baseline_host, 20)} alone (1.0)"),
        Line2D([], [], **_GATE, label=f"gate < {limit(rows[0].threshold)}"),
        *([Line2D([], [], **_BOUND, label="lower bound")] if any(row.bound for row in rows) else []),
        Line2D([], [], **_ROUND, label="round"),
    ]
    marks += [
        Line2D([], [], color=canvas.BLUE, linestyle="", marker=shape, fillstyle=fill, label=verdict)
        for verdict, (shape, fill) in _LOOKS.items()
        if any(row.verdict == verdict for row in rows)
    ]
    found = chart(width, [[(row.strategy, 20.0) for row in rows]], marks)
    values = [each for row in rows for each in (*row.span, *row.ratios, row.bound) if each] + [1.0, rows[0].threshold]
    _scale(found.axes, min(values), max(values), found.narrow)
    found.axes.set(xlabel="overhead ratio")
    found.axes.axvline(1.0, color=INK, linewidth=1.0)
    found.axes.axvline(rows[0].threshold, **_GATE)
    for row, (top, bottom) in zip(rows, found.spans, strict=True):
        _strategy(found.axes, row, top, bottom)
    return found.figure


def _strategy(axes: Axes, row: Row, top: float, bottom: float) -> None:
    middle, (low, high) = (top + bottom) / 2, row.span
    style: dict[str, Any] = {
        "linewidth": 2.4 if row.interval else 1.2,
        "linestyle": "-" if row.interval else (0, (1, 1)),
    }
    if low < high:
        axes.plot([low, high], [middle] * 2, color=canvas.BLUE, marker="|", markersize=9, markeredgewidth=1.4, **style)
    if row.bound:
        axes.plot([row.bound] * 2, [top - 3, bottom + 3], **_BOUND, zorder=3)
    step = (bottom - top) / len(row.ratios) if row.ratios else 0.0
    points = [(each, top + step * (place + 0.5)) for place, each in enumerate(row.ratios) if each]
    axes.plot([x for x, _ in points], [y for _, y in points], **_ROUND, zorder=5)
    shape, fill = _LOOKS[row.verdict]
    axes.plot([row.median or 0.0], [middle], shape, color=canvas.BLUE, fillstyle=fill, markersize=8, zorder=4)
    place = (1, middle), (8, 0), ("axes fraction", "data"), "offset points"
    axes.annotate(ratio(row.median), *place, va="center")


def _scale(axes: Axes, low: float, high: float, narrow: bool) -> None:
    if high / low > WIDE_RANGE:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.12, high * 1.12)
        some = (1.0,) if high / low > 300 else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=some if high / low > 30 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(max(0.0, low - 0.1 * (high - low)), high + 0.06 * (high - low))
        axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
