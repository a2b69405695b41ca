"""A scenario played once, by one seed: the coordinator that is measured live, over contributors that come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import psutil

from outpace.dispatch import RULES, Coordinator, Outcome, adopted, find_strategy, limit_of
from outpace.dispatch.job import Job, Strategy
from outpace.dispatch.strategies.rules import Choose, Rule, send_by
from outpace.ground.errors import UsageError
from outpace.judge import load
from outpace.judge.evenness import jain
from outpace.judge.gate import Word
from outpace.judge.load import LoadFigures, State
from outpace.judge.steadiness import grew_since_half
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.pool.contributor import Contributor
from outpace.simulation.pool.population import by_speed, chance_of, drawn, known, spans_of, workload
from outpace.simulation.pool.presence import DrawnAgain, within_s
from outpace.simulation.pool.scenario import Scenario
from outpace.workload.prompts import Prompt


@dataclass(frozen=True)
class Cost:
    """What a run cost on this machine: the one thing that differs from machine to machine.

    ``cpu_s`` is all of it once contributors are drawn, what they do and all; ``choosing_s`` is what the rule took for
    its ``choices``. ``memory_mib`` is what this process held when it was over.
    """

    cpu_s: float
    choosing_s: float
    choices: int
    memory_mib: float


@dataclass(frozen=True)
class Played:
    """What came of a run of ``took_s`` virtual seconds.

    ``attempts`` were made, and contributors have ``given`` so many answers. Of the host-seconds of work, ``answered_s``
    went into answers, ``left_s`` was lost with those that left, ``spent_s`` when nobody waited any more. Contributors
    were there for ``there_s`` in all, and busy for ``busy_s`` of it, as evenly as ``fairness`` says: Jain's index of
    their busy shares. ``grew`` is whether more requests were open at the end of the arrivals than half way. So many
    were ``open`` on average, and at ``most_open`` in any moment: what a coordinator that is killed then had in memory.
    """

    seed: int
    load: LoadFigures
    answered: int
    failed: int
    attempts: int
    given: int
    took_s: float
    answered_s: float
    left_s: float
    spent_s: float
    there_s: float
    busy_s: float
    fairness: float | None
    grew: bool
    open: float
    most_open: int
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
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        outcome, pool, cpu_s = runner.run(_play(scenario, seed, rule, strategy))
    memory_mib = psutil.Process().memory_info().rss / 2**20
    choosing_s, choices = (timed.took_ns / 1e9, timed.choices) if timed else (0.0, 0)
    if outcome.faults:
        raise UsageError(f"rule {rule}: {outcome.faults[0]}")
    return _figures(scenario, seed, outcome, pool, Cost(cpu_s, choosing_s, choices, memory_mib))


async def _play(scenario: Scenario, seed: int, rule: str, strategy: Strategy) -> tuple[Outcome, Pool, float]:
    pool = Pool(scenario, seed)  # its contributors belong to the loop that runs
    began_s = time.process_time()
    outcome = await pool.run(rule, strategy)
    return outcome, pool, time.process_time() - began_s


class Pool:
    """The contributors of ``scenario`` as ``seed`` draws them, for the loop that runs.

    Each of its ``coordinators`` has those of its region, as many of each kind as any other; it knows ``known``.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario, self._seed = scenario, seed
        self.members = {each.name: each for each in drawn(scenario, seed)}
        self.engines = {
            name: Contributor(
                name, each.machine, each.churn, DrawnAgain(partial(spans_of, each, scenario, seed)), each.seed
            )
            for name, each in self.members.items()
        }
        self.known = known(scenario, self.members.values())
        if scenario.coordinators > len(self.members):
            raise UsageError(
                f"{scenario.coordinators} coordinators cannot share {len(self.members)} contributors: let each have "
                "one at least."
            )
        self.coordinators = [
            Coordinator(self.engines, timeout_s=scenario.timeout_s) for _ in range(scenario.coordinators)
        ]

    async def run(self, rule: str, strategy: Strategy) -> Outcome:
        """Let the requests of the scenario arrive under ``strategy``, which reports call ``rule``.

        Where there are several coordinators, each request goes to one of them by chance, whatever that has to do.
        """
        work, chance = workload(self._scenario, self._seed), chance_of(str(self._seed), "regions")
        regions = len(self.coordinators)
        coming: list[list[Prompt]] = [[] for _ in self.coordinators]
        for prompt in work.prompts:
            coming[chance.randrange(regions) if regions > 1 else 0].append(prompt)
        names = list(self.members)
        found = await asyncio.gather(
            *(
                coordinator.run(
                    rule,
                    strategy,
                    replace(work, prompts=tuple(mine)),
                    by_speed(hosts := names[place::regions], self.known),
                    cache_key="pool",
                    known=self.known,
                    limit=limit_of(rule, "sweep"),
                    queue=self._scenario.queue,
                    away=[name for name in hosts if self.engines[name].left is not None],
                )
                for place, (coordinator, mine) in enumerate(zip(self.coordinators, coming, strict=True))
                if mine
            )
        )
        return found[0] if regions == 1 else merged(found)

    @property
    def in_flight(self) -> int:
        """How many requests are at contributors."""
        return sum(sum(each.in_flight.values()) for each in self.coordinators)

    def there_s(self, until_s: float) -> dict[str, float]:
        """For how long each was there until then."""
        return {
            name: within_s(spans_of(each, self._scenario, self._seed), until_s) for name, each in self.members.items()
        }


