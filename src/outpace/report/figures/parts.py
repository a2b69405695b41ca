"""How the parts of a request's time look: a colour and, for those who see no colours, a hatch."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.patches import Patch

from outpace.report.figures.canvas import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, RED, SKY, YELLOW
from outpace.report.latency import PARTS

LOOKS: dict[str, tuple[str, str | None]] = {
    "network": (ORANGE, "////"),
    "queue": (YELLOW, "---"),
    "load": (PURPLE, "xxxx"),
    "prompt": (BLUE, None),
    "generation": (SKY, None),
    "working": (GREEN, None),
    "failed attempt": (RED, None),
    "copy that lost": ("none", "\\\\\\\\"),
}


def look(kind: str) -> tuple[str, str | None]:
    """Fill and hatch of one kind of time."""
    return LOOKS[kind]


def marks(kinds: Iterable[str]) -> list[Patch]:
    """What stands in a legend for each kind of time."""
    drawn = []
    for kind in kinds:
        fill, hatch = look(kind)
        mark = Patch(facecolor=fill, hatch=hatch, edgecolor=MUTED, label=PARTS.get(kind, kind))
        mark.set_hatchcolor(INK if fill == "none" else "#000000")
        drawn.append(mark)
    return drawn
