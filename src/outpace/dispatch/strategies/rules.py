"""Rules: what routers do. Each decides on a prompt as it comes, sends it at once, and never asks how fast a host is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count

from outpace.dispatch.job import Job, Strategy
from outpace.workload.prompts import Prompt

Choose = Callable[[Prompt], str]
"""Gives the host for a prompt that has just come."""
SEED = 7


def standing(job: Job) -> Sequence[str]:
    """The hosts that may get prompts, in the order in which they were named to the run; all, where none may."""
    return job.standing or job.hosts


def at_random(job: Job) -> Choose:
    """Any host, each as likely as the other: as Open WebUI does."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    return lambda _: chance.choice(standing(job))


def least_in_flight(job: Job) -> Choose:
    """The host with the fewest requests in flight, of several the one whose turn it is: as Olla does.

    Its ``least_connections.go`` breaks ties by a cursor that goes round.
    """
    cursor = count()

    def choose(_: Prompt) -> str:
        hosts = standing(job)
        first = next(cursor) % len(hosts)
        return min([*hosts[first:], *hosts[:first]], key=job.in_flight.__getitem__)

    return choose


def least_in_flight_first(job: Job) -> Choose:
    """The host with the fewest requests in flight, of several the first: as LiteLLM's ``least_busy.py`` does."""
    return lambda _: min(standing(job), key=job.in_flight.__getitem__)


def send_by(rule: Callable[[Job], Choose]) -> Strategy:
    """The strategy that sends each prompt, as it comes, where ``rule`` says."""

    async def strategy(job: Job) -> None:
        choose = rule(job)
        async for prompt in job.arriving():
            job.start(choose(prompt), prompt)

    return strategy


RULES = {
    "random": at_random,
    "least-in-flight": least_in_flight,
    "least-in-flight-first": least_in_flight_first,
}