def merged(found: Sequence[Outcome]) -> Outcome:
    """What coordinators beside each other did, as if it were one."""
    runs = [each.run for each in found]
    return Outcome(
        replace(
            runs[0],
            hosts=tuple(host for run in runs for host in run.hosts),
            makespan_ms=max(run.makespan_ms for run in runs),
            requests=tuple(sorted((each for run in runs for each in run.requests), key=lambda each: each.prompt)),
            failed_attempts=tuple(each for run in runs for each in run.failed_attempts),
        ),
        (),
        tuple(fault for each in found for fault in each.faults),
    )


def _figures(scenario: Scenario, seed: int, outcome: Outcome, pool: Pool, cost: Cost) -> Played:
    run = outcome.run
    took_s = run.makespan_ms / 1000
    there_s = pool.there_s(took_s)
    busy_s = {name: each.busy_s(took_s) for name, each in pool.engines.items()}
    shares = [min(1.0, busy_s[name] / there) for name, there in there_s.items() if there > 0]
    contributors = pool.engines.values()
    done = [(each.due_ms, each.start_ms + each.wall_ms) for each in run.requests if each.start_ms is not None]
    return Played(
        seed=seed,
        load=load.figures(run, scenario.slo),
        answered=sum(request.error is None for request in run.requests),
        failed=len(run.failed),
        attempts=sum(request.attempts for request in run.requests),
        given=sum(each.answers for each in contributors),
        took_s=took_s,
        answered_s=sum(each.answered_s for each in contributors),
        left_s=sum(each.left_s for each in contributors),
        spent_s=sum(each.spent_s for each in contributors),
        there_s=sum(there_s.values()),
        busy_s=sum(busy_s.values()),
        fairness=jain(shares) if shares else None,
        grew=bool(done) and grew_since_half([due for due, _ in done], [over for _, over in done]),
        open=sum(over_ms - due_ms for due_ms, over_ms in done) / run.makespan_ms if run.makespan_ms else 0.0,
        most_open=most_at_once(done),
        cost=cost,
    )


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    """How many of ``spans`` there were at once, at most; one that ends makes room for one that begins then."""
    ends, over, most = sorted(ends for _, ends in spans), 0, 0
    for begun, at in enumerate(sorted(begins for begins, _ in spans), 1):
        while over < begun and ends[over] <= at:
            over += 1
        most = max(most, begun - over)
    return most
