"""Recording a session: what is kept of it, what is not, and that it replays."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import anyio
import httpx
import pytest

from harness import REPOSITORY, ThreadedHosts, ollama, run_pytest
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recorder import Recorder, RecordingTransport
from outpace.recording.recording import Exchange
from outpace.recording.redaction import redacted
from outpace.workload.prompts import DEFAULT_PROMPTS
from virtual import run_virtually

pytest_plugins = ["pytester"]

recorded_live = pytest.mark.quiet  # what is recorded of live hosts has its times

ROUNDS = 2
RECORDINGS = REPOSITORY / "bench" / "recordings"


@pytest.fixture(scope="module")
def session_file(tmp_path_factory) -> tuple[Path, Path]:
    """The recording of a session, and one of its like without texts."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTPACE_TOKEN_A", "hush-hush")
        for name, redact in (("plain", False), ("redacted", True)):
            with ThreadedHosts(ollama("m", pause_s=0.03), ollama("m", pause_s=0.04)) as hosts:
                measure(hosts, folder / f"{name}.json", folder, redact=redact)
    return folder / "plain.json", folder / "redacted.json"


def measure(hosts: ThreadedHosts, file: Path, folder: Path, *, redact: bool = False) -> None:
    settings = Settings(
        hosts=hosts.hosts,
        record=file,
        redact_text=redact,
        baseline="a",
        timeout_s=10,
    )
    with Session(settings) as session:
        measurement = Measurement(session, "serial-per-side", report_dir=folder)
        measurement.measure(ROUNDS)


@recorded_live
def test_every_run_is_kept_with_its_exchanges(session_file) -> None:
    found = har.read(session_file[0])
    names = ["solo@a#0", "solo@b#0"] + [
        f"serial-per-side#{i}{part}" for i in range(ROUNDS) for part in ("", "/baseline", "/alone")
    ]
    assert sorted(run.name for run in found.runs) == sorted(names)
    assert all(run.makespan_ms for run in found.runs)
    alone = [run for run in found.runs if run.alone]
    assert found.best_alone is not None
    order = "earliest-finish" if found.best_alone.longest_first else "pull"
    assert {(run.strategy, run.hosts) for run in alone} == {(order, (found.best_alone.host,))}
    assert found.best_alone.in_flight > 1
    assert found.best_alone.found.startswith("found by trial, for there was no sweep: ")
    for name in names:
        prompts = sorted(each.prompt for each in found.exchanges if each.run == name)
        assert prompts == list(range(8))
    for each in found.exchanges:
        moments = [ms for ms, _ in each.chunks]
        assert moments == sorted(moments)
        assert moments[-1] <= each.wall_ms + 0.002
        assert json.loads(each.sent)["prompt"] == DEFAULT_PROMPTS[each.prompt]


@recorded_live
def test_the_capacity_of_each_host_is_kept(session_file) -> None:
    for host in har.read(session_file[0]).hosts:
        assert host.round_trip_ms > 0
        assert [level.in_flight for level in host.levels] == [1, 2, 4, 8]
        # These hosts answer everything at once.
        assert host.levels[2].tokens_per_s > 2 * host.levels[0].tokens_per_s
        assert host.slots >= 4


@recorded_live
def test_it_replays_to_what_was_measured(session_file, tmp_path: Path) -> None:
    for file in session_file:
        found = har.read(file)
        settings = Settings(recording=found, workload=found.workload, baseline=found.baseline)
        with Session(settings) as session:
            measurement = Measurement(session, "serial-per-side", report_dir=tmp_path)
            measurement.measure(ROUNDS)
        best = found.best_alone
        assert session.best_alone == replace(best, found=f"as in the recording: {best.found}")
        assert len(measurement.replay_errors) == 2 * ROUNDS  # of the runs and of the best alone
        errors = sorted(map(abs, measurement.replay_errors))
        assert errors[ROUNDS - 1] < 0.1  # one at a time a host: each request takes its very time
        assert errors[-1] < 1.0  # several at once: by the model of the host, and a busy machine is none


@recorded_live
def test_no_token_enters(session_file) -> None:
    for file in session_file:
        assert b"hush" not in file.read_bytes()
        assert b"uthorization" not in file.read_bytes()


@recorded_live
def test_without_texts_no_word_of_prompts_or_answers_is_left(session_file) -> None:
    plain, blotted = session_file[0].read_text(), session_file[1].read_text()
    words = {word for text in DEFAULT_PROMPTS for word in text.split() if len(word) > 5}
    assert all(word in plain for word in words)
    assert not [word for word in words if word in blotted]


def test_without_texts_a_recording_replays_to_the_same_figures(tmp_path: Path) -> None:
    found = har.read(REPOSITORY / "bench" / "recordings" / "vllm.json")
    reports = []
    for name, each in (("plain", found), ("blotted", redacted(found))):
        with Session(Settings(recording=each, workload=each.workload, baseline=each.baseline)) as session:
            measurement = Measurement(session, "all-parallel", report_dir=tmp_path / name)
            measurement.measure(1)
        reports.append(measurement.rounds)
    assert reports[0] == reports[1]


