"""Requests that arrive: latency by their rate, how it is distributed, and the queue over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from outpace.judge.slo import Objective
from outpace.report.figures import canvas
from outpace.report.figures.canvas import Picture, left_out, picture, sheet, short
from outpace.report.words import ms

Document = Mapping[str, Any]

COLOURS = (canvas.BLUE, canvas.ORANGE, canvas.GREEN, canvas.PURPLE, canvas.SKY, canvas.RED)
MARKS = "osD^vP"
MOST_LINES = len(COLOURS)
HEIGHT = 260.0
STEPS = 400
"""Moments at which a queue is looked at."""


def rates(document: Document) -> Picture | None:
    """The promised quantile of latency by the rate of arrivals, for each strategy and the best host alone.

    None where no run tells it.
    """
    objective = Objective(**document["slo"][0])
    found = [each for each in document["found"] if any(_drawn(each))][:MOST_LINES]
    if not found:
        return None
    told = " ".join(
        f"{_name(each)} bears {60 * each['rate_per_s']['value']:.3g} requests a minute: "
        + ", ".join(f"{rate:.3g} a minute {ms(latency)}" for rate, latency, _ in _drawn(each))
        + "."
        for each in found
    )
    return picture(
        "rates",
        f"{objective.figure.upper()} p{100 * objective.quantile:g} by the rate of arrivals",
        told,
        f"Each point is a run; a hollow one broke the SLO. The line across is the promise, {objective.in_words()}; "
        "the bands are the rates that are borne with their intervals, and the gap between them is the gain."
        + left_out("strategies", len(found), len(document["found"])),
        lambda width: _rates(found, objective, width),
    )


def _rates(found: Sequence[Document], objective: Objective, width: int) -> Figure:
    figure = sheet(width, HEIGHT, layout="constrained")
    axes = figure.subplots()
    for at, each in enumerate(found):
        points, colour = _drawn(each), COLOURS[at]
        line: dict[str, Any] = {"color": colour, "linewidth": 0.8, "alpha": 0.6, "label": short(_name(each), 24)}
        axes.plot([rate for rate, _, _ in points], [latency for _, latency, _ in points], **line)
        for rate, latency, broke in points:
            fill = canvas.PAPER if broke else colour
            axes.plot(rate, latency, MARKS[at], color=colour, markerfacecolor=fill, markersize=5, zorder=4)
        rate = each["rate_per_s"]
        axes.axvspan(60 * rate["low"], 60 * (rate["high"] or rate["value"]), color=colour, alpha=0.2, linewidth=0)
    axes.axhline(objective.limit_ms, color=canvas.INK, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))  # of powers of ten there may be one alone
    _plain(axes.yaxis)
    axes.set(xlabel="requests a minute", ylabel="ms")
    axes.grid(axis="y")
    figure.legend(loc="outside upper left", ncols=1 if width < canvas.WIDE else 3)
    return figure


def _drawn(found: Document) -> list[tuple[float, float, bool]]:
    """Rate a minute, latency and whether the SLO was broken, of each run that tells it, in the order of the rates."""
    runs = sorted(found["trials"], key=lambda each: each["rate_per_s"])
    return [
        (60 * each["rate_per_s"], each["slo_ms"][0], each["answer"] == "breaks") for each in runs if each["slo_ms"][0]
    ]


def latencies(documents: Sequence[Document]) -> Picture | None:
    """How the whole latencies of loads are distributed; None where nothing was answered."""
    told = [(each, ends) for each in documents if (ends := _latencies(each))][:MOST_LINES]
    if not told:
        return None
    said = " ".join(
        f"{_name(each)}: half within {ms(ends[len(ends) // 2])}, all {ms(ends[-1])}." for each, ends in told
    )

    def paint(width: int) -> Figure:
        def draw(axes: Any, at: int) -> None:
            each, ends = told[at]
            shares = [(place + 1) / len(ends) for place in range(len(ends))]
            kept = range(0, len(ends), max(1, len(ends) // STEPS))
            axes.step([ends[place] for place in kept], [shares[place] for place in kept], **_line(each, at))

        figure, axes = _lines(width, len(told), draw)
        axes.set_xscale("log")
        _plain(axes.xaxis)
        axes.set(xlabel="ms from the due time to the last token", ylabel="share of requests", ylim=(0, 1))
        return figure

    caption = "The share of requests that were answered within a time, of those that were answered."
    return picture("latencies", "Distribution of latency", said, caption, paint)


def queues(documents: Sequence[Document]) -> Picture | None:
    """How many requests waited for a host, over the time of each load; None where nothing came."""
    told = [each for each in documents if each["requests"]][:MOST_LINES]
    if not told:
        return None
    drawn = [_queue(each) for each in told]
    pairs = zip(told, drawn, strict=True)
    said = " ".join(f"{_name(each)}: {max(waiting):.0f} waited at the most." for each, (_, waiting) in pairs)

    def paint(width: int) -> Figure:
        def draw(axes: Any, at: int) -> None:
            axes.step(*drawn[at], where="post", **_line(told[at], at))

        figure, axes = _lines(width, len(told), draw)
        axes.set(xlabel="s", ylabel="requests that wait")
        axes.set_ylim(bottom=0)
        return figure

    caption = "Requests that were due and that no host had been given yet; a line that only rises is an overload."
    return picture("queues", "The queue over time", said, caption, paint)


def _lines(width: int, count: int, draw: Any) -> tuple[Figure, Any]:
    figure = sheet(width, HEIGHT, layout="constrained")
    axes = figure.subplots()
    for at in range(count):
        draw(axes, at)
    axes.grid(axis="y")
    figure.legend(loc="outside upper left", ncols=1 if width < canvas.WIDE else 3)
    return figure, axes


def _plain(axis: Any) -> None:
    """Numbers as they are: matplotlib's powers of ten are no text."""
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def _line(document: Document, at: int) -> dict[str, Any]:
    styles = ("-", (0, (5, 1)), (0, (2, 1)), (0, (6, 1, 1, 1)), (0, (1, 1)), (0, (3, 3)))
    return {"color": COLOURS[at], "linewidth": 1.5, "linestyle": styles[at], "label": short(_name(document), 24)}


def _latencies(document: Document) -> list[float]:
    """The whole latencies from the due time, in ms, of what was answered, the shortest first."""
    answered = [each for each in document["requests"] if each["error"] is None and each["start_ms"] is not None]
    return sorted(max(each["start_ms"] + each["wall_ms"] - each["due_ms"], 1e-3) for each in answered)


def _queue(document: Document) -> tuple[list[float], list[int]]:
    """Moments in seconds, and how many waited then: from when each was due until its last attempt began."""
    spans = [
        (each["due_ms"], math.inf if each["start_ms"] is None else each["start_ms"]) for each in document["requests"]
    ]
    due_ms, began_ms = (np.sort([span[which] for span in spans]) for which in (0, 1))
    moments = np.linspace(0.0, max(due_ms[-1], 1.0), STEPS)
    waiting = np.searchsorted(due_ms, moments, "right") - np.searchsorted(began_ms, moments, "right")
    return list(moments / 1000), [int(each) for each in waiting]


def _name(document: Document) -> str:
    alone = document["best_alone"]
    return f"{alone['host']} alone" if alone is not None else str(document["strategy"])
