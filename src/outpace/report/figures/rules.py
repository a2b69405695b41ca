"""Rules side by side: a line each, and a panel with an axis of its own for each thing that can be said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from outpace.judge.stats import Interval
from outpace.report.figures.canvas import BLUE, FONT, GRID, INK, WIDE, Picture, picture, sheet, short
from outpace.report.figures.strategies import WIDE_RANGE
from outpace.report.rules import Rule

LINE, HEAD, FOOT = 17.0, 22.0, 24.0
"""Pixels of a rule's line, and of what stands above and below the lines of a panel."""
BETWEEN, RIGHT = 22.0, 14.0
_SAID = "A point is the median, a line its interval. Evenness is 1 where all hosts were busy alike; of the limit is "
_SAID += "the least makespan that there could be over that of the rule."

_Point = tuple[float, float, float]
"""The low end of an interval, the value and the high end."""


@dataclass(frozen=True)
class _Panel:
    """What is shown of all rules; None of one of which it is not known. ``at`` is a value that all are held against."""

    name: str
    points: Sequence[_Point | None]
    in_words: Sequence[str]
    at: float | None


def at_a_glance(rules: Sequence[Rule], rates: Mapping[str, Any] | None = None) -> Picture | None:
    """Set gain, rate gain where ``rates``, a search's report, has them, p95, evenness and distance to the limit.

    None where no rule has finished.
    """
    shown = [rule for rule in rules if rule.gain is not None]
    if not shown:
        return None
    gains = {each["strategy"]: each["rate_gain"] for each in rates["found"]} if rates else {}
    panels = [_panel("set gain", [_of(rule.gain) for rule in shown], 1.0)]
    if rates:
        panels.append(_panel("rate gain", [_found(gains.get(rule.name)) for rule in shown], 1.0))
    panels += [
        _panel("p95, seconds", [_one(rule.p95_ms, 1000) for rule in shown], None),
        _panel("evenness", [_one(rule.evenness) for rule in shown], 1.0),
        _panel("of the limit", [_one(rule.efficiency) for rule in shown], 1.0),
    ]
    told = " ".join(
        f"{rule.name}: {', '.join(f'{panel.name} {panel.in_words[place]}' for panel in panels)}."
        for place, rule in enumerate(shown)
    )
    names = [rule.name for rule in shown]
    return picture("rules", "What each rule comes to", told, _SAID, lambda width: _paint(width, names, panels))


def _panel(name: str, points: Sequence[_Point | None], at: float | None) -> _Panel:
    return _Panel(name, points, ["not known" if point is None else f"{point[1]:.3g}" for point in points], at)


def _of(gain: Interval | None) -> _Point | None:
    if gain is None:
        return None
    return gain.low or gain.median, gain.median, gain.high or gain.median


def _found(gain: Mapping[str, float | None] | None) -> _Point | None:
    if gain is None or gain["value"] is None:
        return None
    return gain["low"] or gain["value"], gain["value"], gain["high"] or gain["value"]


def _one(value: float | None, over: float = 1.0) -> _Point | None:
    return None if value is None else (value / over, value / over, value / over)


def _paint(width: int, names: Sequence[str], panels: Sequence[_Panel]) -> Figure:
    """Panels beside each other, or on a telephone below each other."""
    narrow = width < WIDE
    letters = 20 if narrow else 26
    labels = [short(name, letters) for name in names]
    left = 12 + 6.2 * max(map(len, labels))
    lines = LINE * len(names)
    rows = len(panels) if narrow else 1
    height = rows * (HEAD + lines + FOOT)
    figure = sheet(width, height)
    columns = 1 if narrow else len(panels)
    each = (width - left - RIGHT - BETWEEN * (columns - 1)) / columns
    for place, panel in enumerate(panels):
        across, down = (0, place) if narrow else (place, 0)
        bottom = height - (down + 1) * (HEAD + lines + FOOT) + FOOT
        begins = left + across * (each + BETWEEN)
        axes = figure.add_axes((begins / width, bottom / height, each / width, lines / height))
        _draw(axes, panel, labels if across == 0 else [])
    return figure


def _draw(axes: Axes, panel: _Panel, labels: Sequence[str]) -> None:
    count = len(panel.points)
    axes.set_ylim(count, 0)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.set_title(panel.name, fontsize=FONT, loc="left", color=INK, pad=5)
    for line in range(count + 1):
        axes.axhline(line, color=GRID, linewidth=0.8, zorder=0)
    for line, label in enumerate(labels):
        place = (0, line + 0.5), (-7, 0), ("axes fraction", "data"), "offset points"
        axes.annotate(label, *place, va="center", ha="right")
    known = [each for point in panel.points if point for each in point if each > 0]
    _scale(axes, [*known, *([panel.at] if panel.at else [])] or [1.0])
    if panel.at is not None:
        axes.axvline(panel.at, color=INK, linewidth=1.0, zorder=1)
    for line, point in enumerate(panel.points):
        if point is None or point[1] <= 0:
            text = "" if point is None else "0"
            axes.annotate(text, (0, line + 0.5), (2, 0), ("axes fraction", "data"), "offset points", va="center")
            continue
        low, value, high = point
        axes.plot([low, high], [line + 0.5] * 2, color=BLUE, linewidth=2.0, solid_capstyle="butt", clip_on=False)
        axes.plot([value], [line + 0.5], "o", color=BLUE, markersize=5, clip_on=False, zorder=4)


def _scale(axes: Axes, values: Sequence[float]) -> None:
    low, high = min(values), max(values)
    if high / low > WIDE_RANGE:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.15, high * 1.15)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high / low < 40 else (1.0,)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        room = 0.06 * (high - low) or 0.1 * high
        axes.set_xlim(max(0.0, low - room), high + room)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
