"""Strategies that reckon with how fast hosts are, and how long answers are expected to be."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Sequence

import anyio

from outpace.dispatch.job import Job
from outpace.dispatch.plan import Plan
from outpace.workload.prompts import Prompt


async def weighted(job: Job) -> None:
    """Split the prompts by measured speed; each host works on its share, as many at once as its limit allows."""
    rates = [job.expect.rate(host) for host in job.hosts]

    async def work_on(host: str, share: Sequence[Prompt]) -> None:
        for prompt in share:
            await job.due(prompt)
            if await job.room(host, patient=False):
                job.start(host, prompt)
            else:
                job.leave([prompt])

    async with anyio.create_task_group() as sides:
        for host, share in zip(job.hosts, split_by_rate(job.prompts, rates), strict=True):
            sides.start_soon(work_on, host, share)


async def earliest_finish(job: Job) -> None:
    """The longest expected first, each to the host that would finish it first; planned anew as answers come in.

    What comes later has its turn later, however long it is.
    """
    plan = Plan(job.waiting, job.hosts, job.expect, job.resting)
    clock = asyncio.get_running_loop().time  # what anyio tells, without what it takes to ask there
    at_work: set[str] = set()

    async def work_on(host: str) -> None:
        while len(plan):
            stands = await job.room(host, patient=False)
            now_s = clock()
            (plan.idle if job.is_idle(host) else plan.learned)(host, now_s)
            call(plan.improve(now_s))
            if stands and (prompt := plan.take(host, now_s)):
                job.start(host, prompt)
            elif stands:
                await job.change(host)
            elif not await job.room(host):  # the others have its prompts now
                break
        at_work.discard(host)

    def call(hosts: Iterable[str]) -> None:
        """Let ``hosts`` look at what is meant for them."""
        for host in hosts:
            job.nudge(host)
            if host not in at_work:
                at_work.add(host)
                sides.start_soon(work_on, host)

    async with anyio.create_task_group() as sides:
        call(plan.hosts())
        async for prompt in job.arriving():
            call(plan.add(prompt, clock()))


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
