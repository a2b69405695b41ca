"""The command ``outpace``: run, report, compare and doctor, as a new user meets them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import forked
from harness import REPOSITORY, ThreadedHosts, ollama
from outpace.command import cli

RECORDINGS = REPOSITORY / "bench" / "recordings"
PUBLISHED = REPOSITORY / "reports" / "phase-0"


def outpace(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """The exit status, and what was printed."""
    status = cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out + printed.err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        cli.main(["--help"])
    assert exited.value.code == 0
    said = capsys.readouterr().out
    for command in ("run", "report", "compare", "what-if", "doctor"):
        assert f"outpace {command}" in said
    assert max(map(len, said.splitlines())) < 95


def test_help_of_run_shows_the_options_of_the_suite(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = outpace(capsys, "run", "--help")
    assert status == 0
    for option in ("--hosts", "--strategies", "--rounds", "--router", "--limits", "--report-dir"):
        assert option in said


def test_a_reader_that_goes_away_is_no_error_and_what_is_to_be_written_is_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "outpace.command.cli", "rules", RECORDINGS / "phase-0.json"]
    options = ["--strategies=round-robin", f"--report-dir={tmp_path}"]
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([*command, *options], stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (cli.READER_GONE, "")
    assert {path.name for path in tmp_path.iterdir()} == {"rules.html", "rules.md"}


def test_run_is_the_suite(tmp_path: Path) -> None:
    arguments = [f"--hosts=replay:{RECORDINGS / 'phase-0.json'}", "--strategies=serial-per-side", "-q"]
    command = [sys.executable, "-m", "outpace.command.cli", "run", *arguments, "--benchmark-disable"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "outpace: set gain 1.154, ratio 0.866 under serial-per-side; gate passed" in done.stdout
    assert "warning" not in done.stdout
    assert (tmp_path / "reports" / "report-serial-per-side.json").is_file()
    assert (tmp_path / "reports" / "capacity.json").is_file()


def test_run_fails_where_the_gate_does(tmp_path: Path) -> None:
    arguments = [f"--hosts=replay:{RECORDINGS / 'phase-0.json'}", "--strategies=sequential", "--threshold=0.5"]
    done = forked.outpace("run", *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert "Try: " in done.stdout


def test_a_mistake_of_run_is_one_paragraph(tmp_path: Path) -> None:
    done = forked.outpace("run", "--hosts=one=http://127.0.0.1:1", folder=tmp_path)
    assert done.returncode == 2
    assert "one host only" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_compare_with_itself_shows_no_change(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = outpace(capsys, "compare", RECORDINGS / "vllm", RECORDINGS / "vllm.json")
    assert status == 0
    lines = said.splitlines()
    assert len(lines) == 8
    assert all("no change that the data can show" in line for line in lines)


def test_compare_tells_a_change_that_the_data_show(capsys: pytest.CaptureFixture[str]) -> None:
    _, said = outpace(capsys, "compare", RECORDINGS / "vllm", RECORDINGS / "llama-server-np4.json")
    (line,) = [line for line in said.splitlines() if line.startswith("all-parallel:")]
    assert "set gain 1.490 before, 1.896 after (against laptop with 8 in flight before, laptop with 4 in flight" in line
    assert "faster against the best alone" in line


def test_compare_of_five_rounds_has_an_interval(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = json.loads((RECORDINGS / "vllm" / "report-all-parallel.json").read_text())
    report["rounds"] = (report["rounds"] * 2)[:5]
    (tmp_path / "report-all-parallel.json").write_text(json.dumps(report))
    _, said = outpace(capsys, "compare", tmp_path, tmp_path)
    assert "94% interval of the change" in said


@pytest.mark.parametrize("which", [0, 1])
def test_compare_says_what_is_missing(which: int, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folders = [PUBLISHED, PUBLISHED]
    folders[which] = tmp_path / "nothing"
    status, said = outpace(capsys, "compare", *folders)
    assert status == 2
    assert "There is no report-<strategy>.json in" in said


def test_compare_needs_a_strategy_in_common(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copy(RECORDINGS / "vllm" / "report-pull.json", tmp_path)
    status, said = outpace(capsys, "compare", PUBLISHED, tmp_path)
    assert status == 2
    assert "no strategy in common" in said


def test_doctor_says_what_it_sees(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        status, said = outpace(capsys, "doctor", hosts.option)
    assert status == 0
    for part in ("a: ollama 0.9.1 speaks the ollama protocol", "m is cold", "a cheap request takes", "in common: m"):
        assert part in said
    assert re.search("here: this machine keeps up with about [0-9,]+ requests or [0-9,]+ tokens a second", said)
    assert "Nothing stands in the way" in said


@pytest.mark.parametrize("date", ["now", "Mon, 31 Feb 99999 25:61:00 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"])
@pytest.mark.usefixtures("known_ceiling")
def test_doctor_makes_nothing_of_a_date_that_is_none(date: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Dated(ollama("m")):  # type: ignore[misc]
        def date_time_string(self, timestamp: float | None = None) -> str:
            return date

    with ThreadedHosts(Dated, Dated) as hosts:
        status, said = outpace(capsys, "doctor", hosts.option)
    assert status == 0
    assert "Nothing stands in the way" in said


@pytest.mark.usefixtures("known_ceiling")
def test_doctor_names_each_problem(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadedHosts(ollama("m"), ollama("n")) as hosts:
        status, said = outpace(capsys, "doctor", f"{hosts.option},dead=http://127.0.0.1:1")
    assert status == 1
    assert "dead: not reached." in said
    assert "takes no connection" in said
    assert "hosts call their models differently (a m, b n)" in said


@pytest.mark.usefixtures("known_ceiling")
def test_doctor_knows_a_model_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        status, said = outpace(capsys, "doctor", hosts.option, "--model=llama")
    assert status == 1
    assert "does not have the model llama" in said


@pytest.mark.parametrize(
    ("hosts", "said"),
    [("replay:x.json", "no hosts to look at"), ("a=http://8.8.8.8:1,b=http://127.0.0.1:1", "--allow-public")],
)
def test_doctor_refuses_what_it_may_not_look_at(hosts: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed = outpace(capsys, "doctor", f"--hosts={hosts}")
    assert status == 2
    assert said in printed
