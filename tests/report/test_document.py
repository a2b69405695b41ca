"""Reports: whatever can be measured can be written, read and taken for the same; whatever is no report is refused."""

import copy
import json
import math
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_reports import HOSTS, milliseconds, names, origins, report, rounded, runs
from outpace.ground.errors import DocumentInvalid, HostsError
from outpace.ground.hosts import parse
from outpace.ground.records import BestAlone, FailedAttempt, RequestRecord, Round, Run
from outpace.ground.schemas import validate
from outpace.judge.comparison import compare
from outpace.report.document import HostEntry, Origin, read, rounds_from, this_machine, write
from outpace.workload.prompts import workload


@pytest.fixture
def document():
    """A report of two rounds as a measurement would make it."""
    answers = tuple(RequestRecord(i, host, 1.5, 100.0, 90.0, output_tokens=9) for i, host in enumerate(("near", "far")))
    baseline = Run("sequential", ("near",), 200.0, answers)
    run = Run("serial-per-side", HOSTS, 110.0, answers, (FailedAttempt(0, "far", 0.0, 1.0, "connect: refused"),))
    entries = tuple(HostEntry(name, f"http://{name}:11434", "ollama", "0.9.1", "tiny", None) for name in HOSTS)
    origin = Origin("2026-01-31T12:00:00+00:00", "live", entries, workload(), this_machine())
    return report(origin, [Round(baseline, run, baseline)] * 2, best_alone=BestAlone("near", 1, "as it was"))


@settings(max_examples=60, deadline=None)
@given(
    origins,
    st.lists(st.builds(Round, runs, runs, st.none() | runs), max_size=6),
    names,
    st.floats(0.01, 100.0),
    st.lists(milliseconds, max_size=3),
    st.none() | st.floats(0.01, 100.0),
)
def test_every_report_is_valid_and_reads_back_as_what_was_measured(
    origin, rounds, strategy, threshold, round_trips, least_gain
):
    best = BestAlone("near", 4, "found by a sweep of each host")
    trips = {"round_trips_ms": {"far": round_trips}}
    made = report(origin, rounds, strategy, threshold, least_gain, best_alone=best, **trips)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reports", "report-x.json")
        write(path, made)
        found = read(path)
        assert [each.name for each in path.parent.iterdir()] == ["report-x.json"]
    assert found == made
    assert rounds_from(found) == [
        Round(rounded(each.baseline), rounded(each.run), each.alone and rounded(each.alone)) for each in rounds
    ]


def test_a_round_whose_baseline_is_the_best_alone_reads_back_as_such(document, tmp_path):
    write(tmp_path / "r.json", document)
    (first, *_) = rounds_from(read(tmp_path / "r.json"))
    assert first.alone is first.baseline
    assert document["rounds"][0]["alone"] is None
    assert document["rounds"][0]["set_gain"] == document["summary"]["set_gain"]["median"] == round(200 / 110, 6)
    assert document["summary"]["best_alone"] == asdict(BestAlone("near", 1, "as it was"))


def test_a_report_of_version_1_0_is_read_and_tells_nothing_of_the_best_alone(document, tmp_path):
    now = copy.deepcopy(document)
    document["schema_version"] = "1.0"
    for each in document["rounds"]:
        del each["set_gain"], each["alone"]
    del document["summary"]["set_gain"], document["summary"]["best_alone"], document["gate"]["least_gain"]
    (tmp_path / "r.json").write_text(json.dumps(document))
    found = read(tmp_path / "r.json")
    assert found["summary"]["set_gain"] is found["summary"]["best_alone"] is found["gate"]["least_gain"] is None
    assert all(each["set_gain"] is None and each["alone"] is None for each in found["rounds"])
    assert all(each.set_gain is None for each in rounds_from(found))
    now["schema_version"] = "1.1"
    del now["summary"]["set_gain"]
    with pytest.raises(DocumentInvalid, match="set_gain"):
        write(tmp_path / "now.json", now)


@pytest.mark.parametrize(("gone", "said"), [("set_gain", "no median of it"), ("best_alone", "best alone")])
def test_a_report_that_contradicts_itself_about_the_set_gain_is_refused(document, tmp_path, gone, said):
    document["summary"][gone] = None
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(DocumentInvalid, match=said):
        read(tmp_path / "r.json")


def test_a_comparison_of_the_rounds_read_is_the_summary_written(document, tmp_path):
    write(tmp_path / "r.json", document)
    rounds = rounds_from(read(tmp_path / "r.json"))
    again = compare("serial-per-side", HOSTS, rounds)
    assert again.ratio.median == document["summary"]["overhead_ratio"]["median"] == 0.55
    assert list(again.notes) == document["summary"]["notes"]
    assert again.hosts["far"].added_latency_ms == (10.0, 10.0, 10.0)


def test_a_report_can_be_read_by_others(document, tmp_path):
    write(tmp_path / "r.json", document)
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o644


