"""What concurrency does to hosts: throughput by requests in flight."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from outpace.judge.capacity import HostCapacity
from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, Picture, area, left_out, legend, picture, sheet, short

MOST_PANELS = 12


def capacities(hosts: Sequence[HostCapacity]) -> Picture | None:
    """A panel a host: throughput by how many were in flight, as measured, and the law that is fitted to it."""
    drawn = list(hosts)[:MOST_PANELS]
    if not drawn:
        return None
    told = [
        f"{host.name} {host.capacity.kind}, limit {host.capacity.limit}: "
        + ", ".join(f"{level.in_flight} in flight {level.tokens_per_s:.0f} tokens/s" for level in host.capacity.levels)
        + "."
        for host in drawn
    ]
    return picture(
        "capacities",
        "Throughput of each host by requests in flight",
        " ".join(told),
        "Points are measured; the line is the Universal Scalability Law that is nearest to them, where there are three "
        "levels or more; the dotted mark is the limit to use." + left_out("hosts", len(drawn), len(hosts)),
        lambda width: _capacities(drawn, width),
    )


def _capacities(hosts: Sequence[HostCapacity], width: int) -> Figure:
    columns = 1 if width < canvas.WIDE else min(len(hosts), 3)
    panel, title, foot, left, gap = 140.0, 22.0, 42.0, 48.0, 50.0
    lines = math.ceil(len(hosts) / columns)
    height = lines * (panel + title + foot) + 20
    figure = sheet(width, height)
    each_width = min(340.0, (width - left - 10 - gap * (columns - 1)) / columns)
    for index, host in enumerate(hosts):
        line, column = divmod(index, columns)
        start = left + column * (each_width + gap)
        top = 20 + line * (panel + title + foot) + title
        axes = area(figure, start, top, width - start - each_width, height - top - panel)
        _panel(axes, host, int(each_width / 6.6))
    marks = [
        Line2D([], [], color=canvas.BLUE, linestyle="", marker="o", markersize=6, label="measured"),
        Line2D([], [], color=canvas.ORANGE, linewidth=1.8, label="USL"),
        Line2D([], [], color=INK, linewidth=1.2, linestyle=(0, (1, 2)), label="limit"),
    ]
    legend(figure, marks, 3)
    return figure


def _panel(axes: Axes, host: HostCapacity, letters: int) -> None:
    found = host.capacity
    verdict = f": {found.kind}{'' if found.settled else '?'}, limit {found.limit}"
    axes.set_title(short(host.name, max(4, letters - len(verdict))) + verdict, fontsize=canvas.FONT, loc="left", pad=6)
    most = max(level.in_flight for level in found.levels)
    if found.usl:
        steps = [1 + (most - 1) * step / 60 for step in range(61)]
        axes.plot(steps, [found.usl.tokens_per_s(each) for each in steps], color=canvas.ORANGE, linewidth=1.8)
    axes.axvline(found.limit, color=INK, linewidth=1.2, linestyle=(0, (1, 2)))
    counts = [level.in_flight for level in found.levels]
    axes.plot(counts, [level.tokens_per_s for level in found.levels], "o", color=canvas.BLUE, markersize=6, zorder=4)
    axes.set(xlim=(0.5, most + 0.5), xlabel="in flight", ylabel="tokens/s")
    axes.set_ylim(0, 1.12 * (max(level.tokens_per_s for level in found.levels) or 1.0))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y")
