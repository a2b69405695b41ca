"""The strategies of the published experiment: what is in flight is in their definition, not in a host's limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import anyio

from outpace.dispatch.job import Job
from outpace.workload.prompts import Prompt


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


def split_evenly(prompts: Sequence[Prompt], hosts: Sequence[str]) -> Iterator[tuple[str, Sequence[Prompt]]]:
    """Deal the prompts out in turn, so that the shares differ by one at most and the fastest host has the larger."""
    for index, host in enumerate(hosts):
        yield host, prompts[index :: len(hosts)]
