"""The coordinator: runs one workload over hosts under one strategy, and loses nothing.

It asks only the event loop for the time, so the code that is measured live is the code that a virtual clock replays.
Every prompt ends with exactly one answer, or among the failed with its reason, within the run's time limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import anyio

from outpace.dispatch.expectation import Expectation, HostKnowledge
from outpace.dispatch.job import Job, Strategy
from outpace.dispatch.ledger import Brake, Ledger, Outcome, Watcher
from outpace.dispatch.limits import FixedLimit, Limit
from outpace.dispatch.setup import Setup
from outpace.engines import Engine
from outpace.workload.prompts import Prompt, Workload

MakeLimit = Callable[[HostKnowledge], Limit]


def as_known(known: HostKnowledge) -> Limit:
    """What a sweep found is the limit; one in flight where there was none."""
    return FixedLimit(known.limit or 1)


class Coordinator:
    """Runs workloads over ``engines``, by host name.

    ``timeout_s`` is what one attempt may take, in seconds, after what was sent to its host before it is answered. A
    whole run may take that much for each of its prompts and for each attempt that a host may spoil.
    """

    def __init__(self, engines: Mapping[str, Engine], *, timeout_s: float, watch: Watcher | None = None) -> None:
        self._engines, self._timeout_s, self._watch = engines, timeout_s, watch
        self._job: Job | None = None
        self._memories: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the latest run, by host."""
        return self._job.in_flight if self._job else {}

    async def run(
        self,
        name: str,
        strategy: Strategy,
        workload: Workload,
        hosts: Sequence[str],
        *,
        cache_key: str,
        known: Mapping[str, HostKnowledge] | None = None,
        limit: MakeLimit = as_known,
        guess: Callable[[Prompt], float | None] = lambda _: None,
        queue: int | None = None,
        away: Collection[str] = (),
        brake: Brake | None = None,
    ) -> Outcome:
        """Run ``workload`` over ``hosts``, fastest first, under ``strategy``; no prompt is sent before it is due.

        Runs with different ``cache_key`` share no engine's cache, where an engine can promise that. ``known`` is what
        is known of hosts; ``limit`` makes of it what a host may have in flight, where the strategy asks for room.
        ``guess`` gives the expected work of a prompt, in output tokens, where it is known better than from answers to
        others. Where so many as ``queue`` wait to be sent, whoever comes is refused. Who is ``away`` is known to be: it
        gets nothing until it answers a ping. ``brake`` may end the run early: what is open then is called off, and what
        has not come is no part of the run. Does not raise for what hosts do: a prompt that none of them answered, or
        that was refused, is in the run with its error.
        """
        known = known or {}
        async with anyio.create_task_group() as tasks:
            setup = Setup(
                workload,
                engines={host: self._engines[host] for host in hosts},
                limits={host: limit(known.get(host, HostKnowledge())) for host in hosts},
                expect=Expectation(workload, hosts, known, guess),
                ledger=Ledger(name, workload.prompts, self._watch, brake),
                timeout_s=self._timeout_s,
                cache_key=cache_key,
                queue=queue,
                away=away,
                memory=self._memories[name],
                tasks=tasks,
            )
            self._job = job = Job(setup)
            await job.complete(strategy)
            tasks.cancel_scope.cancel()
        job.give_up_the_rest()
        return setup.ledger.outcome(job.hosts)
