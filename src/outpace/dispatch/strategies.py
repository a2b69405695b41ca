"""Dispatch strategies: each a short coroutine that decides which host gets which prompt, when.

Faults are no strategy's business: what ``job.send`` could not get answered, the coordinator gives to other hosts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import anyio

from outpace.dispatch.coordinator import Job
from outpace.errors import StrategyUnknown
from outpace.prompts import Prompt

Strategy = Callable[[Job], Awaitable[None]]


async def sequential(job: Job) -> None:
    """Every prompt in its turn on the fastest host: the baseline."""
    await job.send_each(job.hosts[0], job.prompts)


async def serial_per_side(job: Job) -> None:
    """Split the prompts evenly; one request in flight a host."""
    async with anyio.create_task_group() as sides:
        for host, share in split_evenly(job.prompts, job.hosts):
            sides.start_soon(job.send_each, host, share)


async def all_parallel(job: Job) -> None:
    """Split the prompts evenly; send all of them at once."""
    async with anyio.create_task_group() as requests:
        for index, prompt in enumerate(job.prompts):
            requests.start_soon(job.send, job.hosts[index % len(job.hosts)], prompt)


def keep_in_flight(requests: int) -> Strategy:
    """A strategy that keeps so many requests in flight on the first host: what a sweep of its capacity sends."""

    async def strategy(job: Job) -> None:
        waiting = iter(job.prompts)

        async def take_turns() -> None:
            for prompt in waiting:
                await job.send(job.hosts[0], prompt)

        async with anyio.create_task_group() as tasks:
            for _ in range(requests):
                tasks.start_soon(take_turns)

    return strategy


def split_evenly(prompts: Sequence[Prompt], hosts: Sequence[str]) -> Iterator[tuple[str, Sequence[Prompt]]]:
    """Deal the prompts out in turn, so that the shares differ by one at most and the fastest host has the larger."""
    for index, host in enumerate(hosts):
        yield host, prompts[index :: len(hosts)]


STRATEGIES: dict[str, Strategy] = {
    "sequential": sequential,
    "serial-per-side": serial_per_side,
    "all-parallel": all_parallel,
}


def find_strategy(name: str) -> Strategy:
    """The strategy called ``name``; raises ``StrategyUnknown`` naming those there are."""
    if name not in STRATEGIES:
        raise StrategyUnknown(f"There is no strategy {name!r}; there are {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]
