"""Load on one host: what a sweep of its capacity sends."""

from __future__ import annotations

import anyio

from outpace.dispatch.job import Job, Strategy


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
