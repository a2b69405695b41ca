"""Reports and capacities from strangers: what cannot be is refused, and what is written stays in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from outpace.command import cli, compare
from outpace.ground.errors import DocumentInvalid
from outpace.judge import capacity
from outpace.report import document as reports
from outpace.report.publish import write_pages
from strangers import CAPACITY, REPORT, refusal, saved


@pytest.fixture
def report() -> dict[str, Any]:
    return json.loads(REPORT.read_text())


@pytest.mark.parametrize("number", [1e308, -1.0, float("nan"), float("inf"), 10**400])
def test_a_report_of_times_that_cannot_be_is_refused(number: float, report: dict[str, Any], tmp_path: Path) -> None:
    report["rounds"][0]["run"]["makespan_ms"] = number
    assert "at $.rounds[0].run.makespan_ms: " in refusal(reports.read, saved(tmp_path, report))


def test_a_count_with_a_point_is_refused_in_a_report(report: dict[str, Any], tmp_path: Path) -> None:
    report["workload"]["prompts"] = 4.0
    assert "4.0 is not of type 'integer'" in refusal(reports.read, saved(tmp_path, report))


def test_rounds_with_a_ratio_and_no_median_are_refused(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report["summary"]["overhead_ratio"]["median"] = None
    saved(tmp_path, report, "report-x.json")
    assert cli.main(["compare", str(tmp_path), str(tmp_path)]) == 2
    assert "no median" in capsys.readouterr().err


@pytest.mark.parametrize("bound", ["MOST_REPORTS", "LARGEST_FOLDER"])
def test_a_folder_is_bounded_as_a_whole(bound: str, tmp_path: Path, report: dict[str, Any]) -> None:
    if bound == "MOST_REPORTS":
        for number in range(reports.MOST_REPORTS + 1):
            saved(tmp_path, report, f"report-{number}.json")
    else:
        for number in range(3):
            with (tmp_path / f"report-{number}.json").open("wb") as file:
                file.truncate(reports.LARGEST_FOLDER // 3 + 1)
    with pytest.raises(DocumentInvalid, match="are the most that are read together"):
        reports.read_all(tmp_path)


@pytest.mark.parametrize("strategy", ["../../x", "/etc/passwd", "a\0b", "CON", "x" * 10_000, "a\nb", "report-x.json"])
def test_pages_and_changes_of_odd_names_stay_in_their_folder(
    strategy: str, report: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    report["strategy"] = strategy
    report["hosts"][0]["name"] = strategy
    saved(folder, report, "report-x.json")
    write_pages(folder)
    assert len(compare.changes(folder, folder, tmp_path / "scratch")) == 1
    assert {each.name for each in tmp_path.rglob("*") if each.is_file()} == {
        "report-x.json",
        "report.html",
        "RESULT.md",
    }


def test_a_page_that_is_a_link_is_replaced_and_not_followed(report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "down").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "down" / "report.html").symlink_to(tmp_path / "precious")
    saved(tmp_path / "down", report, "report-x.json")
    write_pages(tmp_path / "down")
    assert (tmp_path / "precious").read_text() == "precious"


def test_what_would_be_no_text_is_refused_in_writing(report: dict[str, Any], tmp_path: Path) -> None:
    report["hosts"][0]["model"] = "\ud800"
    with pytest.raises(DocumentInvalid, match="half of a surrogate pair"):
        reports.write(tmp_path / "report-x.json", report)


def test_a_capacity_may_be_written_with_a_point_and_not_beyond_all_engines(tmp_path: Path) -> None:
    document = json.loads(CAPACITY.read_text())
    told = next(iter(document["hosts"].values()))
    for key in ("limit", "limit_low", "limit_high"):
        told[key] = float(told[key])
    found = capacity.from_document(capacity.read(saved(tmp_path, document)))
    assert {type(each.capacity.limit) for each in found} == {int}
    told["limit"] = 2**63
    assert ".limit: " in refusal(capacity.read, saved(tmp_path, document))
