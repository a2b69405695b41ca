"""What real servers do: each test lets a small one do it, over a socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spoken import Spoken, spoken


@pytest.fixture(scope="session")
def say() -> Iterator[Spoken]:
    """Let a host answer what a test wants."""
    with spoken() as saying:
        yield saying
