"""Recordings at their edges: prompts given twice, hosts below a path, events and lines of odd forms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness import REPOSITORY, ThreadedHosts, ollama
from outpace.ground.errors import DocumentInvalid
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.redaction import _blot_chunks
from outpace.suite.regression import replay
from outpace.workload.prompts import workload

PUBLISHED = REPOSITORY / "bench" / "recordings" / "phase-0.json"


def test_a_session_with_a_prompt_given_twice_can_be_replayed(tmp_path: Path) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        work = workload(["same words", "other words", "same words"])
        with Session(Settings(hosts=hosts.hosts, record=tmp_path / "r.json", workload=work, baseline="a")) as session:
            measurement = Measurement(session, "serial-per-side", report_dir=tmp_path)
            measurement.measure(1)
    assert not replay(tmp_path / "r.json", "serial-per-side", tmp_path).rounds[0].run.failed


def below(*paths: str):
    found = har.read(PUBLISHED)
    hosts = tuple(replace(h, url=f"http://local:11434{p}") for h, p in zip(found.hosts, paths, strict=True))
    by_name = {host.name: path for host, path in zip(hosts, paths, strict=True)}
    moved = tuple(replace(each, path=by_name[each.host] + each.path) for each in found.exchanges)
    return replace(found, hosts=hosts, exchanges=moved)


def test_a_host_below_a_path_is_read_as_it_was_written() -> None:
    found = below("/one", "/two")
    assert har.from_har(har.to_har(found)) == found


def test_hosts_below_two_paths_of_one_address_are_refused(tmp_path: Path) -> None:
    har.write(tmp_path / "r.json", below("/one", "/two"))
    with pytest.raises(DocumentInvalid, match="the same name or the same address"):
        har.read(tmp_path / "r.json")


def test_an_event_without_a_space_before_its_data_stays_an_event() -> None:
    assert _blot_chunks(((0.0, b'data:{"content":"hello"}\n'),)) == ((0.0, b'data:{"content":"xxxxx"}\n'),)


def test_a_line_that_is_nested_too_deep_is_blotted_whole() -> None:
    assert _blot_chunks(((0.0, b"[" * 100_000 + b"\n"),)) == ((0.0, b"x" * 100_000 + b"\n"),)


def test_a_whole_number_of_slots_may_be_written_with_a_point(tmp_path: Path) -> None:
    document = json.loads(PUBLISHED.read_text())
    document["log"]["_outpace"]["hosts"][0]["slots"] = 4.0
    (tmp_path / "r.json").write_text(json.dumps(document))
    assert not replay(tmp_path / "r.json", "serial-per-side", tmp_path).rounds[0].run.failed
