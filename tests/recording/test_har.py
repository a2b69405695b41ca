"""Recordings on disk: what is written is what is read, and HAR viewers find what HAR promises."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.ground.errors import DocumentInvalid
from outpace.ground.schemas import validate
from outpace.recording import har
from outpace.recording.recording import Exchange, Level, RecordedHost, RecordedRun, Recording
from outpace.workload.prompts import Generation, workload

REQUIRED = {
    "log": {"version", "creator", "entries"},
    "entry": {"startedDateTime", "time", "request", "response", "cache", "timings"},
    "request": {
        *("method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"),
    },
    "response": {
        *("status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL"),
        *("headersSize", "bodySize"),
    },
    "content": {"size", "mimeType"},
    "timings": {"send", "wait", "receive"},
}

moments = st.floats(0, 1e6).map(lambda ms: round(ms, 3))
words = (
    st.text(min_size=1, max_size=20).filter(str.strip).map(lambda text: text.encode("utf-8", "ignore").decode() or "x")
)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    pieces = draw(st.lists(st.binary(min_size=1, max_size=30) | words.map(str.encode), max_size=4))
    return Exchange(
        draw(st.sampled_from(["a", "b"])),
        draw(st.sampled_from(["serial-per-side#0", "solo@a#0"])),
        draw(st.none() | st.integers(0, 1)),
        draw(st.sampled_from(["/api/generate", "/v1/chat/completions"])),
        draw(words.map(lambda text: json.dumps({"prompt": text}))),
        draw(moments),
        draw(moments),
        draw(st.sampled_from([0, 200, 404, 503])),
        draw(st.sampled_from(["", "application/x-ndjson"])),
        tuple((draw(moments), piece) for piece in pieces),
        draw(st.none() | words),
    )


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    levels = tuple(Level(n, draw(st.floats(0.1, 1e4)), draw(moments)) for n in (1, 2, 4))
    hosts = tuple(
        RecordedHost(name, f"http://{name}:1", "ollama", draw(st.none() | words), "ollama", "m", None, 2.0, 4, levels)
        for name in "ab"
    )
    runs = (
        RecordedRun(
            "serial-per-side#0", "serial-per-side", "serial-per-side", 0, ("a", "b"), draw(st.none() | moments)
        ),
    )
    found = tuple(draw(st.lists(exchanges(), max_size=4)))
    work = workload(draw(st.lists(words, min_size=2, max_size=2)), Generation())
    return Recording("2026-01-01T00:00:00+00:00", hosts, work, runs, found, "a", draw(st.sampled_from(["", "why"])))


@given(recordings())
def test_what_is_written_is_read_again(recording: Recording) -> None:
    document = json.loads(json.dumps(har.to_har(recording)))
    validate(document, "recording", "it")
    assert har.from_har(document) == recording


@given(recordings())
def test_viewers_find_what_har_promises_and_no_header(recording: Recording) -> None:
    log = har.to_har(recording)["log"]
    assert set(log) >= REQUIRED["log"]
    assert log["version"] == "1.2"
    for entry in log["entries"]:
        assert set(entry) >= REQUIRED["entry"]
        for part in ("request", "response", "timings"):
            assert set(entry[part]) >= REQUIRED[part]
        assert set(entry["response"]["content"]) >= REQUIRED["content"]
        assert entry["request"]["headers"] == entry["request"]["cookies"] == entry["response"]["cookies"] == []


def test_a_body_that_was_shortened_is_read_whole() -> None:
    (entry,) = [
        {
            "startedDateTime": "2026-01-01T00:00:00+00:00",
            "time": 9.0,
            "request": {"method": "GET", "url": "http://a:1/version"},
            "response": {"status": 200, "headers": [], "content": {"text": "shorter", "mimeType": "x"}},
            "_host": "a",
            "_run": "probe",
            "_prompt": None,
            "_startedMs": 0.0,
            "_chunks": [[1.0, 3], [2.0, 100]],
        }
    ]
    assert har.exchange_of(entry).chunks == ((1.0, b"sho"), (2.0, b"rter"))
    entry["_chunks"] = [[1.0, 3], [2.0, 2]]
    assert har.exchange_of(entry).chunks == ((1.0, b"sho"), (2.0, b"rter"))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda log: log.pop("entries"), "log"),
        (lambda log: log["_outpace"]["hosts"][0].update(slots=0), "hosts[0].slots"),
        (
            lambda log: log["entries"][0]["request"]["headers"].append({"name": "authorization", "value": "x"}),
            "headers",
        ),
        (lambda log: log["entries"][0].update(_startedMs=-1), "_startedMs"),
        (lambda log: log.update(version="1.1"), "version"),
    ],
)
def test_an_invalid_recording_is_refused_with_the_place(change, place: str, tmp_path: Path) -> None:
    document = json.loads((REPOSITORY / "bench" / "recordings" / "phase-0.json").read_text())
    change(document["log"])
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(DocumentInvalid, match=r"r\.json does not match the recording schema") as raised:
        har.read(tmp_path / "r.json")
    assert place in str(raised.value).replace("['", ".").replace("']", "")


@given(recordings())
def test_what_har_asks_for_inside_creator_and_posted_data_is_there(recording: Recording) -> None:
    log = har.to_har(recording)["log"]
    assert set(log["creator"]) >= {"name", "version"}
    for entry, exchange in zip(log["entries"], recording.exchanges, strict=True):
        assert set(entry["request"]["postData"]) >= {"mimeType", "text"}
        assert entry["request"]["bodySize"] == len(exchange.sent.encode())
        assert entry["response"]["content"]["size"] == len(exchange.body)
        assert {header["name"] for header in entry["response"]["headers"]} <= {"content-type"}
        began = datetime.fromisoformat(entry["startedDateTime"]) - datetime.fromisoformat(recording.created)
        assert began / timedelta(milliseconds=1) == pytest.approx(exchange.started_ms, abs=1.001)


@given(recordings())
def test_the_time_of_an_entry_is_the_sum_of_its_timings(recording: Recording) -> None:
    for entry, exchange in zip(har.to_har(recording)["log"]["entries"], recording.exchanges, strict=True):
        if not exchange.chunks or exchange.chunks[0][0] <= exchange.wall_ms:
            assert sum(entry["timings"].values()) == pytest.approx(entry["time"], abs=0.002)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", "Z\u00fcrich \u6771\u4eac \U0001f600".encode(), b"\x00\r\n\n", b"\xe2\x82"]
)
def test_any_body_is_the_same_on_disk_and_back(body: bytes, tmp_path: Path) -> None:
    # A character that two pieces share is no reason to lose it.
    pieces = tuple((float(at), body[at : at + 1]) for at in range(len(body)))
    host = RecordedHost("a", "http://a:1", "ollama", None, "ollama", "m", None, 0.0, 1)
    sent = '{"prompt": "Z\u00fcrich"}'
    exchange = Exchange("a", "x#0", 0, "/api/generate", sent, 1.0, 9.0, 200, "text/plain", pieces)
    kept = Recording("2026-01-01T00:00:00+00:00", (host,), workload(["why"]), (), (exchange,))
    har.write(tmp_path / "r.json", kept)
    assert har.read(tmp_path / "r.json") == kept
    (entry,) = har.to_har(kept)["log"]["entries"]
    assert entry["request"]["bodySize"] == len(sent) + 1


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is not JSON"), ("[1]", "is not a JSON object"), ('{"log": {"version": NaN}}', "log"), ("{}", "'log' is")],
)
def test_what_is_no_recording_at_all_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DocumentInvalid, match=r"r\.json") as raised:
        har.read(tmp_path / "r.json")
    assert said in str(raised.value)


@pytest.mark.parametrize("content", [{"text": "!!!x", "encoding": "base64"}, {"text": "\ud800"}])
def test_a_body_that_cannot_be_decoded_is_refused(content: dict, tmp_path: Path) -> None:
    document = json.loads((REPOSITORY / "bench" / "recordings" / "phase-0.json").read_text())
    document["log"]["entries"][0]["response"]["content"].update(content)
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(DocumentInvalid):
        har.read(tmp_path / "r.json")


@pytest.mark.parametrize("field", ["name", "url"])
def test_hosts_that_cannot_be_told_apart_are_refused(field: str, tmp_path: Path) -> None:
    document = json.loads((REPOSITORY / "bench" / "recordings" / "phase-0.json").read_text())
    first, second = document["log"]["_outpace"]["hosts"]
    for entry in document["log"]["entries"]:
        entry["_host"] = first["name"] if field == "name" else entry["_host"]
    second[field] = first[field]
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(DocumentInvalid):
        har.read(tmp_path / "r.json")
