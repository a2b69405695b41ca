"""A session: hosts made ready, the fastest found, the workload run over them as often as is asked."""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self, TypeVar

import httpx

from outpace.dispatch import Outcome, Strategy, find_strategy
from outpace.dispatch.ledger import Watcher
from outpace.dispatch.limits import FixedLimit
from outpace.dispatch.strategies import all_parallel, keep_in_flight
from outpace.engines import Client, Engine
from outpace.engines.cache_headers import KEPT
from outpace.engines.client import authority_of, network_transport
from outpace.engines.descriptors import too_few
from outpace.ground.errors import HostsError, UsageError
from outpace.ground.records import BASELINE, BestAlone, Round, Run
from outpace.judge.agreement import Agreement
from outpace.judge.efficiency import HostSpeed
from outpace.judge.fairness import Check
from outpace.judge.impossible import checks
from outpace.measure.knowledge import Knowledge
from outpace.measure.lag import traced_by
from outpace.measure.recorded_capacity import record_capacity
from outpace.measure.runs import Runs, run_in
from outpace.measure.warm_up import WarmUp
from outpace.measure.worlds import Settings, entry_of, open_world
from outpace.recording.recording import Scene
from outpace.report import document
from outpace.simulation.acting_faults import ActingFaults
from outpace.simulation.fault_schedule import require_hosts, require_virtual_clock
from outpace.simulation.faulty_transport import FaultyTransport
from outpace.workload.prompts import workload

T = TypeVar("T")

ELSEWHERE = (
    "Hosts are measured in the process and the thread that connected to them, and this test was run in another, as "
    "some pytest plugins do. Switch that plugin off for this run (pytest -p no:PLUGIN), or leave out the option that "
    "asks for it."
)
ALONE, LONGEST_FIRST = "pull", "earliest-finish"
"""The strategies of the best alone, on one host: prompts in their order, and the longest first."""


