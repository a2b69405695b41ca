"""Tables in a terminal: columns, set to the left or to the right by their kind."""

from __future__ import annotations

from collections.abc import Sequence

from outpace.report.blocks import NUMBER, Table
from outpace.report.words import Words, visible


def columns(table: Table) -> str:
    """The table, a line a row, under its heads."""
    rows = [list(table.columns), *([plain(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.columns))]
    kinds = list(table.columns.values())
    return "\n".join(_line(row, widths, kinds) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int], kinds: Sequence[str]) -> str:
    cells = [
        cell.rjust(width) if kind == NUMBER else cell.ljust(width)
        for cell, width, kind in zip(row, widths, kinds, strict=True)
    ]
    return "  ".join(cells).rstrip()


def plain(words: str | Words) -> str:
    """Words as one line of a terminal."""
    return visible(words if isinstance(words, str) else "".join(words), longest=10_000)