def test_a_report_names_neither_machine_nor_user():
    assert set(this_machine()) == {"system", "architecture", "cpus", "python", "clock_resolution_ms"}


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_a_write_that_fails_leaves_the_old_report_whole_and_nothing_beside_it(document, tmp_path, monkeypatch, step):
    def fails(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "report-x.json"
    write(path, document)
    before = path.read_bytes()
    newer = copy.deepcopy(document) | {"strategy": "another"}
    with monkeypatch.context() as patched:
        patched.setattr(os if step == "fsync" else Path, step, fails)
        with pytest.raises(OSError, match="No space left"):
            write(path, newer)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    write(path, newer)
    assert read(path)["strategy"] == "another"


def test_an_invalid_report_is_not_written_over_a_valid_one(document, tmp_path):
    path = tmp_path / "report-x.json"
    write(path, document)
    with pytest.raises(DocumentInvalid, match=r"report-x\.json"):
        write(path, document | {"strategy": ""})
    assert read(path) == document
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("$", {"extra": 1}, "extra"),
        ("$.schema_version", "2.0", "1.1"),
        ("$.rounds[0].alone", "a run", "a run"),
        ("$.rounds[0].set_gain", -1.0, "minimum"),
        ("$.summary.best_alone.in_flight", 0, "minimum"),
        ("$.gate.least_gain", 0, "0"),
        ("$.created", "yesterday", "date-time"),
        ("$.created", "2026-02-30T00:00:00Z", "date-time"),
        ("$.source", "guessed", "guessed"),
        ("$.hosts", [], "hosts|non-empty|too short"),
        ("$.hosts[1].url", "not a url", "uri"),
        ("$.machine", {"hostname": "desk"}, "machine"),
        ("$.workload.sha256", "ABC", "ABC"),
        ("$.rounds[0].run", {"extra": 1}, "extra"),
        ("$.rounds[1].run.requests[0].wall_ms", -1.0, "minimum"),
        ("$.rounds[1].run.requests[0].wall_ms", "12", "number"),
        ("$.rounds[0].run.failed_attempts[0].error", None, "string"),
        ("$.summary.hosts.far.added_latency_source", "guess", "guess"),
        ("$.gate.verdict", "perhaps", "perhaps"),
        ("$.gate.threshold", 0, "0"),
        ("$.gate.threshold", math.nan, "nan"),
        ("$.rounds[1].run.requests[0].wall_ms", math.nan, "nan"),
        ("$.rounds[1].run.makespan_ms", math.inf, "inf"),
        ("$.summary.hosts.far.network_share", -math.inf, "inf"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(document, tmp_path, place, value, said):
    *steps, last = place.replace("]", "").replace("[", ".").split(".")[1:] or [None]
    target = document
    for step in steps:
        target = target[int(step) if step.isdecimal() else step]
    if isinstance(value, dict):
        (target[last] if last else target).update(value)
    else:
        target[last] = value
    (tmp_path / "r.json").write_text(json.dumps(document))
    for refuses in (lambda: write(tmp_path / "new.json", document), lambda: read(tmp_path / "r.json")):
        with pytest.raises(DocumentInvalid, match=f"(?i){said}") as caught:
            refuses()
        assert f"at {place}" in str(caught.value)
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400"])
def test_a_number_in_a_file_that_is_not_finite_is_refused(document, tmp_path, number):
    text = json.dumps(document).replace('"network_share": 0.1', f'"network_share": {number}')
    assert number in text
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DocumentInvalid):
        read(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("path", "field"),
    [([], "gate"), (["workload"], "sha256"), (["rounds", 0, "run", "requests", 0], "server_ms"), (["gate"], "reason")],
)
def test_a_missing_field_is_refused_by_name_and_place(document, path, field):
    target = document
    for step in path:
        target = target[step]
    del target[field]
    with pytest.raises(DocumentInvalid, match=field) as caught:
        validate(document, "report", "It")
    place = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    assert f"at {place}: " in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000],
    ids=["empty", "cut", "not UTF-8", "deep lists", "deep objects", "a number too long"],
)
def test_what_is_not_json_is_no_report(tmp_path, content):
    path = tmp_path / "report-x.json"
    path.write_bytes(content)
    with pytest.raises(DocumentInvalid, match=r"report-x\.json is not JSON"):
        read(path)


@pytest.mark.parametrize("content", ["null", "[]", "3", '"report"', "{}"])
def test_other_json_is_no_report(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    said = r"does not match the report schema: at \$: " if content == "{}" else "is not a JSON object"
    with pytest.raises(DocumentInvalid, match=said):
        read(tmp_path / "r.json")


@pytest.mark.parametrize("name", ["missing.json", ""], ids=["missing", "a folder"])
def test_what_cannot_be_read_is_no_report(tmp_path, name):
    with pytest.raises(DocumentInvalid, match="cannot be read"):
        read(tmp_path / name)


@pytest.mark.parametrize("null", ["makespan_ms", "wall_ms"])
def test_rounds_without_their_times_are_no_records(document, null):
    run = document["rounds"][1]["run"]
    (run if null == "makespan_ms" else run["requests"][0])[null] = None
    validate(document, "report", "A report")
    with pytest.raises(DocumentInvalid, match="does not tell the times of its serial-per-side run"):
        rounds_from(document)


@pytest.mark.parametrize(
    "url",
    [
        "http://my_desk:11434/v1",
        "http://[fe80::1]:11434",
        "http://[fe80::1%eth0]:11434",
        "http://büro:11434",
        "http://desk/a b",
        "http://desk|1",
    ],
)
def test_a_url_that_hosts_accept_can_be_reported(document, url):
    try:
        hosts = parse([f"near={url},far=http://10.0.0.2"])
    except HostsError:
        return
    for entry, host in zip(document["hosts"], hosts, strict=True):
        entry["url"] = host.url
    validate(document, "report", "A report")
