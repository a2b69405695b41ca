"""pytest and outpace, each in a process of its own, forked from one that has imported what both would import.

A new interpreter spends a second on imports before it reads its first option; a fork of one that has them does not,
and is as much a process of its own: what it imports, sets or breaks ends with it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from typing import NoReturn

IMPORTED = (
    *("numpy", "httpx", "jsonschema", "jsonschema_rs", "anyio", "anyio._backends._asyncio", "anyio.pytest_plugin"),
    *("pytest", "_pytest.pytester", "_pytest.unittest", "_pytest.junitxml", "pdb", "pytest_benchmark.plugin"),
    *("pytest_randomly", "xdist.plugin", "xdist.newhooks", "xdist.looponfail"),
    *("outpace.command.cli", "outpace.suite.plugin", "outpace.suite.law", "outpace.report.arrived"),
)
"""Known to the server of forks, which is a new interpreter and knows nothing that a test did."""

REWRITTEN_ALREADY = "-W 'ignore:Module already imported:pytest.PytestAssertRewriteWarning'"

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(IMPORTED))


def pytest(*arguments: str, folder: Path, **environment: str) -> CompletedProcess[str]:
    """``python -m pytest ARGUMENTS`` in ``folder``."""
    options = f"{environment.get('PYTEST_ADDOPTS', os.environ.get('PYTEST_ADDOPTS', ''))} {REWRITTEN_ALREADY}"
    return _run("pytest:console_main", arguments, folder, {**os.environ, **environment, "PYTEST_ADDOPTS": options})


def outpace(*arguments: str, folder: Path, **environment: str) -> CompletedProcess[str]:
    """``outpace ARGUMENTS`` in ``folder``."""
    return _run("outpace.command.cli:main", arguments, folder, {**os.environ, **environment})


def _run(
    program: str, arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]
) -> CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as said:
        out, err = Path(said, "1"), Path(said, "2")
        process = _forks.Process(target=_be, args=(program, arguments, folder, environment, (out, err)))
        process.start()
        process.join()
        assert process.exitcode is not None
        return CompletedProcess([program, *arguments], process.exitcode, out.read_text(), err.read_text())


def _be(
    program: str, arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str], said: tuple[Path, Path]
) -> NoReturn:
    """In the fork: be the program, as a shell in ``folder`` would start it, which says things to two files."""
    gc.freeze()  # pytest collects garbage ten times as it ends: there is none in what was imported before
    for descriptor, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    helpers = str(Path(__file__).parent)
    paths = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [str(folder), *paths, *(each for each in sys.path if each != helpers)]
    module, _, main = program.partition(":")
    sys.argv = [module, *arguments]
    raise SystemExit(getattr(import_module(module), main)())
