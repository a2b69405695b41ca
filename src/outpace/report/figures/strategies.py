"""Set gains and overhead ratios: all strategies on one axis, with their intervals and every round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from outpace.judge.stats import Interval
from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, Picture, chart, picture, short
from outpace.report.strategies import Row, outpaces, span
from outpace.report.words import limit, ratio

WIDE_RANGE = 5.0
"""Where the highest value is so many times the lowest, a linear axis would press the low ones together."""
_LIMIT: dict[str, Any] = {"color": canvas.RED, "linewidth": 1.6, "linestyle": (0, (5, 2))}
_BOUND: dict[str, Any] = {"color": canvas.GREEN, "linewidth": 2.2, "linestyle": (0, (2, 1))}
_ROUND: dict[str, Any] = {"color": INK, "linestyle": "", "marker": ".", "markersize": 5}
_LOOKS: dict[str, tuple[str, Any]] = {"pass": ("o", "full"), "fail": ("X", "full"), "inconclusive": ("D", "none")}
_ROUNDS = " A small point is a round, the first of them on top; the large one is their median, the line its interval."


@dataclass(frozen=True)
class _Line:
    """One strategy on the axis; ``bound`` is what the best split would give."""

    strategy: str
    found: Interval
    rounds: Sequence[float | None]
    bound: float | None
    verdict: str

    @property
    def span(self) -> tuple[float, float]:
        return span(self.found, [each for each in self.rounds if each is not None] or [self.found.median])


def gains(rows: Sequence[Row]) -> Picture | None:
    """The set gain of all strategies on one axis; None where no strategy has one."""
    verdicts = {True: "pass", False: "fail", None: "inconclusive"}
    lines = [
        _Line(row.strategy, row.gain, row.gains, row.split, verdicts[outpaces(row.comparison)])
        for row in rows
        if row.gain and row.gain.median
    ]
    said = "Makespan of the best alone divided by that of the run: further right is faster, and right of 1 the other "
    said += "machines add something."
    words = {"pass": "outpaces", "fail": "does not outpace", "inconclusive": "cannot be told"}
    if not lines:
        return None
    alone = f"{short(rows[0].reference, 20)} at its best (1.0)"
    gate = (">", rows[0].least_gain) if rows[0].least_gain else None
    return _picture("set gain", lines, said, alone, gate, words)


def ratios(rows: Sequence[Row]) -> Picture | None:
    """The overhead ratio of all strategies on one axis, and the published gate."""
    lines = [
        _Line(row.strategy, row.ratio, row.ratios, row.bound, row.verdict)
        for row in rows
        if row.ratio and row.ratio.median
    ]
    said = "Makespan divided by that of the baseline, one request after another: further left is faster."
    if not lines:
        return None
    alone = f"{short(rows[0].baseline_host, 20)} alone (1.0)"
    return _picture("overhead ratio", lines, said, alone, ("<", rows[0].threshold), {each: each for each in _LOOKS})


def _picture(
    what: str,
    lines: Sequence[_Line],
    said: str,
    alone: str,
    gate: tuple[str, float] | None,
    verdicts: Mapping[str, str],
) -> Picture:
    """``alone`` is what stands at 1, ``gate`` on which side of what all should lie, ``verdicts`` their words."""
    if any(line.found.low is None for line in lines):
        said += " Fewer than five rounds give no interval."
    if any(line.bound for line in lines):
        said += f" No split of the prompts could come {'left' if what == 'overhead ratio' else 'right'} of the dashed "
        said += "mark, the lower bound of the makespan."
    marks = [Line2D([], [], color=INK, linewidth=1.0, label=alone)]
    if gate:
        marks.append(Line2D([], [], **_LIMIT, label=f"gate {gate[0]} {limit(gate[1])}"))
    if any(line.bound for line in lines):
        marks.append(Line2D([], [], **_BOUND, label="best split"))
    marks.append(Line2D([], [], **_ROUND, label="round"))
    marks += [
        Line2D([], [], color=canvas.BLUE, linestyle="", marker=shape, fillstyle=fill, label=verdicts[verdict])
        for verdict, (shape, fill) in _LOOKS.items()
        if any(line.verdict == verdict for line in lines)
    ]

    def paint(width: int) -> Figure:
        found = chart(width, [[(line.strategy, 20.0) for line in lines]], marks)
        values = [each for line in lines for each in (*line.span, *line.rounds, line.bound) if each]
        values += [1.0, *([gate[1]] if gate else [])]
        _scale(found.axes, min(values), max(values), found.narrow)
        found.axes.set(xlabel=what)
        found.axes.axvline(1.0, color=INK, linewidth=1.0)
        if gate:
            found.axes.axvline(gate[1], **_LIMIT)
        for line, (top, bottom) in zip(lines, found.spans, strict=True):
            _draw(found.axes, line, top, bottom)
        return found.figure

    told = " ".join(_in_words(line, verdicts[line.verdict]) for line in lines)
    title = f"{what.capitalize()} of each strategy, and of each of its rounds"
    return picture(what.replace(" ", "-"), title, told, said + _ROUNDS, paint)


def _in_words(line: _Line, verdict: str) -> str:
    whole = f" (interval {ratio(line.span[0])} to {ratio(line.span[1])})" if line.found.low is not None else ""
    rounds = ", ".join(map(ratio, line.rounds))
    return f"{line.strategy}: {ratio(line.found.median)}{whole}, rounds {rounds}; {verdict}."


def _draw(axes: Axes, line: _Line, top: float, bottom: float) -> None:
    middle, (low, high), whole = (top + bottom) / 2, line.span, line.found.low is not None
    style: dict[str, Any] = {"linewidth": 2.4 if whole else 1.2, "linestyle": "-" if whole else (0, (1, 1))}
    if low < high:
        axes.plot([low, high], [middle] * 2, color=canvas.BLUE, marker="|", markersize=9, markeredgewidth=1.4, **style)
    if line.bound:
        axes.plot([line.bound] * 2, [top - 3, bottom + 3], **_BOUND, zorder=3)
    step = (bottom - top) / len(line.rounds) if line.rounds else 0.0
    points = [(each, top + step * (place + 0.5)) for place, each in enumerate(line.rounds) if each]
    axes.plot([x for x, _ in points], [y for _, y in points], **_ROUND, zorder=5)
    shape, fill = _LOOKS[line.verdict]
    axes.plot([line.found.median], [middle], shape, color=canvas.BLUE, fillstyle=fill, markersize=8, zorder=4)
    place = (1, middle), (8, 0), ("axes fraction", "data"), "offset points"
    axes.annotate(ratio(line.found.median), *place, va="center")


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
