"""A million requests over ten thousand contributors that come and go: nothing lost, nothing twice, in minutes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness import REPOSITORY
from outpace.simulation.pool.played import play
from outpace.simulation.pool.scenario import find

REQUESTS = 990_000
"""Chance may bring one in a hundred more, and a million is the most that a scenario takes."""


@pytest.mark.quiet
@pytest.mark.skipif("OUTPACE_NIGHTLY" not in os.environ, reason="takes minutes: tox -e nightly runs this")
def test_a_million_requests_are_each_answered_once(record_property: Callable[[str, object], None]) -> None:
    globe = find("globe", REPOSITORY / "bench")
    found = play(replace(globe, for_s=REQUESTS / globe.arrivals.rate_per_s), 1)
    assert found.failed == 0
    assert found.given == found.answered > 0.99 * REQUESTS
    assert found.attempts > found.answered  # some left in the midst of it
    assert found.left_s > 0
    cost = found.cost
    spent = f"{cost.cpu_s:.0f} s of CPU, {cost.memory_mib:,.0f} MiB"
    record_property("cost", f"{found.answered:,} requests, {found.attempts:,} attempts, {spent}")
