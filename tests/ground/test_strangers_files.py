"""Files from strangers, whatever they hold or are: told in a paragraph, never waited for, never all in memory."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outpace.ground import documents, schemas
from outpace.ground.errors import DocumentInvalid
from outpace.judge import capacity
from outpace.recording import har
from outpace.report import document as reports
from strangers import RECORDING, REPORT, refusal, saved

READERS: dict[str, Callable[[Path], Any]] = {
    "report": reports.read,
    "recording": har.read,
    "capacity": capacity.read,
    "HAR": lambda path: documents.read_plain(path, "HAR"),
}


@pytest.fixture
def recording() -> dict[str, Any]:
    return json.loads(RECORDING.read_text())


NOT_JSON = {
    "nothing": b"",
    "a word": b"hello",
    "not UTF-8": b'{"log": "\xff"}',
    "UTF-16": '{"log": 1}'.encode("utf-16"),
    "a number of 100,000 digits": b'{"log": ' + b"1" * 100_000 + b"}",
    "lists 100,000 deep": b'{"log": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects 100,000 deep": b'{"log": ' * 100_000 + b"1" + b"}" * 100_000,
    "two documents": b"{} {}",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("what", NOT_JSON)
def test_what_is_no_json_is_refused_in_a_paragraph(what: str, reader: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(NOT_JSON[what])
    assert "is not JSON" in refusal(READERS[reader], tmp_path / "r.json")


def test_a_byte_order_mark_is_no_reason_to_refuse_a_recording(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"\xef\xbb\xbf" + RECORDING.read_bytes())
    assert har.read(tmp_path / "r.json") == har.read(RECORDING)


@pytest.mark.parametrize("depth", range(300, 1000, 20))
def test_nesting_that_a_parser_takes_is_refused_too(depth: int, recording: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(recording).replace('"version": "1.2"', '"version": ' + "[" * depth + "]" * depth)
    refusal(har.read, saved(tmp_path, text))


def _folder(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _circle(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("make", [_folder, _fifo, _device, _dangling, _circle])
def test_what_is_no_file_is_not_waited_for(make: Callable[[Path], None], reader: str, tmp_path: Path) -> None:
    make(tmp_path / "report-x.json")
    assert "cannot be read" in refusal(READERS[reader], tmp_path / "report-x.json")


@pytest.mark.parametrize("name", ["a\0b.json", "x" * 5000], ids=["NUL", "long"])
def test_a_name_that_no_file_has_is_told(name: str) -> None:
    with pytest.raises(DocumentInvalid, match="cannot be read"):
        har.read(Path(name))


def test_a_document_larger_than_the_bound_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with path.open("wb") as file:
        file.truncate(documents.LARGEST_DOCUMENT + 1)
    tracemalloc.start()
    try:
        assert "is larger than 192 MiB" in refusal(har.read, path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_document_of_too_many_values_is_refused_before_they_are_objects(tmp_path: Path) -> None:
    path = saved(tmp_path, '{"log": [' + "[]," * (documents.MOST_VALUES // 2) + "[]]}")
    size = path.stat().st_size
    tracemalloc.start()
    try:
        assert "values, and 8,000,000 are the most" in refusal(har.read, path)
        assert tracemalloc.get_traced_memory()[1] < 4 * size
    finally:
        tracemalloc.stop()


def test_values_are_counted_outside_of_texts_alone() -> None:
    text = json.dumps({"a,b:[{": ['\\",[', "\\", {}], "c": "[" * 9})
    assert sum(documents._STRING.sub(b"", text.encode()).count(each) for each in b"[{,:") == 4 + 4


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 3_000_000, b'"\\' * 3_000_000, b'"' * 9_000_001])
def test_texts_without_an_end_are_passed_over_in_linear_time(text: bytes) -> None:
    began = time.process_time()
    documents._STRING.sub(b"", text)
    assert time.process_time() - began < 20


def test_what_is_nested_deeper_than_it_can_be_told_is_refused() -> None:
    """Which depth a parser takes is for each Python to say; an error tells what it found to any depth."""
    deep: Any = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(DocumentInvalid, match="nested too deep"):
        schemas.validate({"log": deep}, "recording", "It")


def test_an_error_repeats_no_more_than_a_line_of_a_document(tmp_path: Path, recording: dict[str, Any]) -> None:
    recording["log"]["_outpace"]["hosts"] = "x" * 100_000
    assert "xxx…" in refusal(har.read, saved(tmp_path, recording))


def test_names_of_files_and_fields_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    assert r"\x1b[2J" in refusal_of(tmp_path / "\x1b[2J.json")
    report = json.loads(REPORT.read_text())
    report["summary"]["hosts"] = {"\x1b[2J\n::error::" + "y" * 10_000: {}}
    refusal(reports.read, saved(tmp_path, report))


def refusal_of(path: Path) -> str:
    with pytest.raises(DocumentInvalid) as raised:
        har.read(path)
    assert str(raised.value).isprintable()
    return str(raised.value)
