"""What concurrency does to hosts: throughput by requests in flight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from outpace.judge.capacity import HostCapacity
from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, Picture, left_out, picture, sheet, short

MOST_PANELS = 12
_MEASURED: dict[str, Any] = {"color": canvas.BLUE, "linestyle": "", "marker": "o", "markersize": 6, "zorder": 4}
_LAW: dict[str, Any] = {"color": canvas.ORANGE, "linewidth": 1.8}
_LIMIT: dict[str, Any] = {"color": INK, "linewidth": 1.2, "linestyle": (0, (1, 2))}


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
    lines = math.ceil(len(hosts) / columns)
    figure = sheet(width, 20 + 204.0 * lines, layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, host in zip(grid, hosts, strict=False):
        _panel(axes, host, int(width / columns / 7) - 6)
    for axes in grid[len(hosts) :]:
        axes.remove()
    marks = [
        Line2D([], [], **_MEASURED, label="measured"),
        Line2D([], [], **_LAW, label="USL"),
        Line2D([], [], **_LIMIT, label="limit"),
    ]
    figure.legend(handles=marks, loc="outside upper left", ncols=3)
    if layout := figure.get_layout_engine():  # all would be drawn once more for it
        layout.execute(figure)
        figure.set_layout_engine(None)
    return figure


def _panel(axes: Axes, host: HostCapacity, letters: int) -> None:
    found, levels = host.capacity, host.capacity.levels
    verdict = f": {found.kind}{'' if found.settled else '?'}, limit {found.limit}"
    axes.set_title(short(host.name, max(4, letters - len(verdict))) + verdict, fontsize=canvas.FONT, loc="left", pad=6)
    most = max(level.in_flight for level in levels)
    if found.usl:
        steps = [1 + (most - 1) * step / 60 for step in range(61)]
        axes.plot(steps, [found.usl.tokens_per_s(each) for each in steps], **_LAW)
    axes.axvline(found.limit, **_LIMIT)
    axes.plot([level.in_flight for level in levels], [level.tokens_per_s for level in levels], **_MEASURED)
    axes.set(xlim=(0.5, most + 0.5), xlabel="in flight", ylabel="tokens/s")
    axes.set_ylim(0, 1.12 * (max(level.tokens_per_s for level in levels) or 1.0))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y")
