"""What a session of tests found, in tables for people."""

from __future__ import annotations

from collections.abc import Sequence


class Tables:
    """Tables by their titles, in the order in which they were begun; a row is put in where its test ran through."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Sequence[str]]] = {}

    def add(self, title: str, head: Sequence[str], row: Sequence[str]) -> None:
        """Put ``row`` into the table ``title``, whose columns are ``head``."""
        self._tables.setdefault(title, [head]).append(row)

    def lines(self) -> list[str]:
        """All of it in Markdown."""
        lines: list[str] = []
        for title, (head, *rows) in self._tables.items():
            lines += ["", f"{title}:", "", _line(head), "|" + "---|" * len(head), *map(_line, rows)]
        return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
