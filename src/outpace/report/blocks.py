"""What a page is made of, whatever markup writes it: sections of words, lists, tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outpace.report.words import Words

TEXT, NUMBER, LONG = "", "n", "l"
"""Kinds of columns: numbers are set to the right; sentences get a line of their own on a narrow screen."""


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more; ``quiet`` where it explains what stands beside it."""

    words: Words
    quiet: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    items: Sequence[Words]


@dataclass(frozen=True)
class Pairs:
    """A list of which each item has a head: a term, or a verdict."""

    pairs: Sequence[tuple[str, Words]]


@dataclass(frozen=True)
class Table:
    """Rows of cells under ``columns``, which give each head its kind; the first cell of a row is its head."""

    caption: str
    columns: Mapping[str, str]
    rows: Sequence[Sequence[str | Words]]


@dataclass(frozen=True)
class Figure:
    """``draw`` draws it when it is asked for: not every markup shows figures. Where it gives None there is nothing."""

    draw: Callable[[], Any]


@dataclass(frozen=True)
class Folded:
    """Blocks of which only ``summary`` is seen at first."""

    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Command:
    """A command line, as it was typed."""

    text: str


Block = Paragraph | Items | Pairs | Table | Figure | Folded | Command


@dataclass(frozen=True)
class Section:
    """Blocks under a head; ``name`` is short, for a list of all sections."""

    name: str
    head: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """What an address within the page calls it."""
        return self.name.lower().replace(" ", "-")
