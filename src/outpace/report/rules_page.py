"""The page that tells what rules come to, and the same in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from outpace.report import html, markdown
from outpace.report.blocks import NUMBER, Figure, Section, Table
from outpace.report.figures.strategies import rule_gains
from outpace.report.rules import Told, arriving, batch, notes, sections, sentence
from outpace.report.words import Words, visible

HEAD = "What each rule comes to"
QUESTION = "Which rule should share out the requests?"


def pages(told: Told, folder: Path) -> dict[Path, str]:
    """The page in Markdown and as HTML, by where it goes in ``folder``."""
    shown = sections(told)
    blocks = [block for section in shown for block in section.blocks]
    figure = Figure(lambda: rule_gains(told.rules))
    first = Section(shown[0].name, shown[0].head, [figure, *shown[0].blocks])
    return {
        folder / "rules.md": markdown.page(sentence(told), HEAD, blocks),
        folder / "rules.html": html.page(QUESTION, [sentence(told)], "pass", [], [first, *shown[1:]]),
    }


def in_terminal(told: Told) -> str:
    """The sentence first, then the tables in columns, then what is to be known of them."""
    parts = [textwrap.fill(_plain(sentence(told)), 100), _columns(batch(told))]
    if told.arrivals is not None:
        parts.append(f"Arrivals {told.arrivals}:\n" + _columns(arriving(told)))
    parts.append("\n".join(textwrap.fill(_plain(each), 100, subsequent_indent="  ") for each in notes(told)))
    return "\n\n".join(parts)


def _columns(table: Table) -> str:
    rows = [list(table.columns), *([_plain(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.columns))]
    kinds = list(table.columns.values())
    return "\n".join(_line(row, widths, kinds) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int], kinds: Sequence[str]) -> str:
    cells = [
        cell.rjust(width) if kind == NUMBER else cell.ljust(width)
        for cell, width, kind in zip(row, widths, kinds, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _plain(words: str | Words) -> str:
    return visible(words if isinstance(words, str) else "".join(words), longest=10_000)
