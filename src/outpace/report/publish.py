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
    if comparisons := list(comparisons):
        write_action_file(folder, comparisons)
    if target := os.environ.get(step_summary.VARIABLE):
        step_summary.append(Path(target), paths[-1])
    return paths


def write_pages(folder: Path, invocation: str | None = None) -> list[Path]:
    """Tell the reports in ``folder`` as report.html and RESULT.md beside them; ``invocation`` is what measured them.

    Rates and loads are told before the rest. Raises ``DocumentInvalid`` or ``OSError``.
    """
    from outpace.report import (  # matplotlib takes a while to load, and not every session publishes
        arrived,
        html,
        markdown,
        story,
    )

    come = arrived.read(folder)
    if not come or any(folder.glob("report-*.json")):
        told = story.read(folder)
        pages = {html.FILE: html.render(told, invocation, [each.section for each in come])}
        pages[markdown.FILE] = "\n".join([*map(arrived.in_markdown, come), markdown.render(told, invocation)])
    else:
        pages = {html.FILE: arrived.in_html(come, invocation)}
        pages[markdown.FILE] = "\n".join(map(arrived.in_markdown, come))
    for name, page in pages.items():
        write_whole(folder / name, page)
    return [folder / name for name in pages]


def write_action_file(folder: Path, comparisons: Iterable[Comparison]) -> None:
    """Write set gains and overhead ratios as github-action-benchmark's ``customSmallerIsBetter`` reads them.

    A gain is told by its inverse, the time against that of the best alone: there is one direction for all of a file.
    What cannot be is left out: it would be the best that ever was.
    """
    figures = []
    for each in (each for each in comparisons if not each.impossible):
        against = each.gain.inverse if each.gain and each.gain.median else None
        for what, found in (("time against the best alone", against), ("overhead ratio", each.ratio)):
            if found is not None:
                told = {"name": f"{what}, {each.strategy}", "unit": "ratio", "value": round(found.median, 6)}
                if found.low is not None and found.high is not None:
                    told["range"] = f"{found.low:.3f} to {found.high:.3f}"
                figures.append(told)
    write_whole(folder / ACTION_FILE, json.dumps(figures, indent=1) + "\n")
