"""A scenario played once, by one seed: the coordinator that is measured live, over contributors that come and go."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile

import psutil

from outpace.dispatch import RULES, Coordinator, HostKnowledge, Outcome, adopted, find_strategy, limit_of
from outpace.dispatch.expectation import PROMPT_TOKEN_WORK
from outpace.dispatch.job import Job, Strategy
from outpace.dispatch.strategies.rules import Choose, Rule, send_by
from outpace.ground.errors import UsageError
from outpace.judge import load
from outpace.judge.evenness import jain
from outpace.judge.gate import Word
from outpace.judge.load import LoadFigures, State
from outpace.judge.steadiness import grew_since_half
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.pool.contributor import Contributor, asking
from outpace.simulation.pool.machine import Machine, claimed
from outpace.simulation.pool.presence import Churn, Spans, within_s
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


@dataclass(frozen=True)
class Cost:
    """What a run cost on this machine: the one thing that differs from machine to machine.

    ``cpu_s`` is all of it, simulated contributors and all; ``choosing_s`` is what the rule took for its ``choices``.
    ``memory_mib`` is what this process held when it was over.
    """

    cpu_s: float
    choosing_s: float
    choices: int
    memory_mib: float


@dataclass(frozen=True)
class Played:
    """What came of a run of ``took_s`` virtual seconds.

    ``attempts`` were made. Of the host-seconds of work, ``answered_s`` went into answers, ``left_s`` was lost with
    those that left, ``spent_s`` when nobody waited any more. Contributors were there for ``there_s`` in all, and busy
    for ``busy_s`` of it, as evenly as ``fairness`` says: Jain's index of their busy shares. ``grew`` is whether more
    requests were open at the end of the arrivals than half way.
    """

    seed: int
    load: LoadFigures
    answered: int
    failed: int
    attempts: int
    took_s: float
    answered_s: float
    left_s: float
    spent_s: float
    there_s: float
    busy_s: float
    fairness: float | None
    grew: bool
    cost: Cost

    def verdict(self) -> tuple[Word, str]:
        """Whether the promise is kept, and why.

        Where hosts come and go there is no steady state to wait for: other seeds take its place.
        """
        steady: State = "overload" if self.load.steady == "overload" and self.grew else "steady"
        return replace(self.load, steady=steady).verdict()


class _Timed:
    """A rule whose choices are timed, in ns of this thread's CPU."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self.took_ns = self.choices = 0

    def __call__(self, job: Job) -> Choose:
        choose = self._rule(job)

        def timed(prompt: Prompt) -> str:
            began_ns = time.thread_time_ns()
            host = choose(prompt)
            self.took_ns += time.thread_time_ns() - began_ns
            self.choices += 1
            return host

        return timed


def play(scenario: Scenario, seed: int) -> Played:
    """Play ``scenario`` by ``seed``; all but its ``cost`` is the same on every machine. Raises ``UsageError``."""
    rule = adopted(scenario.rule, "rule")
    timed = _Timed(RULES[rule]) if rule in RULES else None
    strategy = find_strategy(rule) if timed is None else send_by(timed)
    began_s = time.process_time()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        outcome, pool = runner.run(_play(scenario, seed, rule, strategy))
    cpu_s = time.process_time() - began_s
    memory_mib = psutil.Process().memory_info().rss / 2**20
    choosing_s, choices = (timed.took_ns / 1e9, timed.choices) if timed else (0.0, 0)
    if outcome.faults:
        raise UsageError(f"rule {rule}: {outcome.faults[0]}")
    return _figures(scenario, seed, outcome, pool, Cost(cpu_s, choosing_s, choices, memory_mib))


async def _play(
    scenario: Scenario, seed: int, rule: str, strategy: Strategy
) -> tuple[Outcome, dict[str, tuple[Member, Contributor]]]:
    members = list(drawn(scenario, seed))
    pool = {
        each.name: Contributor(
            each.name, each.machine, each.churn, spans_of(each, scenario, seed), _chance(each.seed, "leaving")
        )
        for each in members
    }
    known = _known(scenario, members)
    if known:
        members.sort(key=lambda each: -known[each.name].speed)
    work = workload(scenario, seed)
    outcome = await Coordinator(pool, timeout_s=scenario.timeout_s).run(
        rule,
        strategy,
        work,
        [each.name for each in members],
        cache_key="pool",
        known=known,
        limit=limit_of(rule, "sweep"),
        queue=scenario.queue,
        away=[name for name, each in pool.items() if each.left is not None],
    )
    return outcome, {each.name: (each, pool[each.name]) for each in members}


