"""outpace load, from the command line: what it says, what it leaves behind, and when it fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import REPOSITORY
from outpace.command.cli import main
from outpace.report import load_document, rate_document, rate_page

VLLM = REPOSITORY / "bench" / "recordings" / "vllm.json"


def load(tmp_path: Path, *more: str, arrivals: str = "poisson:60/min") -> int:
    given = [f"--hosts=replay:{VLLM}", f"--arrivals={arrivals}", f"--report-dir={tmp_path}", "-p", "no:randomly"]
    return main(["load", *given, *more])


def read(tmp_path: Path, strategy: str) -> dict:
    return load_document.read(tmp_path / f"load-{strategy}.json")


def test_the_set_keeps_what_the_best_host_alone_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(tmp_path, "--requests=300", "--slo=ttft:p90<2s", arrivals="constant:3/s") == 0
    told = (
        "At 180.0 requests a minute, two hosts under pull keep 90 % of first tokens within 2 s, laptop alone is "
        "overloaded."
    )
    assert told in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "RESULT.md").read_text().startswith(f"**{told}**")
    ours, alone = read(tmp_path, "pull"), read(tmp_path, "best-alone")
    came = [[request["due_ms"] for request in each["requests"]] for each in (ours, alone)]
    assert came[0][: len(came[1])] == came[1]
    assert (len(came[0]), ours["ended"], alone["ended"]) == (300, None, "the queue grew")
    assert len(came[1]) < 300
    assert (ours["gate"]["verdict"], alone["gate"]["verdict"]) == ("pass", "fail")
    assert {request["host"] for request in alone["requests"] if request["host"]} == {alone["best_alone"]["host"]}


def test_a_broken_promise_fails_the_command(tmp_path: Path) -> None:
    assert load(tmp_path, "--requests=60", "--slo=ttft:p90<1ms", "-q") == 1
    assert read(tmp_path, "pull")["gate"]["verdict"] == "fail"


def test_what_a_full_queue_refuses_is_in_the_report(tmp_path: Path) -> None:
    assert load(tmp_path, "--requests=100", "--queue=2", "-q", arrivals="constant:20/s") == 0
    errors = [request["error"] for request in read(tmp_path, "pull")["requests"]]
    assert "queue full: 2 waited already when it came" in errors


def test_the_highest_rate_of_the_set_and_of_the_best_host_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"--hosts=replay:{VLLM}", "--rate=find", "--slo=ttft:p90<2s", "--requests=300", f"--report-dir={tmp_path}"]
    assert main(["load", *asked, "--least-rate=120/min", "--least-rate-gain=1.2"]) == 0
    found = rate_document.read(tmp_path / "rate.json")
    alone, ours = found["found"]
    assert (alone["strategy"], ours["strategy"]) == ("best-alone", "pull")
    assert alone["hosts"] == ["laptop"]
    assert ours["rate_per_s"]["low"] > alone["rate_per_s"]["high"]
    told = " ".join(capsys.readouterr().out.split())
    sentence = "".join(rate_page.sentence(found))
    assert sentence in told
    assert re.fullmatch(
        r"Two hosts under pull bear [0-9.]+ requests a minute with 90 % of first tokens within 2 s, laptop alone "
        r"[0-9.]+: [0-9.]+ times \([0-9.]+ to [0-9.]+\)\.",
        sentence,
    )
    assert (tmp_path / "RESULT.md").read_text().startswith(f"**{sentence}**")
    assert sentence in (tmp_path / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ").replace(
        "<bdi>", ""
    ).replace("</bdi>", "")
    assert main(["load", *asked, "--least-rate-gain=9", "-q"]) == 1
    assert rate_document.read(tmp_path / "rate.json")["found"][1]["gate"]["verdict"] == "fail"


def test_two_replays_are_equal_to_the_last_digit(tmp_path: Path) -> None:
    for name in ("one", "two"):  # nor does an earlier load of another kind get into the page
        assert load(tmp_path / name, "--requests=9", "-q") == 0
        assert load(tmp_path / name, "--requests=50", "-q", "--strategies=random", arrivals="gamma:2/s,cv=2") == 0
    pages = [(tmp_path / name / "load-random.json").read_text() for name in ("one", "two")]
    assert pages[0] == pages[1]
    assert "pull" not in (tmp_path / "one" / "RESULT.md").read_text()


def test_a_replay_plays_the_times_of_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    rows = [{"timestamp": at, "input_length": 9, "output_length": 9} for at in (0, 40, 900, 5000)]
    trace.write_text("\n".join(map(json.dumps, rows)))
    assert load(tmp_path, "-q", arrivals=f"trace:{trace},speed=2x") == 0
    assert [request["due_ms"] for request in read(tmp_path, "pull")["requests"]] == [0, 20, 450, 2500]


def test_a_trace_is_played_faster_until_it_is_too_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.jsonl"
    rows = [{"timestamp": 900 * at + 7 * at % 5, "input_length": 9, "output_length": 9} for at in range(300)]
    trace.write_text("\n".join(map(json.dumps, rows)))
    asked = [f"--hosts=replay:{VLLM}", "--rate=find", f"--arrivals=trace:{trace}", "--slo=ttft:p90<2s", "--within=9%"]
    assert main(["load", *asked, f"--report-dir={tmp_path}"]) == 0
    found = rate_document.read(tmp_path / "rate.json")
    own = found["arrivals"]["trace_rate_per_s"]
    assert own == pytest.approx(1 / 0.9, rel=0.01)
    for each in found["found"]:
        assert each["rate_per_s"]["high"] / each["rate_per_s"]["low"] <= 1.09**2
        said = f"(the trace {each['rate_per_s']['value'] / own:.3g} times as fast as it came)"
        assert said in "".join(rate_page.sentence(found))
        assert said in (tmp_path / "RESULT.md").read_text().replace("\\", "")
    assert "".join(rate_page.sentence(found)) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hosts=embedded"], "say how requests arrive"),
        ([f"--hosts=replay:{VLLM}"], "plays the arrivals of a recording, and there are none"),
        (["--arrivals=poisson:30/min"], "--for=2min"),
        (["--rate=find"], "say which by --slo=ttft:p95<2s"),
        (["--rate=41/min", "--slo=ttft:p95<2s"], "write find"),
        (["--rate=find", "--slo=ttft:p95<2s", "--for=2min"], "--requests=N is what it has at most"),
        (["--rate=find", "--slo=ttft:p95<2s", "--arrivals=poisson:3/s"], "which looks for the rate"),
        (["--rate=find", "--slo=ttft:p95<2s", "--least-rate=30"], "'30' is no rate"),
        (["--rate=find", "--slo=ttft:p95<2s", "--least-rate-gain=no"], "must be a number above 0"),
        (["--rate=find", "--slo=ttft:p95<2s", "--within=0%"], "--within=0%: write a share from 0.1% to 50%"),
        (["--arrivals=poisson:3/s", "--requests=9", "--within=3%"], "is about the rate that --rate=find"),
        (["--arrivals=poisson:3/s", "--requests=9", "--least-rate=30/min"], "is about the rate that --rate=find"),
        (["--arrivals=poisson:30/min", "--requests=0"], "--requests=0: write a whole number that is 1 or more"),
        (["--arrivals=poisson:30/min", "--requests=9", "--queue=-1"], "--queue=-1"),
        (["--arrivals=poisson:30/min", "--requests=9", "--slo=fast"], "cannot read 'fast'"),
    ],
)
def test_a_mistake_is_told_before_anything_starts(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", *options]) == 2
    assert said in " ".join("".join(capsys.readouterr()).split())
