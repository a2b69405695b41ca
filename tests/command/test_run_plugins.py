"""``outpace run`` in an environment of other pytest plugins, or with none that is loaded by itself."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import forked
from harness import PUBLISHED

TIMEOUT = "def pytest_addoption(parser):\n    parser.addoption('--timeout', type=float, help='seconds for a test')\n"


def outpace_run(folder: Path, *options: str, **environment: str) -> CompletedProcess[str]:
    asked = [f"--hosts=replay:{PUBLISHED}", "--strategies=sequential", "--no-pages", *options]
    return forked.outpace("run", *asked, folder=folder, **environment)


def install(folder: Path, name: str, code: str) -> str:
    """Install a pytest plugin into ``folder`` as a package's entry point has it, and give the path that finds it."""
    (folder / f"pytest_{name}.py").write_text(code)
    told = folder / f"pytest_{name}-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pytest-{name}\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[pytest11]\n{name} = pytest_{name}\n")
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def test_another_plugins_timeout_does_not_stand_in_its_way(tmp_path: Path) -> None:
    path = install(tmp_path, "timeout", TIMEOUT)
    done = outpace_run(tmp_path, "--timeout=60", "--collect-only", "-q", PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_strategy[sequential]" in done.stdout


@pytest.mark.parametrize("variable", ["PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", "PYTEST_ADDOPTS=-W error"])
def test_it_measures_whatever_the_environment_asks_of_pytest(tmp_path: Path, variable: str) -> None:
    name, _, value = variable.partition("=")
    done = outpace_run(tmp_path, "-k", "strategy", **{name: value})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "reports" / "report-sequential.json").is_file()
