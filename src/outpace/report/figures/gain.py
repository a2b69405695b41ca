"""What each part brings: the makespans side by side, and what makes each shorter than the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from outpace.report.figures.canvas import GREEN, MUTED, ORANGE, SKY, Picture, chart, picture
from outpace.report.gain import Step
from outpace.report.words import ms, times

_SAVED = (("////", ORANGE), ("\\\\\\\\", GREEN))
"""Hatch and colour of the time that is saved by the first part, and by the second."""


def makespans(steps: Sequence[Step]) -> Picture | None:
    """A bar a step, and behind it, hatched, the time that it takes less than the step before."""
    if len(steps) < 2:
        return None
    told = [f"{''.join(step.name)}: {ms(step.makespan_ms)}" for step in steps]
    told += [f"{step.brings}: {times(step.faster.median if step.faster else None)}" for step in steps[1:]]
    return picture(
        "makespans",
        "Makespans, and what each part brings",
        ". ".join(told) + ".",
        "Medians of the rounds. What is hatched is the time that is saved against the bar above, and by what.",
        lambda width: _makespans(steps, width),
    )


def _makespans(steps: Sequence[Step], width: int) -> Figure:
    looks: list[dict[str, Any]] = [
        {"facecolor": "none", "hatch": hatch, "edgecolor": colour, "hatchcolor": colour} for hatch, colour in _SAVED
    ]
    saved = list(zip(steps[1:], looks, strict=False))
    marks = [
        Patch(**look, label=f"{step.brings}: {times(step.faster.median if step.faster else None)}")
        for step, look in saved
    ]
    found = chart(width, [[("".join(step.name), 18.0) for step in steps]], marks, letters=40)
    for step, (top, bottom) in zip(steps, found.spans, strict=True):
        found.axes.barh((top + bottom) / 2, step.makespan_ms, bottom - top, color=SKY, edgecolor=MUTED, linewidth=0.5)
        place = (1, (top + bottom) / 2), (8, 0), ("axes fraction", "data"), "offset points"
        found.axes.annotate(ms(step.makespan_ms), *place, va="center", fontweight="bold")
    for before, (step, look), (top, bottom) in zip(steps, saved, found.spans[1:], strict=False):
        start, end = sorted((before.makespan_ms, step.makespan_ms))
        found.axes.barh((top + bottom) / 2, end - start, bottom - top, start, **look, linewidth=0.8)
    found.time_axis(max(step.makespan_ms for step in steps), "ms, makespan")
    return found.figure
