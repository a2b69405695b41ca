"""A recording's file that grows with its session: the same as if it were written at once, never too large to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.ground.errors import DocumentInvalid
from outpace.recording import growing, har, journal
from outpace.recording.growing import GrowingFile
from outpace.recording.journal import journal_of
from outpace.recording.recording import Recording

FOUND = har.read(REPOSITORY / "bench" / "recordings" / "ollama-np1.json")


def write(file: GrowingFile, begin: int, end: int, runs: int = 1) -> None:
    file.write(replace(FOUND, exchanges=FOUND.exchanges[begin:end], runs=FOUND.runs[:runs]))


def written(path: Path, cuts: Sequence[int]) -> GrowingFile:
    """A file that grew by the exchanges up to each of ``cuts``, with a run more each time."""
    file, at = GrowingFile(path), 0
    for runs, end in enumerate(cuts, 1):
        write(file, at, end, runs)
        at = end
    return file


def at_once(end: int, runs: int) -> Recording:
    return replace(FOUND, exchanges=FOUND.exchanges[:end], runs=FOUND.runs[:runs])


grown = st.lists(st.integers(0, 40), min_size=1, max_size=6).map(sorted)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=grown)
def test_whenever_it_is_read_it_holds_what_there_was_and_in_the_end_is_as_if_written_at_once(
    cuts: list[int], tmp_path: Path
) -> None:
    grown, whole = tmp_path / "grown.json", tmp_path / "whole.json"
    for runs in range(1, len(cuts) + 1):
        file = written(grown, cuts[:runs])
        assert har.read(grown) == at_once(cuts[runs - 1], runs)
    file.close()
    har.write(whole, at_once(cuts[-1], len(cuts)))
    assert grown.read_bytes() == whole.read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["grown.json", "whole.json"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=grown, left=st.floats(0, 1))
def test_whoever_is_killed_while_writing_loses_no_run_that_was_written(
    cuts: list[int], left: float, tmp_path: Path
) -> None:
    written(tmp_path / "r.json", cuts)
    kept = journal_of(tmp_path / "r.json")
    if kept.exists():
        lines = kept.read_bytes()
        kept.write_bytes(lines[: round(left * len(lines))])
    found = har.read(tmp_path / "r.json")
    assert found == at_once(len(found.exchanges), len(found.runs))
    if not kept.exists() or left == 1.0:
        assert len(found.runs) == len(cuts)


def test_a_journal_that_was_taken_in_already_or_is_of_another_session_adds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    file = written(path, [16, 17, 18])
    lines = journal_of(path).read_bytes()
    file.close()
    journal_of(path).write_bytes(lines)  # killed before it was gone
    assert har.read(path) == at_once(18, 3)
    har.write(path, replace(at_once(16, 1), created="2026-01-01T00:00:00+00:00"))
    journal_of(path).write_bytes(lines)
    assert len(har.read(path).runs) == 1
    odd = {"_outpace": {"created": "2026-01-01T00:00:00+00:00", "runs": []}, "entries": 3}
    for line in (
        "no JSON",
        '{"after": [1, 16], "part": {"log": {}}}',
        json.dumps({"after": [1, 16], "part": {"log": odd}}),
    ):
        journal_of(path).write_text(line + "\n")
        assert len(har.read(path).runs) == 1


def test_what_was_said_may_hold_whatever_ends_a_line(tmp_path: Path) -> None:
    odd = replace(FOUND.exchanges[16], sent="a\u2028b\x85c\nd")
    file = written(tmp_path / "r.json", [16])
    file.write(replace(FOUND, exchanges=(odd,), runs=FOUND.runs[:2]))
    assert journal_of(tmp_path / "r.json").exists()
    assert har.read(tmp_path / "r.json").exchanges[16:] == (odd,)


def test_what_follows_in_a_journal_is_held_against_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    written(path, [16, 17])
    lines = journal_of(path).read_text()
    journal_of(path).write_text(lines.replace('"status":200', '"status":"fine"'))
    with pytest.raises(DocumentInvalid, match="with its journal does not match"):
        har.read(path)


def test_what_is_written_grows_as_the_session_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sixty runs as of a hundred and twenty: whole files and journals are a few times what is there in the end."""
    sizes: list[int] = []
    whole, line = growing.write_whole, journal.append
    monkeypatch.setattr(growing, "write_whole", lambda path, text: sizes.append(len(text)) or whole(path, text))
    monkeypatch.setattr(journal, "append", lambda path, text: sizes.append(len(text)) or line(path, text))
    for runs in (60, 120):
        sizes.clear()
        file = GrowingFile(tmp_path / f"{runs}.json")
        named = [replace(FOUND.runs[0], name=f"pull#{number}") for number in range(runs)]
        for number in range(runs):
            file.write(replace(FOUND, exchanges=FOUND.exchanges[:8], runs=tuple(named[: number + 1])))
        file.close()
        assert len(har.read(tmp_path / f"{runs}.json").runs) == runs
        assert len(sizes) > runs
        assert sum(sizes) < 4 * (tmp_path / f"{runs}.json").stat().st_size


def test_what_was_written_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(growing, "to_har", lambda part: made.append(len(part.exchanges)) or har.to_har(part))
    file = GrowingFile(tmp_path / "r.json")
    for number in range(5):
        write(file, 8 * number, 8 * (number + 1))
    assert [count for count in made if count] == [8] * 5
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
