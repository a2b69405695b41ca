"""What a session leaves behind when it is ended, or when there is no room: reports that are whole."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import REPOSITORY, ThreadedHosts, ollama
from outpace.report import document

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are those of POSIX")


def start(folder: Path, hosts: ThreadedHosts, *options: str, limit: int | None = None) -> subprocess.Popen[str]:
    """The suite on ``hosts``, its reports in ``folder``; files of more than ``limit`` bytes cannot be written."""

    def narrow() -> None:
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


@pytest.mark.parametrize("after_s", [0.0, 0.13, 0.41])
def test_ended_at_any_moment_it_leaves_whole_reports(after_s: float, tmp_path: Path) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        session = start(tmp_path, hosts, "--strategies=serial-per-side", "--rounds=10000")
        try:
            report = tmp_path / "report-serial-per-side.json"
            give_up = time.monotonic() + 60
            while not report.exists():
                assert time.monotonic() < give_up
                assert session.poll() is None, session.communicate()[0]
                time.sleep(0.01)
            time.sleep(after_s)
            os.kill(session.pid, signal.SIGTERM)
            session.communicate(timeout=30)
        finally:
            session.kill()
    assert session.returncode == -signal.SIGTERM
    found = document.read(report)
    assert 1 <= len(found["rounds"]) < 10000


def test_where_there_is_no_room_the_last_whole_report_stays_and_the_reason_is_told(tmp_path: Path) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        session = start(tmp_path, hosts, "--strategies=serial-per-side", "--rounds=1000", limit=60_000)
        said, _ = session.communicate(timeout=120)
    assert session.returncode == 1
    assert "report-serial-per-side.json cannot be written" in said
    assert "Traceback" not in said
    assert len(document.read(tmp_path / "report-serial-per-side.json")["rounds"]) >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["report-serial-per-side.json"], "no half of a file is left"


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        said, _ = start(tmp_path, hosts, "--rounds=1").communicate(timeout=60)
        assert not hosts.asked
    assert "No report can be written to" in said
