"""``outpace report``: the pages for people, built again from the JSON in a folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outpace.report.publish import write_pages


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser("report", help="build report.html and RESULT.md from the JSON in a folder")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("reports"), metavar="DIR")
    parser.set_defaults(do=_report)


def _report(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    for path in write_pages(given.folder):
        print(path)  # noqa: T201
    return 0
