"""Strategies over one queue that all hosts share: a prompt is given to a host when the host has room, not before."""

from __future__ import annotations

import math

import anyio

from outpace.dispatch.job import Job
from outpace.workload.prompts import Prompt

OVERDUE = 0.01
"""So much later than expected, a request is looked at again."""


async def pull(job: Job) -> None:
    """One shared queue: each host takes the next prompt when it has room."""
    async with anyio.create_task_group() as sides:
        for host in job.hosts:
            sides.start_soon(take_turns, job, host)


async def capacity_aware(job: Job) -> None:
    """The shared queue, and for each host a limit that is found while running."""
    await pull(job)  # what is adaptive about it are its limits: see ``limit_of``


async def hedged(job: Job) -> None:
    """The shared queue; while it is empty, an idle host gets a copy of the last straggler: the first answer counts."""
    async with anyio.create_task_group() as sides:
        for host in job.hosts:
            sides.start_soon(take_turns, job, host)
            sides.start_soon(copy_stragglers, job, host)


async def take_turns(job: Job, host: str) -> None:
    """Send to ``host`` what waits since longest, whenever it has room."""
    while prompt := await job.next(host, fair=True):
        job.start(host, prompt)


async def copy_stragglers(job: Job, host: str) -> None:
    """Send to ``host``, when it is idle and nothing waits, a copy of what it is expected to answer sooner."""
    while await job.idle(host):
        straggler, pause_s = find_straggler(job, host) if not job.waiting else (None, math.inf)
        if straggler is not None:
            await job.copy(host, straggler)
        else:
            with anyio.move_on_after(pause_s):
                await job.change()


def find_straggler(job: Job, host: str) -> tuple[Prompt | None, float]:
    """The prompt under way elsewhere that is expected to end last, if ``host`` would answer it sooner.

    Otherwise None, and the seconds until that may be so. One that takes longer than expected is expected to take as
    long again.
    """
    now_s = anyio.current_time()
    last: tuple[float, Prompt] | None = None
    pause_s = math.inf
    for attempt in job.to_copy(host):
        work = job.expect.work(attempt.prompt)
        mine_s, theirs_s = job.expect.alone_s(host, work), job.expect.alone_s(attempt.host, work)
        took_s = now_s - attempt.began
        remains_s = theirs_s - took_s if took_s < theirs_s else took_s
        if mine_s < remains_s:
            last = max(last or (0.0, attempt.prompt), (remains_s, attempt.prompt), key=lambda found: found[0])
        else:
            pause_s = min(pause_s, max(theirs_s, mine_s) * (1 + OVERDUE) - took_s)
    return (last[1] if last else None), pause_s
