"""What a regression says: which strategy, which prompt, from what to what."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from harness import REPOSITORY
from outpace.report import document
from outpace.report.difference import differences
from outpace.suite.regression import unexpected

KEPT = REPOSITORY / "bench" / "recordings" / "ollama-np1" / "report-serial-per-side.json"


@pytest.fixture
def kept() -> dict:
    return document.read(KEPT)


def test_equal_reports_have_no_difference_whoever_wrote_them(kept: dict) -> None:
    assert differences(kept, {**copy.deepcopy(kept), "outpace": "99.0", "created": "2030-01-01T00:00:00+00:00"}) == []


def test_a_changed_makespan_is_told_from_what_to_what(kept: dict) -> None:
    new = copy.deepcopy(kept)
    new["rounds"][1]["run"]["makespan_ms"] = 4000.0
    was = kept["rounds"][1]["run"]["makespan_ms"]
    assert differences(kept, new) == [f"round 2, run: makespan_ms: from {was} to 4000.0"]


def test_a_prompt_that_changed_hosts_is_named(kept: dict) -> None:
    new = copy.deepcopy(kept)
    new["rounds"][0]["run"]["requests"][3]["host"] = "laptop"
    assert differences(kept, new) == ["round 1, run, prompt 3: host: from desktop to laptop"]


def test_a_changed_order_is_told(kept: dict) -> None:
    new = copy.deepcopy(kept)
    requests = new["rounds"][0]["run"]["requests"]
    requests[0]["start_ms"], requests[2]["start_ms"] = requests[2]["start_ms"], requests[0]["start_ms"]
    assert any("order of starts: from [0, 1, 3, 2" in line for line in differences(kept, new))


def test_a_prompt_that_is_lost_is_told_with_its_reason(kept: dict) -> None:
    new = copy.deepcopy(kept)
    new["rounds"][0]["run"]["requests"][5]["error"] = "cut: dropped"
    assert "round 1, run, prompt 5: error: from nothing to cut: dropped" in differences(kept, new)


def test_many_differences_are_counted_and_not_all_listed(kept: dict) -> None:
    new = copy.deepcopy(kept)
    for each in new["rounds"]:
        for request in each["run"]["requests"]:
            request["wall_ms"] += 1
            request["server_ms"] += 1
    found = differences(kept, new)
    assert len(found) == 21
    assert found[-1] == "and 28 more"


def test_new_figures_are_kept_when_they_are_accepted(kept: dict, tmp_path: Path) -> None:
    new = copy.deepcopy(kept)
    new["rounds"][0]["run"]["makespan_ms"] = 1.0
    report, expected = tmp_path / "new.json", tmp_path / "kept" / "report.json"
    document.write(report, new)
    assert unexpected(report, expected) == [f"no report is kept at {expected}"]
    document.write(expected, kept)
    assert unexpected(report, expected)
    assert unexpected(report, expected, accept=True) == []
    assert json.loads(expected.read_text()) == new
