"""Runs over connected hosts, one after another: what the coordinator is told for each, and what is kept of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Container, Coroutine, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, TypeVar

from outpace.dispatch import Coordinator, Outcome, Strategy, limit_of
from outpace.dispatch.coordinator import MakeLimit
from outpace.dispatch.ledger import Brake, Watcher
from outpace.engines import Engine
from outpace.measure import knock
from outpace.measure.knowledge import Knowledge
from outpace.measure.lag import LagWatch
from outpace.measure.worlds import Settings
from outpace.simulation.acting_faults import ActingFaults
from outpace.workload.prompts import Workload

T = TypeVar("T")

Wait = Callable[[Coroutine[Any, Any, T]], T]


def run_in(runner: asyncio.Runner, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives, which runs in ``runner``.

    That takes no word of it: once done it asks for the handler of interrupts, and Python puts what the task gave, all
    records of a run, into the text of an error that nobody sees.
    """
    given: list[T] = []

    async def give() -> None:
        given.append(await work)

    runner.run(give())
    return given[0]


class Runs:
    """Runs workloads over ``engines``, by name, and learns what ``knowledge`` holds.

    ``cache_keys`` begins the key of each run, so that no two share an engine's cache. ``faults`` spoil the runs that
    are not to be healthy. ``routers`` among the engines stand in front of the others. ``wait`` drives the event loop
    until something is done.
    """

    def __init__(
        self,
        settings: Settings,
        engines: Mapping[str, Engine],
        knowledge: Knowledge,
        wait: Wait[Any],
        *,
        cache_keys: str,
        faults: ActingFaults | None = None,
        watch: Watcher | None = None,
        routers: Container[str] = (),
    ) -> None:
        self.knowledge = knowledge
        self.round_trips_ms: defaultdict[str, list[float]] = defaultdict(list)
        """Of the cheap requests exchanged before runs, by host."""
        self._settings, self._engines, self._wait = settings, engines, wait
        self._cache_keys, self._faults, self._count = cache_keys, faults, 0
        self._virtual = settings.recording is not None
        self._readiness = knock.Readiness(engines, knowledge.first, settings.timeout_s, routers)
        self._coordinator = Coordinator(engines, timeout_s=settings.timeout_s, watch=watch)

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the latest run, by host."""
        return self._coordinator.in_flight

    def median_round_trips_ms(self) -> dict[str, float]:
        """The median round trip of a cheap request, by host."""
        return {host: median(found) for host, found in self.round_trips_ms.items()}

    def knock(self, hosts: Sequence[str]) -> int | None:
        """Make ``hosts`` ready, and exchange a cheap request with every engine: connections are warm then, trips known.

        Gives how many requests ``hosts`` are at, as they tell after a second to finish what was ours, or as it seems
        of those that do not tell; None where there is no sign of any.
        """
        silent: int = 0 if self._virtual else self._wait(self._readiness.restore(hosts))
        for host, took_ms in self._wait(knock.round_trips_ms(self._engines)).items():
            self.round_trips_ms[host].append(took_ms)
        if self._virtual:  # a recording holds nobody else's requests
            return None
        told: int | None = self._wait(knock.in_work(self._engines[host] for host in hosts))
        return told if told is None and not silent else (told or 0) + silent

    def execute(
        self,
        name: str,
        strategy: Strategy,
        hosts: Sequence[str],
        *,
        work: Workload | None = None,
        healthy: bool = True,
        limit: MakeLimit | None = None,
        queue: int | None = None,
        brake: Brake | None = None,
    ) -> Outcome:
        """Run the session's workload, or other ``work``, over ``hosts`` under ``strategy``, called ``name``.

        ``limit`` is what they may have in flight, where that is not what the user asked for; ``queue`` how many prompts
        may wait, where that has a bound; ``brake`` may end the run early.
        """
        self._count += 1
        key = f"{self._cache_keys}-{self._count}"
        known = self.knowledge.of_hosts(swept=self._settings.limits != "adaptive")
        guess = self.knowledge.work if self._settings.know_lengths and work is None else lambda _: None

        async def run() -> Outcome:
            faults = None if healthy else self._faults
            if faults is not None:
                faults.begin()
            try:
                return await self._coordinator.run(
                    name,
                    strategy,
                    work or self._settings.workload,
                    hosts,
                    cache_key=key,
                    known=known,
                    limit=limit or limit_of(name, self._settings.limits),
                    guess=guess,
                    queue=queue,
                    brake=brake,
                )
            finally:
                if faults is not None:
                    faults.end()

        async def watched() -> Outcome:
            await self._readiness.restore(hosts)
            async with LagWatch() as lag:
                outcome = await run()
            self._readiness.note(outcome.run)
            return replace(outcome, run=replace(outcome.run, lag_ms=lag.worst_ms))

        # Under a virtual clock no time passes while the coordinator works.
        outcome: Outcome = self._wait(run() if self._virtual else watched())
        return outcome
