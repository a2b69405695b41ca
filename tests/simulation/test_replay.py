"""Replays of the recordings in this repository: how true they are, and that they are the same every time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness import REPOSITORY, paragraph_of, run
from outpace.dispatch.strategies import STRATEGIES
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Scene
from outpace.suite.regression import replay

pytest_plugins = ["pytester"]

RECORDINGS = REPOSITORY / "bench" / "recordings"
REAL = ["ollama-np1", "llama-server-np4", "vllm", "embedded"]


def recording(name: str) -> Path:
    return RECORDINGS / f"{name}.json"


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    ("strategy", "within"), [("sequential", 0.05), ("serial-per-side", 0.05), ("all-parallel", 0.15)]
)
def test_a_replay_is_true_to_every_run_that_was_recorded(
    name: str, strategy: str, within: float, tmp_path: Path
) -> None:
    measurement = replay(recording(name), strategy, tmp_path)
    found = har.read(recording(name))
    wholes = [run for run in found.runs if run.strategy == strategy and run.makespan_ms is not None]
    assert len(measurement.replay_errors) == len({run.round for run in wholes})
    assert max(map(abs, measurement.replay_errors)) < within


def test_the_published_experiment_replays_to_its_figures(tmp_path: Path) -> None:
    serial = replay(recording("phase-0"), "serial-per-side", tmp_path)
    assert serial.rounds[0].run.makespan_ms == pytest.approx(2515, abs=1)
    assert serial.rounds[0].baseline.makespan_ms == pytest.approx(2903, abs=1)
    assert serial.rounds[0].overhead_ratio == pytest.approx(0.866, abs=0.001)
    remote = serial.comparison().hosts["remote"]
    assert remote.added_latency_ms is not None
    assert remote.added_latency_ms[0] == pytest.approx(22.4, abs=0.3)
    parallel = replay(recording("phase-0"), "all-parallel", tmp_path)
    assert parallel.rounds[0].overhead_ratio == pytest.approx(6.47, abs=0.03)
    assert parallel.verdict().verdict == "fail"


@pytest.mark.parametrize("name", [*REAL, "phase-0"])
def test_two_replays_are_equal_byte_for_byte(name: str, tmp_path: Path) -> None:
    sums = []
    for attempt in ("first", "second"):
        for strategy in ("serial-per-side", "all-parallel"):
            replay(recording(name), strategy, tmp_path / attempt)
        files = sorted((tmp_path / attempt).iterdir())
        sums.append([(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files])
    assert len(sums[0]) == 2
    assert sums[0] == sums[1]


def test_the_wait_in_the_queue_of_a_host_with_one_slot_is_told(tmp_path: Path) -> None:
    run = replay(recording("ollama-np1"), "all-parallel", tmp_path).rounds[0].run
    mine = [request for request in run.requests if request.host == "laptop"]
    waits = [request.queue_ms for request in mine]
    assert waits == sorted(waits)
    assert waits[0] < 5
    for earlier, later in pairwise(mine):
        assert later.queue_ms == pytest.approx(earlier.wall_ms, abs=30)


def test_the_answers_are_those_that_were_recorded(tmp_path: Path) -> None:
    found = har.read(recording("llama-server-np4"))
    measurement = replayed(found, "serial-per-side", tmp_path, rounds=1, keep_answers=True)
    assert measurement.rounds[0].run.output_tokens == 248
    kept = (tmp_path / "answers-serial-per-side.txt").read_text()
    for exchange in found.exchanges:
        if exchange.run == "serial-per-side#0":
            events = [line[6:] for line in exchange.body.split(b"\n") if line.startswith(b"data: {")]
            deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
            assert "".join(delta.get("content") or "" for delta in deltas) in kept


def replayed(found, strategy: str, folder: Path, rounds: int, **how) -> Measurement:
    settings = Settings(recording=found, workload=found.workload, baseline=found.baseline)
    with Session(settings) as session:
        measurement = Measurement(session, strategy, report_dir=folder, **how)
        measurement.measure(rounds)
    return measurement


def test_more_rounds_than_were_recorded_take_them_in_turn(tmp_path: Path) -> None:
    found = har.read(recording("ollama-np1"))
    makespans = [each.run.makespan_ms for each in replayed(found, "serial-per-side", tmp_path, rounds=5).rounds]
    assert makespans[3:] == pytest.approx(makespans[:2])
    assert len({round(each) for each in makespans}) == 3


def test_a_strategy_that_was_never_recorded_can_be_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def everything_to_the_second(job) -> None:
        await job.send_each(job.hosts[1], job.prompts)

    monkeypatch.setitem(STRATEGIES, "second", everything_to_the_second)
    measurement = replayed(har.read(recording("ollama-np1")), "second", tmp_path, rounds=1)
    assert {request.host for request in measurement.rounds[0].run.requests} == {"desktop"}
    assert measurement.rounds[0].overhead_ratio == pytest.approx(1.0, abs=0.1)
    assert measurement.replay_errors == []


def test_the_baseline_is_the_recorded_one(tmp_path: Path) -> None:
    found = har.read(recording("phase-0"))
    assert replayed(found, "sequential", tmp_path, rounds=1).rounds[0].run.hosts == ("local",)
    report = json.loads((tmp_path / "report-sequential.json").read_text())
    assert report["source"] == "replay"
    assert report["machine"] is None
    assert report["created"] == found.created
    assert report["replay_error"]["runs"] == 1


def text_of(body: bytes) -> str:
    """The text of an answer, read as JSON."""
    said = [json.loads(line.removeprefix(b"data: ")) for line in body.splitlines() if line.rstrip().endswith(b"}")]
    deltas = [choice["delta"].get("content") for each in said for choice in each.get("choices", [])]
    return "".join(each.get("response", "") for each in said) + "".join(delta or "" for delta in deltas)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("strategy", ["sequential", "serial-per-side", "all-parallel"])
def test_every_answer_is_one_that_its_host_gave_to_that_prompt(name: str, strategy: str) -> None:
    found = har.read(recording(name))
    given = {(each.host, each.prompt, text_of(each.body)) for each in found.exchanges if each.answered}
    with Session(Settings(recording=found, workload=found.workload, baseline=found.baseline)) as session:
        for number in range(found.rounds):
            outcome = session.run(Scene(strategy, strategy, number))
            for request, answer in zip(outcome.run.requests, outcome.answers, strict=True):
                assert (request.host, request.prompt, answer) in given


def test_the_wait_grows_down_the_queue_on_both_hosts_in_every_round(tmp_path: Path) -> None:
    for each in replay(recording("ollama-np1"), "all-parallel", tmp_path).rounds:
        for host in ("laptop", "desktop"):
            waits = [request.queue_ms for request in each.run.requests if request.host == host]
            assert len(waits) == 4
            assert all(later > earlier + 100 for earlier, later in pairwise(waits))


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_any_number_of_rounds_is_reported(rounds: int, tmp_path: Path) -> None:
    replayed(har.read(recording("vllm")), "all-parallel", tmp_path, rounds=rounds)
    report = json.loads((tmp_path / "report-all-parallel.json").read_text())
    assert len(report["rounds"]) == report["summary"]["rounds"] == rounds


@pytest.mark.parametrize("baseline", ["laptop", "desktop"])
def test_the_baseline_follows_the_recording_whichever_host_it_names(baseline: str, tmp_path: Path) -> None:
    found = replace(har.read(recording("ollama-np1")), baseline=baseline)
    (only,) = replayed(found, "serial-per-side", tmp_path, rounds=1).rounds
    assert only.baseline.hosts == (baseline,)
    assert {request.host for request in only.baseline.requests} == {baseline}


def test_without_a_recorded_baseline_the_faster_host_is_found() -> None:
    found = har.read(recording("phase-0"))
    with Session(Settings(recording=found, workload=found.workload)) as session:
        assert session.ordered == ("local", "remote")


def paragraph(suite: pytest.Pytester, *arguments: str) -> str:
    return paragraph_of(run(suite, "--strategies=serial-per-side", *arguments))


def test_reports_and_benchmark_json_of_the_command_line_are_equal_twice(suite: pytest.Pytester) -> None:
    written = []
    for attempt in ("first", "second"):
        options = (f"--hosts=replay:{recording('vllm')}", f"--report-dir={attempt}", f"--benchmark-json={attempt}.json")
        result = run(suite, "-k", "not regression", *options)
        assert result.ret == 0
        files = [*sorted((suite.path / attempt).iterdir()), suite.path / f"{attempt}.json"]
        written.append([file.read_bytes() for file in files])
    assert len(written[0]) == 4
    assert written[0] == written[1]


def test_what_was_recorded_cannot_be_changed_in_a_replay(suite: pytest.Pytester) -> None:
    (suite.path / "p.txt").write_text("another prompt\n")
    options = ["--prompts=p.txt", "--max-tokens=5", "--temperature=1", "--seed=1", "--model=m", "--protocol=ollama"]
    said = paragraph(suite, f"--hosts=replay:{recording('vllm')}", *options)
    assert "--prompts, --max-tokens, --temperature, --seed, --model, --protocol cannot be changed" in said


def test_an_invalid_recording_is_told_in_one_paragraph_with_the_place(suite: pytest.Pytester) -> None:
    document = json.loads(recording("phase-0").read_text())
    document["log"]["_outpace"]["hosts"][0]["slots"] = 0
    (suite.path / "r.json").write_text(json.dumps(document))
    assert "slots" in paragraph(suite, "--hosts=replay:r.json")
    assert "none.json cannot be read" in paragraph(suite, "--hosts=replay:none.json")


@pytest.mark.parametrize("wrong", ["prompt", "port", "level", "surrogate"])
def test_a_recording_that_cannot_be_replayed_is_told_in_one_paragraph(suite: pytest.Pytester, wrong: str) -> None:
    document = json.loads(recording("phase-0").read_text())
    ours = document["log"]["_outpace"]
    if wrong == "prompt":
        document["log"]["entries"][0]["_prompt"] = 99
    elif wrong == "port":
        ours["hosts"][0]["url"] = "http://127.0.0.1:99999999"
    elif wrong == "level":
        ours["hosts"][0]["levels"].append(ours["hosts"][0]["levels"][0])
    else:
        ours["workload"]["prompts"][0] = "\ud800"
    (suite.path / "r.json").write_text(json.dumps(document))
    assert paragraph(suite, "--hosts=replay:r.json")
