"""The summary of a step: GitHub shows none of a file above 1 MiB, so what does not fit is cut, and said to be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.report import step_summary
from outpace.report.publish import publish
from outpace.report.step_summary import LARGEST, VARIABLE, append, fitted
from report_documents import keep, report

WHOLE = Path("reports/RESULT.md")
lines = st.lists(
    st.sampled_from(["", "| a | ü |", "text", "```sh", "```", "````", "outpace run", "ключ" * 9]), max_size=30
)


@given(lines, st.integers(0, 900))
def test_what_is_kept_fits_is_whole_lines_closes_its_code_and_says_where_the_rest_is(
    found: list[str], room: int
) -> None:
    text = "\n".join(found) + "\n"
    shown = fitted(text, room, WHOLE)
    assert len(shown.encode()) <= room
    if shown and shown != text:
        kept, _, word = shown.partition("\n> Cut short: ")
        assert str(WHOLE) in word
        assert text.startswith(kept)
        assert kept == "" or kept.endswith("\n")
        fence = ""
        for line in kept.splitlines():
            if fence and line == fence:
                fence = ""
            elif not fence and line.startswith("```"):
                fence = line.rstrip("sh")
        assert fence == ""
    assert (shown == text) == (len(text.encode()) <= room)


def test_a_session_whose_story_is_longer_leaves_a_part_and_names_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, report([0.5, 0.6, 0.7]))
    summary = tmp_path / "summary.md"
    monkeypatch.setenv(VARIABLE, str(summary))
    monkeypatch.setattr(step_summary, "LARGEST", 2048)
    publish(tmp_path, [], "outpace run")
    whole = (tmp_path / "RESULT.md").read_text()
    kept, _, word = summary.read_text().partition("\n> Cut short: ")
    assert len(whole.encode()) > 2048 >= summary.stat().st_size
    assert whole.startswith(kept)
    assert len(kept) > 1000
    assert str(tmp_path / "RESULT.md") in word


@pytest.mark.parametrize("before", [0, LARGEST // 2, LARGEST - 300, LARGEST - 10, LARGEST + 10])
def test_what_others_wrote_into_the_step_counts(tmp_path: Path, before: int) -> None:
    page, summary = tmp_path / "RESULT.md", tmp_path / "summary.md"
    page.write_text("a line of a table\n" * 40_000)
    summary.write_text("x" * before)
    append(summary, page)
    size = summary.stat().st_size
    assert before <= size <= max(before, LARGEST)
    assert ("Cut short" in summary.read_text()) == (0 < size - before < page.stat().st_size)
