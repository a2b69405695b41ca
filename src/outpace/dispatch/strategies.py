"""Dispatch strategies: each a short coroutine that decides which host gets which prompt, when.

Faults are no strategy's business: what ``job.send`` could not get answered, the coordinator gives to other hosts.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Literal

import anyio

from outpace.dispatch.coordinator import MakeLimit, as_known
from outpace.dispatch.job import Job
from outpace.dispatch.limits import AdaptiveLimit, FixedLimit
from outpace.dispatch.plan import Plan
from outpace.ground.errors import StrategyUnknown
from outpace.workload.prompts import Prompt

Strategy = Callable[[Job], Awaitable[None]]
Limits = int | Literal["sweep", "adaptive"]
"""What a user may ask for: so many in flight a host, what a sweep found (1 where there was none), or find out."""
OVERDUE = 0.01
"""So much later than expected, a request is looked at again."""


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


async def weighted(job: Job) -> None:
    """Split the prompts by measured speed; each host works on its share, as many at once as its limit allows."""
    rates = [job.expect.rate(host) for host in job.hosts]

    async def work_on(host: str, share: deque[Prompt]) -> None:
        while share and await job.room(host, patient=False):
            job.start(host, share.popleft())
        job.leave(share)

    async with anyio.create_task_group() as sides:
        for host, share in zip(job.hosts, split_by_rate(job.prompts, rates), strict=True):
            sides.start_soon(work_on, host, deque(share))


async def pull(job: Job) -> None:
    """One shared queue: each host takes the next prompt when it has room."""
    queue = deque(job.prompts)
    async with anyio.create_task_group() as sides:
        for host in job.hosts:
            sides.start_soon(_take_turns, job, host, queue)


async def capacity_aware(job: Job) -> None:
    """The shared queue, and for each host a limit that is found while running."""
    await pull(job)  # what is adaptive about it are its limits: see ``limit_of``


async def earliest_finish(job: Job) -> None:
    """The longest expected first, each to the host that would finish it first; planned anew as answers come in."""
    plan = Plan(job.prompts, job.hosts, job.expect, job.stands)

    async def work_on(host: str) -> None:
        while len(plan) and await job.room(host):
            now_s = anyio.current_time()
            if job.is_idle(host):
                plan.idle(host, now_s)
            if plan.improve(now_s):
                job.nudge()
            if prompt := plan.take(host, now_s):
                job.start(host, prompt)
            else:
                await job.change()

    async with anyio.create_task_group() as sides:
        for host in job.hosts:
            sides.start_soon(work_on, host)


async def hedged(job: Job) -> None:
    """The shared queue; then a copy of the last straggler to a host that is idle: the first answer counts."""
    queue = deque(job.prompts)

    async def work_on(host: str) -> None:
        await _take_turns(job, host, queue)
        while await job.idle(host):
            straggler, pause_s = find_straggler(job, host)
            if straggler is not None:
                await job.copy(host, straggler)
            else:
                with anyio.move_on_after(pause_s):
                    await job.change()

    async with anyio.create_task_group() as sides:
        for host in job.hosts:
            sides.start_soon(work_on, host)


async def _take_turns(job: Job, host: str, queue: deque[Prompt]) -> None:
    while queue and await job.room(host, fair=True) and queue:
        job.start(host, queue.popleft())


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


def split_by_rate(prompts: Sequence[Prompt], rates: Sequence[float]) -> list[list[Prompt]]:
    """Deal the prompts out in turn, each to whom it would take least long for its share with one more."""
    shares: list[list[Prompt]] = [[] for _ in rates]
    first = [(1 / rate, index) for index, rate in enumerate(rates)]
    heapq.heapify(first)
    for prompt in prompts:
        _, index = first[0]
        shares[index].append(prompt)
        heapq.heapreplace(first, ((len(shares[index]) + 1) / rates[index], index))
    return shares


def find_straggler(job: Job, host: str) -> tuple[Prompt | None, float]:
    """The prompt under way elsewhere that is expected to end last, if ``host`` would answer it sooner.

    Otherwise None, and the seconds until that may be so. One that takes longer than expected is expected to take as
    long again.
    """
    now_s = anyio.current_time()
    last: tuple[float, Prompt] | None = None
    pause_s = math.inf
    for attempt in job.under_way():
        work = job.expect.work(attempt.prompt)
        mine_s, theirs_s = job.expect.alone_s(host, work), job.expect.alone_s(attempt.host, work)
        took_s = now_s - attempt.began
        remains_s = theirs_s - took_s if took_s < theirs_s else took_s
        if mine_s < remains_s and attempt.host != host:
            last = max(last or (0.0, attempt.prompt), (remains_s, attempt.prompt), key=lambda found: found[0])
        elif attempt.host != host:
            pause_s = min(pause_s, max(theirs_s, mine_s) * (1 + OVERDUE) - took_s)
    return (last[1] if last else None), pause_s


STRATEGIES: dict[str, Strategy] = {
    "sequential": sequential,
    "serial-per-side": serial_per_side,
    "all-parallel": all_parallel,
    "weighted": weighted,
    "pull": pull,
    "earliest-finish": earliest_finish,
    "capacity-aware": capacity_aware,
    "hedged": hedged,
}
PUBLISHED = ("sequential", "serial-per-side", "all-parallel")
"""Those of the published experiment: what they have in flight is in their definition, whatever a host's limit is."""
EXPECTING = ("earliest-finish", "hedged")
"""Those that make use of how long answers are expected to be."""


def limit_of(strategy: str, limits: Limits) -> MakeLimit:
    """What hosts may have in flight under ``strategy`` where the user asked for ``limits``."""
    if strategy in PUBLISHED:
        return lambda _: FixedLimit(1)
    if strategy == "capacity-aware" or limits == "adaptive":
        return lambda known: AdaptiveLimit(known.limit)
    return as_known if limits == "sweep" else lambda _: FixedLimit(limits)


def find_strategy(name: str) -> Strategy:
    """The strategy called ``name``; raises ``StrategyUnknown`` naming those there are."""
    if name not in STRATEGIES:
        raise StrategyUnknown(f"There is no strategy {name!r}; there are {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]
