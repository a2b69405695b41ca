"""The warm-up: models loaded, caches brought to the same state, and the hosts timed to find the fastest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import anyio

from outpace.dispatch import Coordinator, Outcome, find_strategy
from outpace.dispatch.expectation import work_of
from outpace.engines import Engine
from outpace.engines.models import elsewhere
from outpace.ground.errors import HostUnusable
from outpace.ground.records import BASELINE
from outpace.workload.prompts import Workload

SAMPLE_PROMPTS = 3
"""So many prompts are timed on each host to find the fastest."""
SHORTEST_S = 1e-6


@dataclass(frozen=True)
class Timed:
    """One host's answers to the sample prompts, one at a time: seconds in all, work a second, and what came of each."""

    took_s: float
    speed: float
    outcomes: tuple[Outcome, ...]


class WarmUp:
    """What every session does to ``engines`` before it measures; ``timeout_s`` is what one attempt may take.

    Unless ``allow_public``, an engine that turns out to send prompts on to somebody else gets no second one.
    """

    def __init__(
        self, engines: Mapping[str, Engine], workload: Workload, timeout_s: float, *, allow_public: bool = False
    ) -> None:
        self._engines, self._workload, self._timeout_s = engines, workload, timeout_s
        self._allow_public = allow_public

    async def load_models(self) -> None:
        """Load the model of each engine, all at once; raises ``HostUnusable`` that tells of every host that fails."""
        problems: list[HostUnusable] = []

        async def load(host: str) -> None:
            try:
                await self._load(host)
            except HostUnusable as problem:
                problems.append(problem)

        async with anyio.create_task_group() as tasks:
            for host in self._engines:
                tasks.start_soon(load, host)
        if problems:
            raise HostUnusable(" ".join(str(problem) for problem in problems))

    async def timed(self, hosts: Sequence[str]) -> dict[str, Timed]:
        """Time a few prompts on each of ``hosts``, and tell of the fastest first; raises ``HostUnusable``."""
        took_s, done = dict.fromkeys(hosts, 0.0), dict.fromkeys(hosts, 0.0)
        outcomes: dict[str, list[Outcome]] = {host: [] for host in hosts}
        for prompt in self._workload.prompts[:SAMPLE_PROMPTS]:
            for host in hosts:  # in turn, so that a machine that drifts is unfair to none
                outcome = await self._alone(host, replace(self._workload, prompts=(prompt,)))
                outcomes[host].append(outcome)
                run = outcome.run
                took_s[host] += run.makespan_ms / 1000
                tokens = run.output_tokens
                done[host] += work_of(prompt, self._workload.generation.max_tokens if tokens is None else tokens)
        # Below a microsecond no host is the faster one: then they stand as they were named.
        return {
            host: Timed(took_s[host], done[host] / max(took_s[host], SHORTEST_S), tuple(outcomes[host]))
            for host in sorted(hosts, key=lambda host: round(took_s[host], 6))
        }

    async def _load(self, host: str) -> None:
        """Load the model; where an engine keeps a cache that cannot be reset, let it see every prompt once."""
        engine, prompts = self._engines[host], self._workload.prompts
        work = replace(self._workload, generation=replace(self._workload.generation, max_tokens=1))
        await self._alone(host, replace(work, prompts=prompts[:1]))
        # The first answer shows whose it is, and what the engine takes of what it was asked.
        if engine.elsewhere and not self._allow_public:
            raise HostUnusable(elsewhere(engine.host, engine.model, engine.elsewhere))
        if prompts[1:] and not engine.resets_cache:
            await self._alone(host, replace(work, prompts=prompts[1:]))

    async def _alone(self, host: str, work: Workload) -> Outcome:
        coordinator = Coordinator(self._engines, timeout_s=self._timeout_s)
        outcome = await coordinator.run("warm-up", find_strategy(BASELINE), work, [host], cache_key="warm-up")
        if outcome.run.failed:
            raise HostUnusable(f"Host {host} failed the warm-up: {outcome.run.failed[0].error}.")
        return outcome
