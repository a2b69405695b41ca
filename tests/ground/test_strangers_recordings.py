"""Recordings from strangers: bounded time and memory, and one paragraph that says what is wrong."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from outpace.ground.errors import DocumentInvalid, OutpaceError
from outpace.recording import fitted_levels, fitted_pace, har
from outpace.recording.importer import import_har, main
from outpace.recording.recording import Scene
from outpace.report.publish import write_pages
from outpace.simulation.told_times import restamp
from outpace.suite.regression import replayed
from strangers import RECORDING, refusal, saved


@pytest.fixture
def recording() -> dict[str, Any]:
    return json.loads(RECORDING.read_text())


@pytest.mark.parametrize("number", ["1e308", "1e15", "-1", "NaN", "Infinity", "1" * 400, "true", '"7"', "2e999"])
@pytest.mark.parametrize("field", ["time", "_startedMs"])
def test_a_time_that_cannot_be_is_refused_with_its_place(
    field: str, number: str, recording: dict[str, Any], tmp_path: Path
) -> None:
    recording["log"]["entries"][3][field] = "HERE"
    path = saved(tmp_path, json.dumps(recording).replace('"HERE"', number))
    if number == "1e15":
        har.read(path)
        return
    place = f"['{field}']" if field.startswith("_") else f".{field}"
    assert f"at $.log.entries[3]{place}: " in refusal(har.read, path)


def ours(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda log: change(log["_outpace"])


def host(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda log: log["_outpace"]["hosts"][0].update(fields)


def more_runs(count: int, rounds: int = 1) -> Callable[[dict[str, Any]], Any]:
    def change(log: dict[str, Any]) -> None:
        run = log["_outpace"]["runs"][0]
        log["_outpace"]["runs"] = [{**run, "name": f"x#{each}", "round": each % rounds} for each in range(count)]

    return change


def more_hosts(log: dict[str, Any]) -> None:
    first = log["_outpace"]["hosts"][0]
    log["_outpace"]["hosts"] += [{**first, "name": f"h{n}", "url": f"http://h{n}"} for n in range(har.MOST_HOSTS)]


def levels(count: int) -> list[dict[str, Any]]:
    return [{"in_flight": n + 1, "tokens_per_s": 10.0, "mean_ms": 1.0} for n in range(count)]


def content(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda log: log["entries"][0]["response"]["content"].update(fields)


HARM: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a million rounds": (ours(lambda it: it["runs"][0].update(round=999_999)), "1,000,000 rounds, and 1,000 are the"),
    "a round more than may be": (more_runs(1001, 1001), "1,001 rounds, and 1,000 are"),
    "many prompts in many rounds": (
        lambda log: (
            log["_outpace"]["workload"].update(prompts=[f"{n}" for n in range(1_001)]),
            more_runs(200, 200)(log),
        ),
        "200,200 prompts over all rounds, and 200,000 are",
    ),
    "a run more than may be": (more_runs(20_001), "20,001 runs, and 20,000 are"),
    "a host more than may be": (more_hosts, "258 hosts, and 256 are"),
    "a level more than may be": (host(levels=levels(65)), "65 levels of concurrency of one host, and 64 are"),
    "slots beyond all engines": (host(slots=10**6 + 1), "hosts[0].slots: 1000001 is greater than the maximum"),
    "a level beyond all engines": (
        host(levels=[{"in_flight": 2**63, "tokens_per_s": 1, "mean_ms": 1}]),
        "levels[0].in_flight",
    ),
    "a round trip of ages": (host(round_trip_ms=1e300), "hosts[0].round_trip_ms"),
    "a file for a URL": (host(url="file:///etc/passwd"), "hosts[0].url"),
    "a URL with a user": (host(url="http://me:secret@h"), "hosts[0].url"),
    "a URL with a line's end": (host(url="http://h\n::error::"), "hosts[0].url"),
    "a name of half a character": (host(name="\ud800"), "surrogates not allowed"),
    "a model of half a character": (host(model="\ud800"), "surrogates not allowed"),
    "a baseline that is no host": (ours(lambda it: it.update(baseline="nobody")), "its baseline is 'nobody'"),
    "a name that acts on terminals": (
        lambda log: log["entries"][0].update(_host="\x1b[2J\n::error::x" * 20),
        r"belongs to '\x1b[2J\n::error::x",
    ),
    "a field that acts on terminals": (lambda log: log.update({"\x1b[2J": 1}), r"'\x1b[2J' was unexpected"),
    "base64 that is none": (content(text="*AAAA===", encoding="base64"), "cannot be replayed"),
    "base64 with a hole": (content(text="AA AA\n", encoding="base64"), "cannot be replayed"),
    "an encoding of another kind": (content(encoding="gzip"), "content.encoding"),
    "a schema of its own": (lambda log: log.update({"$ref": "http://127.0.0.1:9/s"}), "'$ref' was unexpected"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_recording_that_means_harm_is_refused(harm: str, recording: dict[str, Any], tmp_path: Path) -> None:
    change, said = HARM[harm]
    change(recording["log"])
    assert said in refusal(har.read, saved(tmp_path, recording))


def body(*lines: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    return content(text="".join(json.dumps(each) + "\n" for each in lines))


DONE = {"response": "x", "done": True}
HARMLESS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a header that says gzip": lambda log: log["entries"][0]["response"]["headers"].append(
        {"name": "content-encoding", "value": "gzip"}
    ),
    "a redirect": lambda log: log["entries"][12]["response"].update(status=307, redirectURL="http://8.8.8.8/"),
    "a type that is no ASCII": lambda log: [
        each["response"].update(headers=[{"name": "content-type", "value": "x\u00e9\u6771\r\nlocation: y"}])
        for each in log["entries"]
    ],
    "pieces that come before those before them": lambda log: [
        each.update(_chunks=[[9.0, 5], [3.0, 5], [8.0, 10**15], [1e15, 5], [0, 0]]) for each in log["entries"]
    ],
    "tokens of 5,000 digits": body(DONE | {"note": '"eval_count": ' + "9" * 5000}),
    "a count of 5,000 digits": lambda log: [
        each["response"]["content"].update(text='{"done": true, "eval_count": ' + "9" * 5000 + "}")
        for each in log["entries"]
    ],
    "a duration of 1e999": lambda log: [
        each["response"]["content"].update(text='{"response": "x"}\n{"done": true, "total_duration": 1e999}')
        for each in log["entries"]
    ],
    "rounds and prompts written with a point": lambda log: (
        [each.update(_prompt=float(each["_prompt"])) for each in log["entries"]]
        + [each.update(round=float(each["round"])) for each in log["_outpace"]["runs"]]
    ),
    "names that are paths": lambda log: (
        [each.update(_host="../../" + each["_host"]) for each in log["entries"]]
        + [each.update(name="../../" + each["name"]) for each in log["_outpace"]["hosts"]]
        + [log["_outpace"].update(baseline=None)]
        + [each.update(strategy="../../x", measured="/etc/x", name="CON") for each in log["_outpace"]["runs"][1:]]
    ),
    "a name of 10,000 letters": lambda log: (
        [each.update(_host="n" * 10_000) for each in log["entries"]]
        + [log["_outpace"].update(hosts=[log["_outpace"]["hosts"][0] | {"name": "n" * 10_000}], baseline=None)]
    ),
    "walls of ages": lambda log: [each.update(time=1e15) for each in log["entries"]],
    "walls of no time": lambda log: [each.update(time=5e-324) for each in log["entries"]],
    "throughputs next to none": lambda log: [
        level.update(tokens_per_s=5e-324) for each in log["_outpace"]["hosts"] for level in each["levels"][:1]
    ],
    "throughputs beyond all": lambda log: [
        level.update(tokens_per_s=1e15) for each in log["_outpace"]["hosts"] for level in each["levels"][1:]
    ],
}


@pytest.mark.parametrize("harm", HARMLESS)
def test_what_a_recording_says_stays_inside_its_replay(harm: str, recording: dict[str, Any], tmp_path: Path) -> None:
    HARMLESS[harm](recording["log"])
    path = saved(tmp_path, recording)
    folder = tmp_path / "deep" / "down"
    began = time.process_time()
    for strategy in ("serial-per-side", "earliest-finish"):
        with suppress(OutpaceError):
            replayed(har.read(path), strategy, folder, rounds=1)
    with suppress(OutpaceError):
        write_pages(folder)
    assert time.process_time() - began < 40
    wrote = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()} - {"r.json"}
    names = {"report-serial-per-side.json", "report-earliest-finish.json", "report.html", "RESULT.md"}
    assert wrote <= {f"deep/down/{name}" for name in names}


def test_as_many_chunks_as_a_document_can_hold_are_read_in_bounded_time(
    recording: dict[str, Any], tmp_path: Path
) -> None:
    entry = recording["log"]["entries"][0]
    entry["_chunks"] = "HERE"
    count = 100_000  # a document may hold 27 times as many, in the time and memory that goes with them
    chunks = "[" + "[0,1]," * count + "[0,1]]"
    path = saved(tmp_path, json.dumps(recording).replace('"HERE"', chunks))
    began = time.process_time()
    replayed(har.read(path), "serial-per-side", tmp_path, rounds=1)
    assert time.process_time() - began < 60


def test_whole_numbers_that_are_written_with_a_point_are_whole(recording: dict[str, Any], tmp_path: Path) -> None:
    HARMLESS["rounds and prompts written with a point"](recording["log"])
    found = har.read(saved(tmp_path, recording))
    assert {type(each.prompt) for each in found.exchanges} == {type(found.rounds)} == {int}


def test_numbers_beyond_all_counts_and_times_are_told_by_no_engine(recording: dict[str, Any], tmp_path: Path) -> None:
    HARMLESS["a count of 5,000 digits"](recording["log"])
    found = har.read(saved(tmp_path, recording))
    assert {fitted_levels.output_tokens(each) for each in found.exchanges} == {0}
    told = b'{"total_duration": 1e999, "eval_duration": ' + b"9" * 400 + b"}"
    assert restamp(told, "ollama", queue_ms=1.0, stretch=2.0) == told


def test_a_pace_is_looked_up_once_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every prompt would look through again grows with the square of a recording."""
    seen: list[Scene] = []

    def preferences(scene: Scene) -> Any:
        seen.append(scene)
        return known(scene)

    known = fitted_pace._preferences
    monkeypatch.setattr(fitted_pace, "_preferences", preferences)
    scenes = [Scene("pull", "pull", 0), Scene("serial-per-side", "serial-per-side", 0)]
    found = fitted_pace.Pace("local", har.read(RECORDING))
    for index in range(8):
        for scene in scenes:
            found.work_ms(index, scene)
    assert seen == scenes


