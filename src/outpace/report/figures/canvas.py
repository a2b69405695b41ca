"""What all figures share: a sheet of so many pixels to draw on, and SVG that belongs into a page.

matplotlib draws; what it writes is then made to follow the page. Its ink becomes ``currentColor``, its text takes the
page's font, its numbers lose digits that no eye sees, and its names are kept apart from those of the other figures.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from outpace.ground.errors import shortened
from outpace.report.words import visible

WIDE, NARROW = 880, 300
"""Widths in pixels of the two forms of each figure: for a desk and for a telephone."""
FONT = 11.0

INK, MUTED, GRID, PAPER = "#010203", "#040506", "#070809", "#0a0b0c"
"""Stand-ins for the page's own colours; none of them is drawn."""
_PAGE = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}

# M. Okabe and K. Ito's palette, which people with any kind of colour vision can tell apart, and hatches beside it.
BLUE, SKY, GREEN, ORANGE, YELLOW, RED, PURPLE = (
    "#0072b2",
    "#56b4e9",
    "#009e73",
    "#e69f00",
    "#f0e442",
    "#d55e00",
    "#cc79a7",
)

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
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": FONT,
    "path.simplify": False,
}
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SPACE = re.compile(r"\s+")
_KEPT = {"text": {"text-anchor", "font-size", "fill", "font-weight", "opacity"}}


@dataclass(frozen=True)
class Picture:
    """One figure in both its forms, with the words that stand for it where it is not seen."""

    wide: str
    narrow: str
    title: str
    description: str
    caption: str


Paint = Callable[[int], Figure]
"""Draws the figure at a width."""


def picture(name: str, title: str, description: str, caption: str, paint: Paint) -> Picture:
    """The figure that ``paint`` draws, at both widths; ``name`` is its own on the page."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # Letters and scripts that matplotlib cannot draw: it need not, for the reader's browser draws the text.
        warnings.simplefilter("ignore", UserWarning)
        wide, narrow = (_svg(paint(width), f"{name}-{form}", title, description) for width, form in _FORMS)
    return Picture(wide, narrow, title, description, caption)


_FORMS = ((WIDE, "w"), (NARROW, "n"))


def sheet(width: int, height: float) -> Figure:
    """An empty figure of so many pixels."""
    figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
    FigureCanvasSVG(figure)
    return figure


def area(figure: Figure, left: float, top: float, right: float, bottom: float) -> Axes:
    """Axes on ``figure`` with margins in pixels."""
    width, height = figure.get_size_inches() * 72
    inner = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    return figure.add_axes(inner)


def legend(figure: Figure, marks: Sequence[Artist], columns: int, handle: float = 1.8) -> None:
    """What the marks mean, above all axes of ``figure``, so many in a row; each takes ``handle`` ems."""
    figure.legend(
        handles=list(marks),
        loc="upper left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        borderpad=0,
        borderaxespad=0,
        handlelength=handle,
        columnspacing=1.2,
        labelspacing=0.2,
    )


def short(text: str, letters: int) -> str:
    """``text`` for a label: harmless, and at most so many letters."""
    return shortened(visible(text), letters)


def room_for(labels: Sequence[str], letters: int) -> float:
    """The width in pixels that labels of at most so many letters take."""
    return 12 + 6.6 * min(letters, max(map(len, labels), default=0))


def _svg(figure: Figure, name: str, title: str, description: str) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    # The parser reads what matplotlib has just written; no text of a document is in it but escaped, and made visible.
    root = ET.fromstring(written.getvalue())  # noqa: S314
    used = set(_references(root))
    numbers = count(1)
    names = {found: f"{name}-{next(numbers)}" for found in _ids(root) if found in used}
    _adapt(root, names)
    for each in [child for child in root if child.tag in ("metadata", "defs") and not len(child)]:
        root.remove(each)
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


def _references(root: ET.Element) -> Iterator[str]:
    for each in root.iter():
        for key, value in each.attrib.items():
            if key.endswith("href"):
                yield value.removeprefix("#")
            else:
                yield from _REFERENCE.findall(value)


def _ids(root: ET.Element) -> Iterator[str]:
    return (found for each in root.iter() if (found := each.get("id")))


def _adapt(element: ET.Element, names: dict[str, str]) -> None:
    """Make an element and all below it the page's: see the module."""
    element.tag = element.tag.rpartition("}")[2]
    element.tail = None
    if element.tag != "text":
        element.text = None
    attributes: dict[str, str] = {}
    for key, value in element.attrib.items():
        plain = key.rpartition("}")[2]
        if plain == "id":
            if value in names:
                attributes["id"] = names[value]
        elif plain == "href":
            attributes["href"] = f"#{names[value.removeprefix('#')]}"
        elif plain == "style":
            attributes |= _style(element.tag, value, names)
        elif plain != "transform" or not value.startswith("rotate(-0 "):
            attributes[plain] = _shorter(_renamed(value, names))
    element.attrib.clear()
    element.attrib.update(attributes)
    kept = []
    for child in element:
        _adapt(child, names)
        if child.tag in ("metadata", "style") or (child.tag in ("g", "defs") and not len(child)):
            continue
        # A group that says nothing is its content.
        kept += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = kept


def _style(tag: str, style: str, names: dict[str, str]) -> dict[str, str]:
    """The style as attributes, which a page's style sheet can override; colours of the page stay in a style."""
    attributes: dict[str, str] = {}
    page: list[str] = []
    for each in filter(None, map(str.strip, style.split(";"))):
        key, _, value = (part.strip() for part in each.partition(":"))
        if tag in _KEPT and key not in _KEPT[tag]:
            continue
        if value in _PAGE and _PAGE[value].startswith("var"):
            page.append(f"{key}:{_PAGE[value]}")
        else:
            attributes[key] = _shorter(_renamed(_PAGE.get(value, value), names))
    if tag == "text" and "fill" not in attributes and not page:
        attributes["fill"] = "currentColor"
    return attributes | ({"style": ";".join(page)} if page else {})


def _renamed(value: str, names: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", value)


def _shorter(value: str) -> str:
    rounded = _NUMBER.sub(lambda found: f"{round(float(found[0]), 2):g}".replace("-0 ", "0 "), value)
    return _SPACE.sub(" ", rounded).strip()
