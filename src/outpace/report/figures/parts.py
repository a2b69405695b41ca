"""How the parts of a request's time look: a colour and, for those who see no colours, a hatch."""

from __future__ import annotations

from outpace.report.figures.canvas import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW

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
