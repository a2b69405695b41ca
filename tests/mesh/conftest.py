"""A real mesh of machines: ``tox -e mesh`` runs these tests, as root on Linux; elsewhere they are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh import Mesh, why_not
from mesh.outcomes import Tables

ASKED = "OUTPACE_MESH"
"""Set by ``tox -e mesh``; where it is "required", as in CI, a machine that can have no mesh is a failure."""

_tables = Tables()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    asked = os.environ.get(ASKED)
    reason = why_not() if asked else "takes minutes, and root: tox -e mesh"
    if asked == "required" and reason is not None:
        raise pytest.UsageError(f"The mesh is required here, and cannot be: {reason}.")
    for item in items:
        if reason is not None and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    """Three machines and a tunnel between them, all of it new."""
    with Mesh() as made:
        yield made


@pytest.fixture(scope="session")
def tables() -> Tables:
    """Where a test puts what a person wants to see of it."""
    return _tables


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _tables.lines():
        terminalreporter.write_line(line)