def test_what_failed_is_kept_with_its_reason(tmp_path: Path) -> None:
    with ThreadedHosts(ollama("m"), ollama("m", refuses="remote work")) as hosts:
        measure_once = tmp_path / "r.json"
        measure(hosts, measure_once, tmp_path)
    found = har.read(measure_once)
    refused = [each for each in found.exchanges if each.host == "b" and each.prompt == 4]
    assert {each.status for each in refused} == {400}
    assert not any(each.answered for each in refused)
    assert [run.makespan_ms for run in found.runs if run.name == "solo@b#0"] == [None]


def test_a_session_that_is_cut_keeps_its_finished_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(self: Measurement) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Measurement, "settle", cut)
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts, pytest.raises(KeyboardInterrupt):
        measure(hosts, tmp_path / "r.json", tmp_path)
    found = har.read(tmp_path / "r.json")
    assert [run.name for run in found.runs][-1] == "serial-per-side#0"
    assert replace(found, runs=()).rounds == 1


def test_a_recording_is_made_and_replayed_on_the_command_line(pytester: pytest.Pytester, monkeypatch) -> None:
    pytester.makeconftest((REPOSITORY / "conftest.py").read_text())
    shutil.copytree(REPOSITORY / "bench", pytester.path / "bench", ignore=shutil.ignore_patterns("recordings", "__py*"))
    monkeypatch.setenv("OUTPACE_TOKEN_A", "hush-hush")
    options = ("bench/test_strategies.py", "-p", "no:cacheprovider", "--strategies=serial-per-side")
    once = ("--record=r.json", "--rounds=1", "--baseline=a")
    with ThreadedHosts(ollama("m", pause_s=0.03), ollama("m", pause_s=0.03)) as hosts:
        run_pytest(pytester, *options, hosts.option, *once).assert_outcomes(passed=1)
        assert "Bearer hush-hush" in {asked.headers.get("authorization") for asked in hosts.asked}
    found = har.read(pytester.path / "r.json")
    assert "hush" not in (pytester.path / "r.json").read_text()
    parts = ("/baseline", "/alone", "")
    names = ["solo@a#0", "solo@b#0", *(f"serial-per-side#0{part}" for part in parts)]
    assert [run.name for run in found.runs] == names
    assert sorted((each.run, each.prompt) for each in found.exchanges) == sorted(
        (name, prompt) for name in names for prompt in range(8)
    )
    run_pytest(pytester, *options, "--hosts=replay:r.json").assert_outcomes(passed=1)
    report = json.loads((pytester.path / "reports" / "report-serial-per-side.json").read_text())
    assert report["replay_error"]["runs"] == 2
    assert report["rounds"][0]["alone"]["hosts"] == [report["summary"]["best_alone"]["host"]]


def test_the_file_can_be_read_after_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    end = Recorder.end

    def end_and_read(self: Recorder, *how) -> None:
        end(self, *how)
        seen.append([run.name for run in har.read(tmp_path / "r.json").runs])

    monkeypatch.setattr(Recorder, "end", end_and_read)
    with ThreadedHosts(ollama("m", pause_s=0.03), ollama("m", pause_s=0.03)) as hosts:
        measure(hosts, tmp_path / "r.json", tmp_path)
    assert [len(names) for names in seen] == list(range(1, 3 + 3 * ROUNDS))
    assert all(later[:-1] == earlier for earlier, later in pairwise(seen))


def test_a_session_that_outgrows_what_can_be_read_is_recorded_no_further(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(har, "MOST_RUNS", 3)
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        settings = Settings(hosts=hosts.hosts, record=tmp_path / "r.json", baseline="a", timeout_s=10)
        with Session(settings) as session:
            measurement = Measurement(session, "serial-per-side", report_dir=tmp_path)
            measurement.measure(1)
            notes = measurement.comparison().notes
    assert len(har.read(tmp_path / "r.json").runs) == 3
    assert any("it has 4 runs, and 3 are the most that are replayed" in note for note in notes)


def test_a_connection_that_was_refused_is_kept_with_its_error() -> None:
    async def main() -> list[Exchange]:
        transport = RecordingTransport(httpx.AsyncHTTPTransport())
        transport.run = "serial-per-side#0"
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            with pytest.raises(httpx.ConnectError):
                await client.post(f"http://127.0.0.1:{port}/api/generate", json={"prompt": "p"})
        return transport.exchanges

    with socket.socket() as deaf:  # bound and not listening: connections to it are refused
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        (only,) = anyio.run(main)
    assert only.error.startswith("ConnectError: ")
    assert (only.status, only.chunks, only.answered) == (0, (), False)


def test_a_request_that_is_cancelled_before_it_is_answered_is_kept() -> None:
    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
            return await anyio.sleep_forever()

    async def main() -> list[Exchange]:
        transport = RecordingTransport(Silent())
        transport.run = "serial-per-side#0"
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=None) as client:
            with anyio.move_on_after(5):
                await client.post("http://a:1/api/generate", json={"prompt": "p"})
        return transport.exchanges

    assert [each.status for each in run_virtually(main)] == [0]
