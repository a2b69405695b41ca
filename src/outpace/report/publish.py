"""What a session leaves behind for people and for CI, beside its reports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from outpace.ground.documents import write_whole
from outpace.judge.comparison import Comparison
from outpace.report import step_summary

ACTION_FILE = "benchmark-action.json"


def publish(folder: Path, comparisons: Iterable[Comparison], invocation: str | None) -> list[Path]:
    """Write report.html, RESULT.md and the figures for github-action-benchmark into ``folder``.

    Where ``GITHUB_STEP_SUMMARY`` names a file, RESULT.md is appended to it as far as there is room. Gives the paths for
    people. Raises ``OSError``.
    """
    paths = write_pages(folder, invocation)
    write_action_file(folder, comparisons)
    if target := os.environ.get(step_summary.VARIABLE):
        step_summary.append(Path(target), paths[1])
    return paths


def write_pages(folder: Path, invocation: str | None = None) -> list[Path]:
    """Tell the reports in ``folder`` as report.html and RESULT.md beside them; ``invocation`` is what measured them.

    Raises ``DocumentInvalid`` or ``OSError``.
    """
    from outpace.report import (  # matplotlib takes a while to load, and not every session publishes
        html,
        markdown,
        story,
    )

    told = story.read(folder)
    pages = {folder / each.FILE: each.render(told, invocation) for each in (html, markdown)}
    for path, page in pages.items():
        write_whole(path, page)
    return list(pages)


def write_action_file(folder: Path, comparisons: Iterable[Comparison]) -> None:
    """Write the overhead ratios as github-action-benchmark's ``customSmallerIsBetter`` reads them."""
    figures = []
    for comparison in comparisons:
        ratio = comparison.ratio
        if ratio is None:
            continue
        told = {"name": f"overhead ratio, {comparison.strategy}", "unit": "ratio", "value": round(ratio.median, 6)}
        if ratio.low is not None and ratio.high is not None:
            told["range"] = f"{ratio.low:.3f} to {ratio.high:.3f}"
        figures.append(told)
    write_whole(folder / ACTION_FILE, json.dumps(figures, indent=1) + "\n")
