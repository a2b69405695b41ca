"""What a session leaves behind when it is ended, has no room or may not write: reports that are whole."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import REPOSITORY, ThreadedHosts, ollama
from outpace.report import document

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are those of POSIX")


REPORT = "report-serial-per-side.json"
PR_CAPBSET_DROP = 24
CAPABILITIES = {"CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2}
# Looked up here because what is done between a fork and an exec had better not load a library.
PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def obey_modes() -> None:
    """Let root be refused, in what is executed next, what the modes of files refuse to others."""
    if PRCTL is not None and os.geteuid() == 0:
        for capability in CAPABILITIES.values():
            PRCTL(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that can be closed by its mode, even to root where that can be told to obey it."""
    tmp_path.chmod(0o555)
    touch = [sys.executable, "-c", f"open({str(tmp_path / 'file')!r}, 'w')"]
    tried = subprocess.run(touch, stderr=subprocess.DEVNULL, preexec_fn=obey_modes, check=False)
    tmp_path.chmod(0o755)
    if tried.returncode == 0:
        pytest.skip("modes of files do not hold here")
    yield tmp_path
    tmp_path.chmod(0o755)


def start(folder: Path, hosts: ThreadedHosts, *options: str, limit: int | None = None) -> subprocess.Popen[str]:
    """The suite on ``hosts``, its reports in ``folder``; files of more than ``limit`` bytes cannot be written."""

    def narrow() -> None:
        obey_modes()
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "pytest", "bench/test_strategies.py", "-p", "no:cacheprovider", "--no-pages"]
    return subprocess.Popen(
        [*command, hosts.option, f"--report-dir={folder}", *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=narrow,
    )


def await_report(report: Path, session: subprocess.Popen[str]) -> None:
    """Return once ``session`` has written its first report."""
    give_up = time.monotonic() + 60
    while not report.exists():
        assert time.monotonic() < give_up
        assert session.poll() is None, session.communicate()[0]
        time.sleep(0.01)


@pytest.mark.parametrize("after_s", [0.0, 0.13, 0.41])
def test_ended_at_any_moment_it_leaves_whole_reports(after_s: float, tmp_path: Path) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        session = start(tmp_path, hosts, "--strategies=serial-per-side", "--rounds=10000")
        try:
            await_report(tmp_path / REPORT, session)
            time.sleep(after_s)
            os.kill(session.pid, signal.SIGTERM)
            session.communicate(timeout=30)
        finally:
            session.kill()
    assert session.returncode == -signal.SIGTERM
    found = document.read(tmp_path / REPORT)
    assert 1 <= len(found["rounds"]) < 10000


def test_where_there_is_no_room_the_last_whole_report_stays_and_the_reason_is_told(tmp_path: Path) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        session = start(tmp_path, hosts, "--strategies=serial-per-side", "--rounds=1000", limit=60_000)
        said, _ = session.communicate(timeout=120)
    assert session.returncode == 1
    assert f"{REPORT} cannot be written" in said
    assert "Traceback" not in said
    assert len(document.read(tmp_path / REPORT)["rounds"]) >= 1
    assert [path.name for path in tmp_path.iterdir()] == [REPORT], "no half of a file is left"


def test_a_folder_that_is_read_only_is_told_before_anything_is_measured(folder: Path) -> None:
    folder.chmod(0o555)
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        session = start(folder, hosts, "--rounds=1")
        said, _ = session.communicate(timeout=60)
        assert not hosts.asked
    assert session.returncode == pytest.ExitCode.USAGE_ERROR
    assert [line for line in said.splitlines() if line.startswith("ERROR")] == [
        f"ERROR: No report can be written to {folder}: Permission denied. Name another folder by --report-dir."
    ]
    assert "Traceback" not in said
    assert not list(folder.iterdir())


@pytest.mark.parametrize("beside", [None, "--keep-answers", "--record"])
def test_a_folder_that_becomes_read_only_keeps_whole_reports_and_the_reason_is_told(
    beside: str | None, folder: Path
) -> None:
    options = {None: [], "--record": [f"--record={folder / 'recording.json'}"]}.get(beside, [beside])
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        session = start(folder, hosts, "--strategies=serial-per-side", "--rounds=10000", *options)
        try:
            await_report(folder / REPORT, session)
            folder.chmod(0o555)
            said, _ = session.communicate(timeout=60)
        finally:
            session.kill()
    assert session.returncode == pytest.ExitCode.TESTS_FAILED
    # Pytest's list of what failed repeats the reason where a line may be long, as it may in CI.
    told = [line for line in said.splitlines() if "cannot be written" in line]
    reasons = [line for line in told if not line.startswith("FAILED ")]
    assert len(reasons) == (2 if beside == "--record" else 1), "one a file"
    for reason in reasons:
        assert f"{folder}/" in reason
        assert "Permission denied. Name another folder" in reason
    assert "PermissionError" not in said, "an error is told in words"
    assert "Traceback" not in said
    assert 1 <= len(document.read(folder / REPORT)["rounds"]) < 10000
    for path in folder.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))
