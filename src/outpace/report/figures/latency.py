"""Where the time of answers went, host by host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from outpace.report.figures.canvas import MUTED, Picture, chart, left_out, picture
from outpace.report.figures.parts import look, marks
from outpace.report.latency import PARTS, HostTime, Latency
from outpace.report.words import ms, share

MOST_HOSTS = 40


def time_by_host(latency: Latency, name: str) -> Picture | None:
    """A stacked bar a host: the mean time of an answer, by what it was spent on."""
    hosts = [host for host in latency.hosts if host.answers][:MOST_HOSTS]
    if not hosts:
        return None
    return picture(
        name,
        f"Where the time of an answer went under {latency.strategy}",
        " ".join(f"{host.host}: {_in_words(host)}." for host in hosts),
        "The mean over all answers of all rounds; what an engine does not tell is within the part that follows it."
        + left_out("hosts", len(hosts), len(latency.hosts)),
        lambda width: _time_by_host(hosts, latency, width),
    )


def _in_words(host: HostTime) -> str:
    return "; ".join(f"{PARTS[name]} {ms(part.mean_ms)}, {share(part.share)}" for name, part in host.parts.items())


def _time_by_host(hosts: Sequence[HostTime], latency: Latency, width: int) -> Figure:
    bars = [(f"{host.host}{what}", host) for what, host in latency.alone]
    bars += [(str(host.host), host) for host in hosts]
    used = [name for name in PARTS if any(name in host.parts and host.parts[name].mean_ms for _, host in bars)]
    height = 15.0 if len(bars) <= 12 else 9.0
    found = chart(width, [[(name, height) for name, _ in bars]], marks(used))
    longest_ms = 0.0
    for index, (_, host) in enumerate(bars):
        top, bottom = found.spans[index]
        end_ms = 0.0
        for name, part in host.parts.items():
            length_ms = part.mean_ms * part.told / host.answers
            fill, hatch = look(name)
            style: dict[str, Any] = {"color": fill, "hatch": hatch, "edgecolor": MUTED, "linewidth": 0.5}
            drawn = found.axes.barh((top + bottom) / 2, length_ms, bottom - top, end_ms, **style)
            drawn.patches[0].set_hatchcolor("#000000")
            end_ms += length_ms
        found.beside(end_ms, (top + bottom) / 2, ms(end_ms))
        longest_ms = max(longest_ms, end_ms)
    found.time_axis(longest_ms or 1.0, "ms an answer, mean")
    return found.figure
