"""Who contributes and what arrives, as a seed draws them, and what is known of machines beforehand."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, takewhile

from outpace.dispatch import HostKnowledge
from outpace.dispatch.expectation import PROMPT_TOKEN_WORK
from outpace.ground.errors import UsageError
from outpace.simulation.pool.contributor import asking
from outpace.simulation.pool.machine import Machine, claimed
from outpace.simulation.pool.presence import Churn, Spans
from outpace.simulation.pool.scenario import Scenario
from outpace.workload.arrivals import MOST_REQUESTS
from outpace.workload.prompts import Generation, Prompt, Workload


@dataclass(frozen=True)
class Member:
    """One contributor before the run: what its machine is, and what seeds its chance."""

    name: str
    machine: Machine
    churn: Churn
    seed: str


def drawn(scenario: Scenario, seed: int) -> Iterator[Member]:
    """All contributors, the same for the same seed; one more of a group changes nothing about the others."""
    for group in scenario.groups:
        for number in range(group.count):
            name = f"{group.name}-{number + 1}"
            each = f"{seed}/{name}"
            yield Member(name, group.kind.machine(chance_of(each, "machine")), group.churn, each)


def spans_of(member: Member, scenario: Scenario, seed: int) -> Spans:
    """When ``member`` is there."""
    outages: Spans | None = None
    if scenario.outages is not None:
        outages = scenario.outages.spans(chance_of(str(seed), "outages"), chance_of(member.seed, "outages"))
    return member.churn.spans(chance_of(member.seed, "presence"), outages)


def workload(scenario: Scenario, seed: int) -> Workload:
    """What arrives. Raises ``UsageError`` where nothing does, or far too much.

    Lengths have two digits that count, so that a million prompts share a few thousand texts. All ask for the longest
    answer that there is, where there is one.
    """
    prompts = []
    coming = takewhile(lambda each: each[0] < scenario.for_s, _coming(scenario, seed))
    for index, (due_s, asked, answered) in enumerate(coming):
        tokens = _two_digits(asked)
        text = asking(tokens, _two_digits(answered))
        prompts.append(Prompt(index, text, due_s * 1000, tokens=tokens))
        if index == MOST_REQUESTS:
            raise UsageError(f"More than {MOST_REQUESTS:,} requests would arrive: let fewer come, or for less time.")
    if not prompts:
        raise UsageError("No request arrives in that time: let more come, or for longer.")
    told = scenario.output_tokens
    most = told.mean if math.isinf(told.most) else told.most
    return Workload(tuple(prompts), Generation(max_tokens=max(1, math.ceil(most))))


def _coming(scenario: Scenario, seed: int) -> Iterator[tuple[float, float, float]]:
    """When each request is due, in seconds, its tokens and those of its answer."""
    if scenario.traced:
        speed = 1000 * scenario.arrivals.speed
        yield from ((each.due_ms / speed, each.prompt_tokens, each.output_tokens) for each in scenario.traced)
    else:
        chance = chance_of(str(seed), "lengths")
        for due_s in accumulate(scenario.arrivals.gaps_s(seed)):
            yield due_s, scenario.prompt_tokens(chance), scenario.output_tokens(chance)


def _two_digits(tokens: float) -> int:
    return max(1, int(float(f"{tokens:.1e}")))


def known(scenario: Scenario, members: Iterable[Member]) -> dict[str, HostKnowledge]:
    """What the coordinator knows of machines when it begins: the work of a mean request is the measure."""
    if scenario.knows == "nothing":
        return {}
    found = {}
    asked, told = round(scenario.prompt_tokens.mean), max(1, round(scenario.output_tokens.mean))
    for each in members:
        machine = each.machine
        if scenario.knows == "claimed":
            machine = claimed(machine, scenario.claims(chance_of(each.seed, "claims")))
        capacity = machine.kind.capacity
        speed = (told + PROMPT_TOKEN_WORK * asked) / machine.work_ms(asked, told) * 1000
        found[each.name] = HostKnowledge(speed, capacity.limit, max(1.0, capacity.gain))
    return found


def by_speed(hosts: Iterable[str], known: Mapping[str, HostKnowledge]) -> list[str]:
    """The names of ``hosts``, the fastest first as far as is ``known``."""
    return sorted(hosts, key=lambda host: -known[host].speed if host in known else 0.0)


def chance_of(seed: str, what: str) -> random.Random:
    """Chance of its own for each of what ``seed`` decides."""
    return random.Random(f"{seed}/{what}")  # noqa: S311 - no secret
