"""A recording's file that grows with its session: the same as if it were written at once, never too large to read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.recording import growing, har
from outpace.recording.growing import GrowingFile

FOUND = har.read(REPOSITORY / "bench" / "recordings" / "ollama-np1.json")


def write(file: GrowingFile, begin: int, end: int, runs: int = 1) -> None:
    file.write(replace(FOUND, exchanges=FOUND.exchanges[begin:end], runs=FOUND.runs[:runs]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 40), max_size=5))
def test_it_is_what_would_be_written_at_once(cuts: list[int], tmp_path: Path) -> None:
    file, at = GrowingFile(tmp_path / "grown.json"), 0
    for end in sorted(cuts):
        write(file, at, end)
        at = end
        har.write(tmp_path / "whole.json", replace(FOUND, exchanges=FOUND.exchanges[:end], runs=FOUND.runs[:1]))
        assert (tmp_path / "grown.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_what_was_written_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(growing, "to_har", lambda part: made.append(len(part.exchanges)) or har.to_har(part))
    file = GrowingFile(tmp_path / "r.json")
    for number in range(5):
        write(file, 8 * number, 8 * (number + 1))
    assert made == [8] * 5
    assert har.read(tmp_path / "r.json").exchanges == FOUND.exchanges[:40]


@pytest.mark.parametrize(
    ("where", "name", "why"),
    [
        (growing, "LARGEST_DOCUMENT", "0 MiB are the most that are read"),
        (growing, "MOST_VALUES", "5 values are the most that are read"),
        (har, "MOST_RUNS", "it has 6 runs, and 5 are the most that are replayed"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(where, name, why, tmp_path, monkeypatch) -> None:
    file = GrowingFile(tmp_path / "r.json")
    write(file, 0, 8, runs=5)
    before = (tmp_path / "r.json").read_bytes()
    monkeypatch.setattr(where, name, 5)
    write(file, 8, 16, runs=6)
    assert (tmp_path / "r.json").read_bytes() == before
    assert file.full is not None
    assert file.full.endswith(
        f"up to the run before {FOUND.runs[5].name}: with more it could not be read again, for {why}."
    )
