"""The wheel as a user installs it: outside of the checkout, with what it asks for and nothing else."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness import REPOSITORY
from outpace.report import document

RECORDING = REPOSITORY / "bench" / "recordings" / "phase-0.json"
# What a shell calls "outpace" once the wheel is installed.
COMMAND = "from importlib.metadata import entry_points; [it] = entry_points(group='console_scripts', name='outpace'); "
COMMAND += "raise SystemExit(it.load()())"
PAGE = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
CONFTEST, OWN_TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    (built,) = folder.glob("*.whl")
    return built


def asked_for(by: Distribution, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """Add to ``found`` what ``by`` requires here, and what that requires."""
    for requirement in map(Requirement, by.requires or ()):
        name = canonicalize_name(requirement.name)
        # A requirement of an extra holds where its marker does with that extra, and none is asked for.
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[name] = distribution(name)
            asked_for(found[name], found)
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and, from where they are installed here, what it asks for."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, symlinks=True)
    (site,) = [path for path in home.rglob("site-packages") if path.is_dir()]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (ours,) = Distribution.discover(name="outpace", path=[str(site)])
    for found in asked_for(ours, {}).values():
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))
    return next(path for path in home.rglob("python*") if path.name in ("python", "python.exe"))


def run(python: Path, folder: Path, *arguments: str) -> str:
    """What the interpreter says that is run with ``arguments`` in ``folder``, where nothing leads to the checkout."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    command = [str(python), *arguments]
    done = subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_measures_where_there_is_no_checkout(python: Path, tmp_path: Path) -> None:
    said = run(python, tmp_path, "-c", COMMAND, "run", f"--hosts=replay:{RECORDING}", "--strategies=serial-per-side")
    assert "passed" in said
    assert {path.name for path in (tmp_path / "reports").iterdir()} >= {"report.html", "RESULT.md"}
    found = document.read(tmp_path / "reports" / "report-serial-per-side.json")
    assert found["summary"]["overhead_ratio"]["median"] == pytest.approx(0.866, abs=1e-3)


def test_a_conftest_of_one_line_gives_a_test_of_one_s_own_its_measurement(python: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_ours.py").write_text(OWN_TEST)
    options = [f"--hosts=replay:{RECORDING}", "--strategies=pull,serial-per-side"]
    said = run(python, tmp_path, "-m", "pytest", *options)
    assert "2 passed" in said
    assert (tmp_path / "reports" / "report-pull.json").is_file()


def test_it_has_every_question_of_the_bench_every_scenario_and_every_schema(wheel: Path) -> None:
    held = {name.removeprefix("outpace/") for name in zipfile.ZipFile(wheel).namelist()}
    wanted = {"bench": ("test_*.py", "scenarios/*.toml", "recordings/phase-0.json"), "schemas": ("*.json",)}
    for folder, patterns in wanted.items():
        found = [path for pattern in patterns for path in (REPOSITORY / folder).glob(pattern)]
        ours = {path.relative_to(REPOSITORY).as_posix() for path in found}
        assert {name for name in held if name.startswith(f"{folder}/")} == ours - {"bench/test_regression.py"}


def test_nothing_is_asked_for_that_is_not_imported() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {canonicalize_name(Requirement(each).name) for each in project["dependencies"]}
    imported = set()
    for path in (REPOSITORY / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            imported |= {name.partition(".")[0] for name in names}
    whose = packages_distributions()
    used = {canonicalize_name(name) for each in imported for name in whose.get(each, ())}
    # Pytest loads it for the fixture that the bench is made with.
    assert asked - used == {"pytest-benchmark"}