def drawn(scenario: Scenario, seed: int) -> Iterator[Member]:
    """All contributors, the same for the same seed; one more of a group changes nothing about the others."""
    for group in scenario.groups:
        for number in range(group.count):
            name = f"{group.name}-{number + 1}"
            each = f"{seed}/{name}"
            yield Member(name, group.kind.machine(_chance(each, "machine")), group.churn, each)


def spans_of(member: Member, scenario: Scenario, seed: int) -> Spans:
    """When ``member`` is there."""
    outages: Spans | None = None
    if scenario.outages is not None:
        outages = scenario.outages.spans(_chance(str(seed), "outages"), _chance(member.seed, "outages"))
    return member.churn.spans(_chance(member.seed, "presence"), outages)


def workload(scenario: Scenario, seed: int) -> Workload:
    """What arrives. Raises ``UsageError`` where nothing does, or far too much.

    Lengths have two digits that count, so that a million prompts share a few thousand texts.
    """
    chance = _chance(str(seed), "lengths")
    coming = accumulate(scenario.arrivals.gaps_s(seed))
    prompts = []
    for index, due_s in enumerate(takewhile(lambda due_s: due_s < scenario.for_s, coming)):
        tokens = _two_digits(scenario.prompt_tokens(chance))
        text = asking(tokens, _two_digits(scenario.output_tokens(chance)))
        prompts.append(Prompt(index, text, due_s * 1000, tokens=tokens))
        if index == MOST_REQUESTS:
            raise UsageError(f"More than {MOST_REQUESTS:,} requests would arrive: let fewer come, or for less time.")
    if not prompts:
        raise UsageError("No request arrives in that time: let more come, or for longer.")
    return Workload(tuple(prompts), Generation(max_tokens=max(1, round(scenario.output_tokens.mean))))


def _two_digits(tokens: float) -> int:
    return max(1, int(float(f"{tokens:.1e}")))


def _known(scenario: Scenario, members: Sequence[Member]) -> Mapping[str, HostKnowledge]:
    """What the coordinator knows of machines when it begins: the work of a mean request is the measure."""
    if scenario.knows == "nothing":
        return {}
    found = {}
    asked, told = round(scenario.prompt_tokens.mean), max(1, round(scenario.output_tokens.mean))
    for each in members:
        machine = each.machine
        if scenario.knows == "claimed":
            machine = claimed(machine, scenario.claims(_chance(each.seed, "claims")))
        capacity = machine.kind.capacity
        speed = (told + PROMPT_TOKEN_WORK * asked) / machine.work_ms(asked, told) * 1000
        found[each.name] = HostKnowledge(speed, capacity.limit, max(1.0, capacity.gain))
    return found


def _figures(
    scenario: Scenario, seed: int, outcome: Outcome, pool: Mapping[str, tuple[Member, Contributor]], cost: Cost
) -> Played:
    run = outcome.run
    took_s = run.makespan_ms / 1000
    there_s = {name: within_s(spans_of(member, scenario, seed), took_s) for name, (member, _) in pool.items()}
    busy_s = {name: each.busy_s(took_s) for name, (_, each) in pool.items()}
    shares = [min(1.0, busy_s[name] / there) for name, there in there_s.items() if there > 0]
    contributors = [each for _, each in pool.values()]
    done = [(each.due_ms, each.start_ms + each.wall_ms) for each in run.requests if each.start_ms is not None]
    return Played(
        seed,
        load.figures(run, scenario.slo),
        sum(request.error is None for request in run.requests),
        len(run.failed),
        sum(request.attempts for request in run.requests),
        took_s,
        sum(each.answered_s for each in contributors),
        sum(each.left_s for each in contributors),
        sum(each.spent_s for each in contributors),
        sum(there_s.values()),
        sum(busy_s.values()),
        jain(shares) if shares else None,
        grew_since_half([due for due, _ in done], [over for _, over in done]) if done else False,
        cost,
    )


def _chance(seed: str, what: str) -> random.Random:
    return random.Random(f"{seed}/{what}")  # noqa: S311 - no secret
