"""What the coordinator itself costs: processor time a request of 35 events, a write each, over that of a bare protocol.

It is the time of this process alone, so that the engine's speed does not count, and both sides of a pair run next to
each other on one event loop. The figures are in the benchmark's extra info, and nothing is asserted of them.
``tox -e speed`` shows the same beside other clients.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from statistics import median

import pytest

import speed
from outpace.engines import Client
from outpace.measure.eventful import serving

pytestmark = pytest.mark.quiet
REQUESTS, IN_FLIGHT = 100, 8


@pytest.mark.benchmark(timer=time.process_time)
def test_what_a_request_costs_over_a_bare_exchange(benchmark) -> None:
    bare_s: list[float] = []
    ours_s: list[float] = []
    with serving() as port, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        client = runner.run(stack.enter_async_context(Client(timeout_s=10, patient=True)))
        ask_ours = speed.asking(client, port, IN_FLIGHT)
        ask_bare = runner.run(stack.enter_async_context(speed.bare_asking(port, IN_FLIGHT)))

        def spent(ask: speed.Run, into: list[float]) -> None:
            began = time.process_time()
            runner.run(ask(REQUESTS))
            into.append(time.process_time() - began)

        spent(ask_ours, [])  # opens the connections, and lets both sides settle
        spent(ask_bare, [])
        benchmark.pedantic(spent, (ask_ours, ours_s), setup=lambda: spent(ask_bare, bare_s), rounds=15, iterations=1)
        runner.run(stack.aclose())
    pairs = list(zip(ours_s, bare_s, strict=True))
    benchmark.extra_info["added_ms_a_request"] = round(median((o - b) / REQUESTS * 1000 for o, b in pairs), 3)
    benchmark.extra_info["bare_ms_a_request"] = round(median(bare_s) / REQUESTS * 1000, 3)
    benchmark.extra_info["ratio"] = round(median(o / b for o, b in pairs), 1)
