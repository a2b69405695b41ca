"""Recordings and reports with anything anywhere: they are read and replayed, or refused by an error of our own."""

from __future__ import annotations

import copy
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.command import compare
from outpace.ground import schemas
from outpace.ground.documents import read_json, write_json
from outpace.ground.errors import DocumentInvalid, OutpaceError
from outpace.judge import capacity
from outpace.recording import har
from outpace.report import document
from outpace.report.publish import write_pages
from outpace.suite.regression import replayed

ASKED = os.environ.get("OUTPACE_STRANGERS")
EXAMPLES = int(ASKED or 50)
"""So many of each kind: the same few in every run of the suite, thousands of others where it is asked for."""
# What matplotlib makes of numbers at the ends of their range looks odd, and is no failure.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:matplotlib", "ignore::RuntimeWarning:numpy")
LONGEST_S = 30.0
RECORDING = json.loads((REPOSITORY / "bench" / "recordings" / "phase-0.json").read_text())
REPORT = json.loads((REPOSITORY / "reports" / "phase-0" / "report-B-serial-per-side.json").read_text())
MEASURED = json.loads((REPOSITORY / "reports" / "embedded-unequal" / "report-hedged.json").read_text())
CAPACITY = json.loads((REPOSITORY / "reports" / "embedded-unequal" / "capacity.json").read_text())

HOSTILE = [
    *(None, True, False, 0, 1, -1, 2, 4.0, 0.5, 1e15, 1e308, -1e308, 5e-324, 2**31, 2**63, 10**300, 10**400),
    *(float("nan"), float("inf"), float("-inf")),
    *("", " ", "x", "local", "../../x", "/etc/passwd", "a\0b", "CON", "\x1b[2J", "\u202e", "\ud800", "a\n::error::"),
    *(
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "0001-01-01T00:00:00+23:59",
        "http://[",
        "http://a:0",
        "file:///",
    ),
    *("http://h", "http://u:p@h/", "HTTP://LOCAL:99999", "0", "1e999", "base64", "n" * 10_000, "\U0001f600" * 50),
    *([], {}, [[]], [None], [0, 0], ["x"], {"": 0}, {"x": "\x1b"}, [[0, 0]], [1e15, 0], [[5.0, 1], [1.0, 1e15]]),
    *('{"done": true, "total_duration": 1e999}', '{"done": true, "eval_count": -1}', "{", "data: {}", "[" * 5000),
]
"""What no honest document holds, or not there."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every value in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, found in inside for each in places(found, (*path, key)))][not path :]


def kind(value: Any) -> type:
    """What a schema tells apart, more or less."""
    return float if type(value) is int else type(value)


def mutated(document: Any, data: st.DataObject) -> Any:
    """``document`` with one to three places replaced by what is hostile or stands elsewhere, left out, or twice."""
    found = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(found)))
        parent = found
        for step in path[:-1]:
            parent = parent[step]
        key, how = path[-1], data.draw(st.sampled_from(["replace", "replace", "replace", "swap", "delete", "twice"]))
        if how == "replace":
            # Of the same kind mostly: a schema takes nothing else, and what lies behind it is to be reached.
            alike = [each for each in HOSTILE if kind(each) == kind(parent[key])]
            pool = alike if alike and data.draw(st.integers(0, 4)) else HOSTILE
            parent[key] = copy.deepcopy(data.draw(st.sampled_from(pool)))
        elif how == "delete":
            del parent[key]
        elif isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        elif how == "swap":
            parent[key] = copy.deepcopy(parent[data.draw(st.sampled_from(sorted(parent)))])
        else:
            parent[f"{key}2"] = parent[key]
        if not places(found):
            break
    return found


def outcome(act: Callable[[Path], Any], document: Any, name: str) -> str | None:
    """What is said where ``act`` refuses a folder with ``document`` in it, None where it does not."""
    with tempfile.TemporaryDirectory() as folder:
        # Some hold half a character, which is written as the escape that it came as.
        Path(folder, name).write_text(json.dumps(document))
        began = time.process_time()
        try:
            act(Path(folder))
        except OutpaceError as error:
            return str(error)
        finally:
            assert time.process_time() - began < LONGEST_S
            assert {each.name for each in Path(folder).rglob("*")} <= {name, "out", *WRITTEN}
    return None


WRITTEN = {"report-x.json", "report-serial-per-side.json", "report-earliest-finish.json", "report.html", "RESULT.md"}


def play(folder: Path) -> None:
    recording = har.read(folder / "r.json")
    for strategy in ("serial-per-side", "earliest-finish"):
        replayed(recording, strategy, folder / "out", rounds=1)
    write_pages(folder / "out")


def tell(folder: Path) -> None:
    write_pages(folder)
    compare.changes(folder, folder, folder / "out")


quickly = settings(max_examples=EXAMPLES, deadline=None, derandomize=not ASKED, suppress_health_check=list(HealthCheck))


@quickly
@given(st.data())
def test_a_recording_with_anything_anywhere_is_replayed_or_refused(data: st.DataObject) -> None:
    outcome(play, mutated(RECORDING, data), "r.json")


@pytest.mark.parametrize("original", [REPORT, MEASURED], ids=["published", "measured"])
@quickly
@given(st.data())
def test_a_report_with_anything_anywhere_is_told_or_refused(original: Any, data: st.DataObject) -> None:
    outcome(tell, mutated(original, data), "report-x.json")


@quickly
@given(st.data())
def test_capacities_with_anything_anywhere_are_told_or_refused(data: st.DataObject) -> None:
    def act(folder: Path) -> None:
        capacity.from_document(capacity.read(folder / capacity.FILE))
        document.write(folder / "report-x.json", REPORT)
        write_pages(folder)

    outcome(act, mutated(CAPACITY, data), capacity.FILE)


@pytest.mark.parametrize(("original", "name"), [(MEASURED, "report"), (CAPACITY, "capacity"), (RECORDING, "recording")])
@quickly
@given(st.data())
def test_what_is_written_can_be_read(original: Any, name: str, data: st.DataObject) -> None:
    """And what Rust and Python find of it is the same."""
    found = mutated(original, data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.json")
        try:
            write_json(path, found, name, compact=data.draw(st.booleans()))
        except DocumentInvalid:
            matches = schemas.explaining(name).is_valid(found)
            assert not matches or "\\ud800" in json.dumps(found)
            return
        assert schemas.explaining(name).is_valid(found)
        assert schemas.quick(name).is_valid(found)
        assert read_json(path, name) == found
