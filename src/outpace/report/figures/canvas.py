"""What all figures share: a sheet of so many pixels to draw on, lines with names, and SVG that belongs into a page.

matplotlib draws; what it writes is then made to follow the page. Its ink becomes ``currentColor``, its numbers lose
digits that no eye sees, and its names are kept apart from those of the other figures.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from outpace.ground.errors import shortened
from outpace.report.words import visible

WIDE, NARROW = 880, 300
"""Widths in pixels of the two forms of each figure: for a desk and for a telephone."""
FONT = 11.0
LABEL, GAP = 16.0, 8.0
LETTERS = 24
"""Of a name beside a line."""

INK, MUTED, GRID, PAPER = "#010203", "#040506", "#070809", "#0a0b0c"
"""Stand-ins for the page's own colours; none of them is seen, nor is matplotlib's own font."""
_PAGE = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
_PAGE["font-family: 'DejaVu Sans';"] = ""

# M. Okabe and K. Ito's palette, which people with any kind of colour vision can tell apart, and hatches beside it.
BLUE, SKY, GREEN, ORANGE = "#0072b2", "#56b4e9", "#009e73", "#e69f00"
YELLOW, RED, PURPLE = "#f0e442", "#d55e00", "#cc79a7"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": FONT,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.borderpad": 0,
    "legend.borderaxespad": 0,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.2,
    "path.simplify": False,
}
_NUMBER = re.compile(r"-?\d+\.\d+")
_STAND_IN = re.compile("|".join(_PAGE))


@dataclass(frozen=True)
class Picture:
    """One figure in both its forms, and what is said below it."""

    wide: str
    narrow: str
    caption: str


def picture(name: str, title: str, description: str, caption: str, paint: Callable[[int], Figure]) -> Picture:
    """The figure that ``paint`` draws, at both widths; ``name`` is its own on the page.

    ``title`` and ``description`` stand for it where it is not seen.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # Letters and scripts that matplotlib cannot draw: it need not, for the reader's browser draws the text.
        warnings.simplefilter("ignore", UserWarning)
        wide, narrow = (
            _svg(paint(width), f"{name}-{form}", title, description) for width, form in ((WIDE, "w"), (NARROW, "n"))
        )
    return Picture(wide, narrow, caption)


def sheet(width: int, height: float, **more: Any) -> Figure:
    """An empty figure of so many pixels."""
    figure = Figure(figsize=(width / 72, height / 72), facecolor="none", **more)
    FigureCanvasSVG(figure)
    return figure


@dataclass(frozen=True)
class Chart:
    """Lines from the top down, each with its name, over one horizontal axis; ``spans`` is what each has for drawing.

    All that is drawn in ``axes`` is drawn at pixels from the top; ``width`` is that of its axis in pixels.
    """

    figure: Figure
    axes: Axes
    width: float
    narrow: bool
    spans: list[tuple[float, float]]

    def time_axis(self, end_ms: float, label: str) -> None:
        """Let the axis be one of milliseconds from 0 on."""
        self.axes.set(xlim=(0, end_ms), xlabel=label)
        self.axes.xaxis.set_major_locator(MaxNLocator(4 if self.narrow else 8, steps=[1, 2, 5, 10]))
        self.axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))

    def beside(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write ``text`` right of a place."""
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
        self.axes.annotate(text, (x, y), (5, 0), **place, **style)


def chart(
    width: int, groups: Sequence[Sequence[tuple[str, float]]], marks: Sequence[Artist], letters: int = LETTERS
) -> Chart:
    """A chart of lines, each a name of so many ``letters`` and its height, with ``marks`` explained above.

    A dotted line parts the groups.
    Names stand beside their lines, and on a telephone above them, for nothing is left there beside them.
    """
    narrow = width < WIDE
    label = LABEL if narrow else 0.0
    labels = [len(str(mark.get_label())) for mark in marks] or [0]
    fits = sum(labels) * 6.2 + 40 * len(labels) <= width
    columns = len(labels) if fits else max(1, int(width / (40 + 6.2 * max(labels))))
    head, foot, right = 10 + 14.0 * math.ceil(len(marks) / columns), 36.0, 66.0
    inner = sum(label + room + GAP for group in groups for _, room in group) + GAP * (len(groups) - 1)
    names = [short(name, letters) for group in groups for name, _ in group]
    left = 8.0 if narrow else 12 + 6.6 * max(map(len, names), default=0)
    figure = sheet(width, height := head + inner + foot)
    axes = figure.add_axes((left / width, foot / height, (width - left - right) / width, inner / height))
    axes.set_ylim(inner, 0)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    spans: list[tuple[float, float]] = []
    top = 0.0
    across = axes.get_yaxis_transform()
    for index, group in enumerate(groups):
        if index:
            axes.axhline(top + GAP / 2, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)), clip_on=False)
            top += GAP
        for _, room in group:
            name = names[len(spans)]
            spans.append((top + label, top + label + room))
            if narrow:
                # The lines that pass behind a name would be read as letters.
                box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}
                style: dict[str, Any] = {"transform": across, "va": "center", "clip_on": False, "bbox": box}
                axes.text(0, top + label / 2 + 1, name, zorder=5, **style)
            else:
                place = (0, top + room / 2), (-7, 0), ("axes fraction", "data"), "offset points"
                axes.annotate(name, *place, va="center", ha="right")
            top += label + room + GAP
    figure.legend(handles=list(marks), loc="upper left", ncols=columns)
    return Chart(figure, axes, width - left - right, narrow, spans)


def left_out(what: str, drawn: int, of: int) -> str:
    """A sentence for a caption on what is not drawn; nothing where all is."""
    return f" Of {of} {what}, {of - drawn} are not drawn." if drawn < of else ""


def short(text: str, letters: int) -> str:
    """``text`` for a label: harmless, and at most so many letters."""
    return shortened(visible(text), letters)


def _svg(figure: Figure, name: str, title: str, description: str) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    # The parser reads what matplotlib has just written; no text of a document is in it but escaped, and made visible.
    root = ET.fromstring(written.getvalue())  # noqa: S314
    for element in list(root.iter()):
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
        if element.tag != "text":
            element.text = None
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        if element.tag == "g":
            attributes.pop("id", None)  # nothing refers to a group
        element.attrib.clear()
        element.attrib.update({key: _of_the_page(key, value, name) for key, value in attributes.items()})
    for element in root.findall("metadata"):
        root.remove(element)
    width, height = (float(side) for side in root.attrib["viewBox"].split()[2:])
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": f"0 0 {width:g} {height:g}",
            "role": "img",
            "aria-labelledby": f"{name}-t {name}-d",
            # A telephone held sideways has room for the narrow form to grow.
            "style": f"max-width:{width if width >= WIDE else width * 1.6:g}px",
        }
    )
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        told = ET.Element(tag, id=f"{name}-{tag[0]}")
        told.text = visible(text, longest=2000)
        root.insert(place, told)
    return ET.tostring(root, encoding="unicode")


def _of_the_page(key: str, value: str, name: str) -> str:
    """An attribute's value with the page's colours, names of this figure's own, and no more digits than are seen."""
    if key in ("id", "href"):
        return f"#{name}-{value[1:]}" if key == "href" else f"{name}-{value}"
    shown = _STAND_IN.sub(lambda found: _PAGE[found[0]], value)
    shown = _NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), shown)
    return " ".join(shown.replace("url(#", f"url(#{name}-").split())
