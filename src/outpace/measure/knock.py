"""Before a run: connections made warm, round trips timed, and hosts asked whether somebody else keeps them busy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import anyio

from outpace.dispatch.health import PING_TIMEOUT_S
from outpace.engines import Engine
from outpace.ground.errors import RequestFailed

SETTLING_TRIES, SETTLING_S = 10, 0.1
"""So often, and so far apart, a host is asked what it is at: an engine notices late that a client has gone."""


async def round_trips_ms(engines: Mapping[str, Engine]) -> dict[str, float]:
    """Exchange a cheap request with each of ``engines``; gives how long it took, in ms, where there was an answer."""
    took_ms = {}
    for host, engine in engines.items():
        began = anyio.current_time()
        with anyio.move_on_after(PING_TIMEOUT_S):
            try:
                await engine.ping()
            except RequestFailed:  # a host that is down shows in the run, where it counts
                continue
            took_ms[host] = (anyio.current_time() - began) * 1000
    return took_ms


async def in_work(engines: Iterable[Engine]) -> int | None:
    """How many requests ``engines`` tell that they are at, after a second to finish; None where none of them tells."""
    told = [found for engine in engines if (found := await _in_work(engine)) is not None]
    return sum(told) if told else None


async def _in_work(engine: Engine) -> int | None:
    found = None
    with anyio.move_on_after(PING_TIMEOUT_S):
        for _ in range(SETTLING_TRIES):
            found = await engine.in_work()
            if not found:
                break
            await anyio.sleep(SETTLING_S)
    return found
