"""Rules: what routers do. Each decides on a prompt as it comes and sends it at once, whatever waits at its host."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count

from outpace.dispatch.job import Job, Strategy
from outpace.workload.prompts import Prompt

Choose = Callable[[Prompt], str]
"""Gives the host for a prompt that has just come."""
Rule = Callable[[Job], Choose]
"""Makes the choice for one run; what it keeps from run to run, as a router that goes on would, is in ``job.memory``."""
SEED = 7


def standing(job: Job) -> Sequence[str]:
    """The hosts that may get prompts, in the order in which they were named to the run; all, where none may."""
    return job.standing or job.hosts


def chance_of(job: Job) -> random.Random:
    """Chance that goes on from run to run, and is the same in every session."""
    chance: random.Random = job.memory.setdefault("chance", random.Random(SEED))  # noqa: S311 - no secret
    return chance


def cursor_of(job: Job) -> Callable[[Sequence[str]], str]:
    """A cursor that goes round: of the hosts it is given it takes the one whose turn it is."""
    turn = job.memory.setdefault("turn", count())
    return lambda hosts: hosts[next(turn) % len(hosts)]


def send_by(rule: Rule) -> Strategy:
    """The strategy that sends each prompt, as it comes, where ``rule`` says."""

    async def strategy(job: Job) -> None:
        choose = rule(job)
        async for prompt in job.arriving():
            job.start(choose(prompt), prompt)

    return strategy