class Session:
    """A session of measuring: open while its hosts are connected; a context manager.

    Entering it finds or starts the hosts, finds their engines, loads the models and finds the fastest host. It raises
    ``UsageError`` where that cannot be done.
    """

    def __init__(self, settings: Settings, watch: Watcher | None = None) -> None:
        self.settings = settings
        self._watch = watch
        self._hosts: dict[str, str] = {}
        self.best_alone: BestAlone | None = None
        """What the runs of the best alone are made on, once that is known."""

    def __enter__(self) -> Self:
        settings = self.settings
        self._home = _here()
        with ExitStack() as stack:
            faults = self._faults()
            self.world = open_world(settings, stack, faults)
            self._runner = stack.enter_context(asyncio.Runner(loop_factory=self.world.loop_factory))
            self._clock = self._runner.get_loop().time
            self._began_s, self._calendar_s = self._clock(), time.time()
            client = Client(timeout_s=settings.timeout_s, patient=True, transport=self._transport(faults))
            stack.callback(lambda: self._wait(client.__aexit__()))
            self.engines = self._wait(self.world.engines(client))
            self._hosts.update({authority_of(engine.host): name for name, engine in self.engines.items()})
            self._require_measurable()
            model = next(iter(self.engines.values())).model
            self.routers = self._wait(self.world.routers(client, model))
            everyone = {**self.engines, **self.routers}
            self.knowledge = Knowledge(self.world.capacities())
            self.runs = Runs(
                settings,
                everyone,
                self.knowledge,
                self._wait,
                cache_keys=self.world.session_key,
                faults=faults,
                watch=self._watch,
                routers=self.routers,
            )
            redacted = settings.recording is not None and settings.recording.redacted
            self.agreement = Agreement(settings.workload, blotted=redacted)
            self.ordered = self._warm_up(self._warming(everyone))
            if self.world.recorder is not None:
                self.world.recorder.meet(self.engines, self.baseline_host)
                stack.callback(self.world.recorder.close)
                record_capacity(self.runs, self.world.recorder, self.ordered, len(settings.workload.prompts))
            self.origin = self._origin()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def baseline_host(self) -> str:
        """The host that the baseline runs on."""
        return self.ordered[0]

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the latest run, by host."""
        return self.runs.in_flight

    @property
    def round_trips_ms(self) -> defaultdict[str, list[float]]:
        """Of the cheap requests exchanged before runs, by host."""
        return self.runs.round_trips_ms

    def clock_off_s(self) -> float | None:
        """By how many seconds the calendar's clock went apart from the one that measures; None in a replay."""
        if self.settings.recording is not None:
            return None
        return time.time() - self._calendar_s - (self.now() - self._began_s)

    def traced_by(self) -> str | None:
        """What follows every step of the coordinator and so takes time; None in a replay, where that is no matter."""
        return None if self.settings.recording is not None else traced_by()

    def now(self) -> float:
        """The coordinator's clock, in seconds."""
        return self._clock()

    def run(self, scene: Scene) -> Outcome:
        """Run the workload once as ``scene`` says: a sequential run, or that of the best alone, has one host to itself.

        Faults act in strategies' own runs alone.
        """
        recorder = None if scene.strategy in self.routers else self.world.recorder
        if recorder is not None or self.world.recorder is None:  # what goes through a router is no host's to replay
            self.world.begin(scene)
        if scene.part == "alone":
            assert self.best_alone is not None
            outcome = self._alone(self.best_alone.host, self.best_alone.in_flight, scene.strategy)
        else:
            how, hosts = self.find_strategy(scene.strategy), self.hosts_of(scene.strategy)
            outcome = self.runs.execute(scene.strategy, how, hosts, healthy=scene.part == "baseline")
            self.knowledge.learn_lengths(outcome.run)
            self.agreement.note(outcome.run.requests, outcome.answers)
        if recorder is not None:
            recorder.end(scene, outcome.run, self.runs.median_round_trips_ms())
        return outcome

    def find_strategy(self, name: str) -> Strategy:
        """The strategy called ``name``; a router gets all prompts at once.

        Raises ``StrategyUnknown``, or ``UsageError`` where this machine cannot have so many connections.
        """
        found = all_parallel if name in self.routers else find_strategy(name)
        live = self.settings.recording is None
        if found is all_parallel and live and (problem := too_few(len(self.settings.workload.prompts))):
            raise UsageError(f"{name} sends all prompts at once. {problem}")
        return found

    def hosts_of(self, strategy: str) -> tuple[str, ...]:
        """The hosts that a run of ``strategy`` sends to, fastest first; a router stands for those behind it."""
        if strategy in self.routers:
            return (strategy,)
        return self.ordered[:1] if strategy == BASELINE else self.ordered

    def noticed(self, strategy: str) -> list[str]:
        """What the hosts of a measurement of ``strategy`` gave to notice in this session so far, a sentence each.

        A recording gives nothing to notice: its hosts said what they say when it was made, and texts may be left out.
        """
        if self.settings.recording is not None:
            return []
        concerned = self._concerned(strategy).items()
        return list(dict.fromkeys(said for name, engine in concerned for said in engine.noticed.in_words(name)))

    def run_alone(self, host: str, in_flight: int, turn: int = 0, strategy: str = ALONE) -> float:
        """What the workload takes on ``host`` with so many in flight, in ms; without end where that leaves prompts.

        Of a host that is a model it is reckoned, where that is sure to find what a run would.
        """
        if self.world.recorder is None:  # what is tried belongs to no round
            self.world.begin(Scene(strategy, "best-alone", turn, "alone"))
        foretold = self._wait(self.world.foretell(self.engines[host], in_flight)) if strategy == ALONE else None
        if foretold is not None:
            self.knowledge.learn_tokens(foretold.tokens)
            return foretold.makespan_ms
        run = self._alone(host, in_flight, strategy).run
        self.knowledge.learn_lengths(run)
        return math.inf if run.failed else run.makespan_ms

    def _alone(self, host: str, in_flight: int, strategy: str) -> Outcome:
        """The whole workload on one host."""
        return self.runs.execute(strategy, find_strategy(strategy), [host], limit=lambda _: FixedLimit(in_flight))

    def load(self, host: str, in_flight: int, first: int = 0) -> Run:
        """Send so many of the prompts to ``host`` at once, from the ``first`` on and round."""
        everything = self.settings.workload
        texts = [everything.prompts[(first + turn) % len(everything.prompts)].text for turn in range(in_flight)]
        if self.world.recorder is None:  # a recording has its own sweep
            self.world.begin(Scene("sweep", "sweep"))
        work = workload(texts, everything.generation)
        return self.runs.execute("sweep", keep_in_flight(in_flight), [host], work=work).run

    def learn(self, run: Run, baseline: Run) -> dict[str, HostSpeed]:
        """Take note of what a round shows; gives what is known of the hosts now, beside what runs show themselves."""
        trips_ms = self.runs.median_round_trips_ms()
        self.knowledge.learn_speeds(run, baseline, self.knowledge.host_speeds(self.ordered, trips_ms))
        return self.knowledge.host_speeds(self.ordered, trips_ms)

    def held_against(self, strategy: str, rounds: Sequence[Round]) -> list[Check]:
        """Whether hosts agree in what they read and say, and ``rounds`` of ``strategy`` are such as they can make."""
        least_ms = {host: min(found) for host, found in self.round_trips_ms.items()}
        seen = self.knowledge.seen(self.ordered, least_ms, len(self.settings.workload.prompts))
        kept = {name: engine.noticed.often(KEPT) for name, engine in self._concerned(strategy).items()}
        return [*self.agreement.checks(), *checks(rounds, seen, self.round_trips_ms, kept)]

    def knock(self) -> int | None:
        """Exchange a cheap request with every host, so that connections are warm and round trips are known.

        Gives how many requests the hosts are at after what was ours has ended; None where there is no sign of any.
        """
        return self.runs.knock(list(self.engines))

    def origin_of(self, strategy: str) -> document.Origin:
        """Where a report of ``strategy`` comes from; a router stands behind the hosts that it spreads over."""
        if strategy not in self.routers:
            return self.origin
        return replace(self.origin, hosts=(*self.origin.hosts, entry_of(self.routers[strategy])))

    def _warming(self, engines: Mapping[str, Engine]) -> WarmUp:
        settings = self.settings
        replayed = settings.recording is not None  # then no prompt goes anywhere
        return WarmUp(engines, settings.workload, settings.timeout_s, allow_public=settings.allow_public or replayed)

    def _concerned(self, strategy: str) -> dict[str, Engine]:
        """The hosts, and the router where it is that which is measured."""
        return self.engines | {name: router for name, router in self.routers.items() if name == strategy}

    def _faults(self) -> ActingFaults | None:
        """What goes wrong in this session, if anything does; raises ``UsageError``."""
        faults = self.settings.faults
        require_virtual_clock(faults, virtual=self.settings.recording is not None)
        return ActingFaults(faults) if faults else None

    def _transport(self, faults: ActingFaults | None) -> httpx.AsyncBaseTransport | None:
        """What the client sends through; the hosts' names are filled in once their engines are found."""
        inner = self.world.transport
        if faults is None or self.settings.recording is not None:
            return inner
        return FaultyTransport(inner or network_transport(), faults, self._hosts)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._home != _here():
            work.close()
            raise UsageError(ELSEWHERE)
        return run_in(self._runner, work)

    def _require_measurable(self) -> None:
        """That what was asked can be done with the hosts that were found; raises ``UsageError``."""
        require_hosts(self.settings.faults, self.engines)
        if len(self._hosts) < len(self.engines) and (self.settings.faults or self.world.recorder is not None):
            raise UsageError(
                "Two hosts share one address: they can be measured, but neither recorded nor given faults."
            )
        baseline = self.settings.baseline
        if baseline is not None and baseline not in self.engines:
            raise HostsError(f"--baseline={baseline}: no host has that name; the hosts are {', '.join(self.engines)}.")

    def _warm_up(self, warm_up: WarmUp) -> tuple[str, ...]:
        """Load the models, bring all caches to the same state, and put the hosts in order of speed, fastest first."""
        self._wait(warm_up.load_models())
        found = self._wait(warm_up.timed(list(self.engines)))
        for host, each in found.items():
            self.knowledge.speeds[host] = each.speed
            self.knowledge.first[host] = [request for outcome in each.outcomes for request in outcome.run.requests]
            for outcome in each.outcomes:
                self.agreement.note(outcome.run.requests, outcome.answers)
        return tuple(sorted(found, key=lambda host: host != self.settings.baseline))

    def _origin(self) -> document.Origin:
        hosts = tuple(entry_of(self.engines[host]) for host in self.ordered)
        return document.Origin(self.world.created, self.world.source, hosts, self.settings.workload, self.world.machine)


def _here() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()