FOREIGN = [
    {},
    {"log": []},
    {"log": {"entries": [3]}},
    {"log": {"entries": {"a": 1}}},
    {"log": {"entries": []}},
]


@pytest.mark.parametrize("document", FOREIGN)
def test_a_foreign_har_without_what_is_needed_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(DocumentInvalid, match="The HAR has"):
        import_har(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log.pop("entries"),
        lambda log: log.update(_meta=[1]),
        lambda log: log["entries"][0].pop("startedDateTime"),
        lambda log: [each["request"].update(url="nowhere") for each in log["entries"]],
        lambda log: [each["request"].update(url="http://[") for each in log["entries"]],
        lambda log: [each["request"]["postData"].update(text="[" * 100_000) for each in log["entries"]],
        lambda log: [each["request"]["postData"].update(text="7") for each in log["entries"]],
        lambda log: [each.update(_run="x#" + "9" * 5000) for each in log["entries"]],
        lambda log: [each.update(time="soon") for each in log["entries"]],
        lambda log: [each.update(_startedMs=1e308, time=1e308) for each in log["entries"]],
        lambda log: [each["response"]["content"].update(text=7) for each in log["entries"]],
    ],
)
def test_a_foreign_har_that_means_harm_is_refused_in_a_paragraph(
    change: Callable[[Any], Any],
    recording: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    foreign = copy.deepcopy(recording)
    for each in foreign["log"]["entries"]:
        each["_host"] = "a"
    change(foreign["log"])
    monkeypatch.setattr("sys.argv", ["importer", str(saved(tmp_path, foreign)), str(tmp_path / "out.json")])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("outpace.recording.importer: ")
    assert "Traceback" not in said
    assert not (tmp_path / "out.json").exists()
