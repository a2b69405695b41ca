"""Two sessions side by side: what was the same, what was not, and why."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from harness import REPOSITORY
from outpace.command import cli
from outpace.report import document, markdown
from outpace.report.side_by_side import blocks

PUBLISHED = REPOSITORY / "reports" / "phase-0"
OURS = REPOSITORY / "reports" / "embedded-slots-1"


def reports(folder: Path) -> dict[str, Any]:
    return {report["strategy"]: report for report in document.read_all(folder)}


def told(before: dict[str, Any], after: dict[str, Any], **kinds: str) -> str:
    return markdown.section("Beside the other", blocks(before, after, kinds))


def parts(text: str) -> tuple[str, str]:
    """What was the same, and what was not."""
    same, _, other = text.partition("Not the same:")
    return same.partition("The same:")[2], other


def test_a_session_beside_itself_is_the_same() -> None:
    same, other = parts(told(reports(OURS), reports(OURS)))
    assert other.strip() == "- nothing."
    assert "serial-per-side's overhead ratio" in same
    assert "all-parallel's gate: pass." in same


def test_what_was_not_the_same_has_its_reason() -> None:
    _, other = parts(told(reports(PUBLISHED), reports(OURS), a="batches", b="queues"))
    assert "serial-per-side's overhead ratio: 0.866 before, " in other
    assert "The slower host took 2.10" in other
    assert "all-parallel's gate: fail before, pass after." in other
    assert "What requests at once do to a host decides it: now a batches, b queues." in other


def test_figures_stand_beside_each_other_by_the_hosts_part() -> None:
    text = told(reports(PUBLISHED), reports(OURS))
    assert "| serial-per-side, added latency of the baseline's host | 28 ms (2 to 60) |" in text
    assert "| serial-per-side, added latency of host 2 | 22 ms (13 to 30) |" in text
    assert "| all-parallel, makespan of the set | not told |" in text


def test_only_a_longer_way_is_explained_by_connections() -> None:
    before, after = reports(OURS), copy.deepcopy(reports(OURS))
    figures = after["serial-per-side"]["summary"]["hosts"]
    for factor, said in ((3.0, True), (0.3, False)):
        for name, host in before["serial-per-side"]["summary"]["hosts"].items():
            figures[name]["added_latency_ms"]["mean"] = host["added_latency_ms"]["mean"] * factor
        assert ("closes the connection" in parts(told(before, after))[1]) is said


def test_a_ratio_within_the_interval_is_the_same() -> None:
    after = reports(REPOSITORY / "reports" / "embedded-unequal")
    before = copy.deepcopy(after)
    found = after["serial-per-side"]["summary"]["overhead_ratio"]
    for ratio, held in ((found["low"], True), (found["low"] - 0.01, False), (found["high"] + 0.01, False)):
        before["serial-per-side"]["summary"]["overhead_ratio"]["median"] = ratio
        assert ("serial-per-side's overhead ratio" in parts(told(before, after))[0]) is held


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", str(PUBLISHED), str(OURS), "--markdown"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("## Beside phase-0\n\nSide by side:\n")
    assert "Not the same:" in said
