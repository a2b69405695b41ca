"""What CI runs hides nothing: it installs what tests need where it may, and ends with what was skipped, and why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import needed
from harness import REPOSITORY

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="a script for a shell of POSIX")
SKIPPED = "SKIPPED [12] tests/x.py: there is no x"
# A checkout's interpreter, whose tox says what a test has put into tox.sh.
PYTHON = 'mkdir -p .tools/bin; printf "#!/bin/sh\\n" | tee .tools/bin/pip > .tools/bin/tox'
PYTHON += "; cat tox.sh >> .tools/bin/tox; chmod +x .tools/bin/*"


def ci(folder: Path, *, user: int, installed: bool, tox: str, **commands: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script where the system's commands are those of a test."""
    shutil.copytree(REPOSITORY / ".ci", folder / ".ci")
    (folder / "tox.sh").write_text(tox)
    (folder / "bin").mkdir()
    given = {"id": f"echo {user}", "dpkg": f"exit {int(not installed)}", "apt-get": "echo $* >> apt", "python3": PYTHON}
    for name, script in (given | commands).items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bin" / name).chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if name != "CI"}
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    script = [str(folder / ".ci" / "run")]
    return subprocess.run(script, env={**outside, "PATH": path}, capture_output=True, text=True, check=False)


@posix_only
@pytest.mark.parametrize("status", [0, 1])
def test_it_ends_with_what_was_skipped_and_as_the_tests_did(status: int, tmp_path: Path) -> None:
    tox = f'echo "CI is $CI"\necho "{SKIPPED}"\necho more\nexit {status}'
    done = ci(tmp_path, user=1000, installed=False, tox=tox)
    assert done.returncode == status, done.stderr
    assert done.stdout.splitlines() == ["CI is true", SKIPPED, "more", "Skipped, and why:", SKIPPED]
    assert not (tmp_path / "apt").exists(), "only root installs"


@posix_only
def test_that_nothing_was_skipped_is_said(tmp_path: Path) -> None:
    assert ci(tmp_path, user=1000, installed=True, tox="").stdout.splitlines() == ["Skipped, and why:", "nothing"]


@posix_only
@pytest.mark.parametrize("apt", ["echo $* >> apt", "echo $* >> apt; echo no network; exit 100"])
def test_root_installs_what_is_missing_and_tests_run_even_where_that_fails(apt: str, tmp_path: Path) -> None:
    done = ci(tmp_path, user=0, installed=False, tox="echo tested", **{"apt-get": apt})
    assert done.returncode == 0, done.stderr
    assert "tested" in done.stdout
    assert ("no network" in done.stdout) == ("no network" in apt)
    asked = (tmp_path / "apt").read_text().split()
    assert ("chromium" in asked) == ("no network" not in apt)


@posix_only
def test_root_installs_nothing_twice(tmp_path: Path) -> None:
    ci(tmp_path, user=0, installed=True, tox="")
    assert not (tmp_path / "apt").exists()


def test_a_program_that_is_missing_fails_a_test_in_ci_and_skips_it_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"no-such-program is not installed; CI has to have it"):
        needed.program("no-such-program")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        needed.program("no-such-program")
    assert Path(needed.program("no-such-program", "python3", "python")).exists()
