"""What one host by itself takes for a whole workload: reckoned from its model, as the coordinator would find it.

Under the shared queue with one host and a fixed limit there is nothing to decide, so nobody need decide: the times are
those of such a run, to the last digit, at a tenth of what that costs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from outpace.ground.errors import RequestFailed, TimedOut
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.simulated_engine import SimulatedEngine
from outpace.simulation.slots import Slots, Work
from outpace.workload.prompts import Workload


class Foretold(NamedTuple):
    """What a run takes, and how many tokens each prompt is answered by, where that is told."""

    makespan_ms: float
    tokens: dict[int, int]


async def alone(engine: SimulatedEngine, workload: Workload, in_flight: int, timeout_s: float) -> Foretold | None:
    """What ``workload`` takes at ``engine``, so many in flight, in order; the clock moves on by that.

    None, and no time goes by, where something would go wrong, one attempt take ``timeout_s``, or prompts come later.
    """
    if any(prompt.due_ms for prompt in workload.prompts):
        return None
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    began_s, slots, tokens = loop.time(), engine.at_host().twin(), dict[int, int]()
    try:
        ended_s = _ended_s(slots, _works_ms(engine, workload, tokens), in_flight, engine.trip_s / 2, began_s, timeout_s)
    except RequestFailed:
        return None
    engine.at_host().be(slots)
    loop.move_to(ended_s)
    return Foretold((ended_s - began_s) * 1000, tokens)


def _works_ms(engine: SimulatedEngine, workload: Workload, tokens: dict[int, int]) -> Iterator[float]:
    """The work of each answer; how many ``tokens`` it has is noted. Raises ``RequestFailed`` where one is none."""
    for prompt in workload.prompts:
        settings = workload.generation
        if prompt.max_tokens is not None:
            settings = replace(settings, max_tokens=prompt.max_tokens)
        work_ms, answer_tokens = engine.foretell(prompt.text, settings)
        if answer_tokens:
            tokens[prompt.index] = answer_tokens
        yield work_ms


def _ended_s(
    slots: Slots, works_ms: Iterator[float], in_flight: int, half_trip_s: float, now_s: float, timeout_s: float
) -> float:
    """When the last of ``works_ms`` is known to be done by who sends them; raises ``TimedOut`` where one takes long."""
    under_way: deque[tuple[float, Work]] = deque()
    sent_s: dict[Work, float] = {}

    def send(at_most: int) -> None:
        for work_ms in islice(works_ms, at_most):
            work = Work((work_ms,), now_s)
            sent_s[work] = now_s
            under_way.append((now_s + half_trip_s, work))

    send(in_flight)
    while sent_s:
        end_s = slots.end_s
        if under_way and (end_s is None or under_way[0][0] <= end_s):
            at_s, work = under_way.popleft()
            slots.come(work, at_s)
            continue
        assert end_s is not None
        now_s = end_s + half_trip_s
        for work in slots.end(end_s):
            if now_s - sent_s.pop(work) >= timeout_s:
                raise TimedOut(f"an answer takes {timeout_s:g} s")
            send(1)
    return now_s
