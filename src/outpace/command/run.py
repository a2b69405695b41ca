"""``outpace run``: pytest over the experiment, for those who do not think in pytest."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import outpace
from outpace.ground.errors import UsageError
from outpace.suite import options
from outpace.suite.plugin import Invocation

INI = """\
[pytest]
addopts = --strict-markers -p no:cacheprovider
junit_family = xunit1
"""
OTHERS = ("test_load", "test_pool", "test_regression")
NO_NEWS = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
"""Of modules that are imported here before pytest is. In the ini file, -W in PYTEST_ADDOPTS would overrule it."""


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser(
        "run",
        help="measure: capacity, strategies, gate; reports are written after every round",
        description="Measure the hosts' capacity, the strategies in paired rounds, and hold them against the gate. "
        "Options of pytest and pytest-benchmark are passed on: -k, -q, -v, --benchmark-json=FILE.",
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this help")
    parser.set_defaults(do=_run)


def _run(given: argparse.Namespace, rest: Sequence[str]) -> int:
    if given.help:
        print_help("run")
        return 0
    # One replays recordings of the repository, whatever --hosts says; the others have commands of their own.
    return measure("run", [each for each in sorted(bench().glob("test_*.py")) if each.stem not in OTHERS], rest)


def measure(command: str, tests: Sequence[Path], rest: Sequence[str]) -> int:
    """Run ``tests`` of the experiment as pytest does, with the options ``rest``, for ``outpace COMMAND``."""
    with tempfile.TemporaryDirectory() as folder:
        ini = Path(folder) / "pytest.ini"
        ini.write_text(INI, encoding="utf-8")
        # --timeout is outpace's here; the benchmarks are wanted where plugins are not loaded by themselves, too.
        plugins = ["-p", "no:timeout", "-p", "benchmark", "-p", "outpace.plugin"]
        own = ["-c", str(ini), f"--rootdir={bench()}", *plugins, "-W", NO_NEWS]
        status = pytest.main(
            [*own, *map(str, tests), *rest], plugins=[Invocation(shlex.join(["outpace", command, *rest]))]
        )
    return 2 if status == pytest.ExitCode.USAGE_ERROR else int(status)


def bench() -> Path:
    """The experiment: inside the package where a wheel brought it, else at the top of the checkout."""
    package = Path(outpace.__file__).parent
    packaged = package / "bench"
    found = packaged if packaged.is_dir() else package.parents[1] / "bench"
    if not found.is_dir():
        raise UsageError("This installation of outpace lacks its bench folder: install it again.")
    return found


class _Group:
    """Takes pytest's options as argparse does, to show them."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def getgroup(self, _name: str, _title: str) -> _Group:
        return self

    def addoption(self, name: str, **how: Any) -> None:
        self._parser.add_argument(name, **how)


def print_help(command: str) -> None:
    """Show outpace's options, as ``outpace COMMAND`` takes them."""
    shown = argparse.ArgumentParser(prog=f"outpace {command}", add_help=False, usage=f"outpace {command} [OPTION]...")
    options.add_options(_Group(shown))  # type: ignore[arg-type]
    shown.print_help()
