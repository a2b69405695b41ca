"""Plans made to measure, and what is in them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product

from outpace.dispatch import HostKnowledge
from outpace.dispatch.expectation import Expectation
from outpace.dispatch.plan import Plan
from outpace.workload.prompts import workload

NAMES = "abcdefgh"


def make(
    works: Sequence[float],
    speeds: Sequence[float],
    resting: Collection[str] = (),
    gains: Sequence[float] | None = None,
) -> tuple[Plan, Expectation]:
    """A plan of prompts of these works, in their order, for hosts a, b, ... of these speeds."""
    texts = workload([str(index) for index in range(max(1, len(works)))])
    gains = gains or [1.0] * len(speeds)
    known = {name: HostKnowledge(speed, None, gain) for name, speed, gain in zip(NAMES, speeds, gains, strict=False)}
    expect = Expectation(texts, list(known), known, lambda prompt: works[prompt.index] if works else None)
    return Plan(texts.prompts[: len(works)], list(known), expect, resting), expect


def planned(plan: Plan) -> dict[str, list[int]]:
    """What is meant for each host, in the order in which it would take it."""
    return {host: [prompt.index for _, prompt in queue] for host, queue in plan._queues.by_host.items()}


def take_all(plan: Plan, host: str, now_s: float = 0.0) -> list[int]:
    found = []
    while (prompt := plan.take(host, now_s)) is not None:
        found.append(prompt.index)
    return found


def ends_s(plan: Plan, works: Sequence[float], speeds: Sequence[float]) -> float:
    shares = planned(plan)
    return max(sum(works[index] for index in shares[name]) / speed for name, speed in zip(NAMES, speeds, strict=False))


def optimum_s(works: Sequence[float], speeds: Sequence[float]) -> float:
    return min(
        max(
            sum(work for work, at in zip(works, hosts, strict=True) if at == host) / speed
            for host, speed in enumerate(speeds)
        )
        for hosts in product(range(len(speeds)), repeat=len(works))
    )
