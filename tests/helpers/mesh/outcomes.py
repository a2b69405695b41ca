"""What a session of tests found, in tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

_ROW = "row of a table"


class Tables:
    """Where a test puts its rows: into its own report, which comes back from whichever process it ran in."""

    def __init__(self, test: pytest.Item) -> None:
        self._kept = test.user_properties

    def add(self, title: str, head: Sequence[str], row: Sequence[str]) -> None:
        """Put ``row`` into the table ``title``, whose columns are ``head``."""
        self._kept.append((_ROW, [title, [*head], [*row]]))


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """All tables in Markdown, their rows in the order in which the tests stand in their files."""
    tables: dict[str, list[Sequence[str]]] = {}
    for report in sorted(reports, key=lambda report: (report.location[0], report.location[1] or 0)):
        for title, head, row in _rows(report):
            tables.setdefault(title, [head]).append(row)
    shown: list[str] = []
    for title, (head, *rows) in tables.items():
        shown += ["", f"{title}:", "", _line(head), "|" + "---|" * len(head), *map(_line, rows)]
    return shown


def _rows(report: pytest.TestReport) -> list[Any]:
    return [value for name, value in report.user_properties if name == _ROW and report.when == "call"]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
