"""The command line on replays and recordings: the same twice, with faults, and held against the reports kept."""

from __future__ import annotations

import json
import shutil

import pytest

from harness import PUBLISHED, report, run

pytest_plugins = ["pytester"]


def test_a_replay_is_the_same_twice_to_the_last_byte(suite: pytest.Pytester) -> None:
    written = []
    for name in ("first", "second"):
        options = (f"--hosts=replay:{PUBLISHED}", f"--report-dir={name}", f"--benchmark-json={name}.json")
        run(suite, *options, "-k", "not regression").assert_outcomes(passed=5, xfailed=1)
        files = [*sorted((suite.path / name).iterdir()), suite.path / f"{name}.json"]
        assert len(files) == 4
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]


def test_a_fault_is_given_on_the_command_line(suite: pytest.Pytester) -> None:
    options = (f"--hosts=replay:{PUBLISHED}", "--strategies=serial-per-side", "-k", "strateg and not gate")
    run(suite, *options, "--fault=remote:dies@1s").assert_outcomes(passed=1)
    (only,) = report(suite, "serial-per-side")["rounds"]
    assert {each["host"] for each in only["run"]["failed_attempts"]} == {"remote"}
    assert [each["error"] for each in only["run"]["requests"]] == [None] * 8
    assert only["baseline"]["failed_attempts"] == []


def test_a_gate_without_a_recording_fails(suite: pytest.Pytester) -> None:
    result = run(suite, "-k", "recorded_gate")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*There is no recording in bench/recordings*"])


def test_recordings_are_held_against_the_reports_kept_of_them(suite: pytest.Pytester) -> None:
    (suite.path / "mine").mkdir()
    shutil.copy(PUBLISHED, suite.path / "mine")
    options = ("--recordings=mine", "--strategies=serial-per-side", "-k", "regression and not recorded")
    run(suite, *options).assert_outcomes(failed=1)
    run(suite, *options, "--accept").assert_outcomes(passed=1)
    run(suite, *options).assert_outcomes(passed=1)
    kept = suite.path / "mine" / "phase-0" / "report-serial-per-side.json"
    changed = json.loads(kept.read_text())
    changed["rounds"][0]["run"]["makespan_ms"] = 2000.0
    kept.write_text(json.dumps(changed))
    again = run(suite, *options)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*round 1, run: makespan_ms: from 2000.0 to 2515.*", "*--accept*"])
