"""A real mesh of machines: ``tox -e mesh`` runs these tests, as root on Linux; elsewhere they are skipped there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import needed
from mesh import TOOLS, Mesh, why_not
from mesh.outcomes import Tables, lines

if not os.environ.get("OUTPACE_MESH"):  # the other tests do without minutes and root
    collect_ignore_glob = ["test_*"]


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    """Three machines and a tunnel between them, all of it new."""
    if reason := why_not():
        pytest.skip(reason)
    for tool in TOOLS:
        needed.program(tool)
    with Mesh() as made:
        yield made


@pytest.fixture
def tables(request: pytest.FixtureRequest) -> Tables:
    """Where a test puts what a person wants to see of it."""
    return Tables(request.node)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests found."""
    for line in lines(terminalreporter.getreports("passed") + terminalreporter.getreports("failed")):
        terminalreporter.write_line(line)
