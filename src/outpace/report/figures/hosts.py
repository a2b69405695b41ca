"""What hosts do: where their time went, and what concurrency does to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from outpace.judge.capacity import HostCapacity
from outpace.report.figures import canvas
from outpace.report.figures.canvas import INK, MUTED, Picture, area, legend, picture, room_for, sheet, short
from outpace.report.figures.parts import look
from outpace.report.shape import PARTS, HostTime, Latency
from outpace.report.words import ms, share

LETTERS = 18
MOST_HOSTS = 40
MOST_PANELS = 12


def time_by_host(latency: Latency, name: str) -> Picture | None:
    """A stacked bar a host: the mean time of an answer, by what it was spent on."""
    hosts = [host for host in latency.hosts if host.answers][:MOST_HOSTS]
    if not hosts:
        return None
    told = [f"{host.host}: {_in_words(host)}." for host in hosts]
    left_out = len(latency.hosts) - len(hosts)
    return picture(
        name,
        f"Where the time of an answer went under {latency.strategy}",
        " ".join(told),
        "The mean over all answers of all rounds; what an engine does not tell is within the part that follows it."
        + (f" Of {len(latency.hosts)} hosts, {left_out} are not drawn." if left_out else ""),
        lambda width: _time_by_host(hosts, latency.baseline, width),
    )


def _in_words(host: HostTime) -> str:
    parts = [f"{PARTS[part.name]} {ms(part.mean_ms)}, {share(part.share)}" for part in host.parts if part.told]
    return "; ".join(parts)


def _time_by_host(hosts: Sequence[HostTime], baseline: HostTime | None, width: int) -> Figure:
    above = width < canvas.WIDE
    bars = [(short(host.host, LETTERS), host) for host in hosts]
    if baseline:
        bars.insert(0, (f"{short(baseline.host, LETTERS)} alone", baseline))
    row = (22.0 if len(bars) <= 12 else 15.0) + (15.0 if above else 0.0)
    used = [name for name in PARTS if any(host.part(name).mean_ms for _, host in bars)]
    columns = 2 if above else len(used)
    head, foot = 8 + 16.0 * math.ceil(len(used) / columns), 36.0
    height = head + foot + row * len(bars)
    figure = sheet(width, height)
    left = 8.0 if above else room_for([name for name, _ in bars], LETTERS + 6)
    axes = area(figure, left, head, 66, foot)
    thick = row - (15 if above else 0) - 6
    longest = max((_whole(host) for _, host in bars), default=0.0) or 1.0
    for index, (name, host) in enumerate(bars):
        line = index * row + row - thick / 2 - 3
        if above:
            axes.text(0, index * row + 8, name, va="center", clip_on=False)
        else:
            axes.annotate(name, (0, line), (-6, 0), ("axes fraction", "data"), "offset points", va="center", ha="right")
        start = 0.0
        for part in used:
            length = (host.part(part).mean_ms or 0.0) * host.part(part).told / max(1, host.answers)
            fill, hatch = look(part)
            drawn = axes.barh(line, length, thick, start, color=fill, hatch=hatch, edgecolor=MUTED, linewidth=0.5)
            drawn.patches[0].set_hatchcolor("#000000")
            start += length
        axes.annotate(ms(start), (start, line), (5, 0), textcoords="offset points", va="center", annotation_clip=False)
    axes.set(xlim=(0, longest), ylim=(len(bars) * row, 0), xlabel="ms an answer, mean")
    _time_axis(axes, above)
    marks = [Patch(facecolor=look(part)[0], hatch=look(part)[1], edgecolor=MUTED, label=PARTS[part]) for part in used]
    for mark in marks:
        mark.set_hatchcolor("#000000")
    legend(figure, marks, columns, handle=1.6)
    return figure


def _whole(host: HostTime) -> float:
    return sum((part.mean_ms or 0.0) * part.told for part in host.parts) / max(1, host.answers)


def _time_axis(axes: Axes, above: bool) -> None:
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4 if above else 8))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


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
    left_out = len(hosts) - len(drawn)
    return picture(
        "capacities",
        "Throughput of each host by requests in flight",
        " ".join(told),
        "Points are measured; the line is the Universal Scalability Law that is nearest to them, where there are three "
        "levels or more; the dotted mark is the limit to use."
        + (f" Of {len(hosts)} hosts, {left_out} are not drawn." if left_out else ""),
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
