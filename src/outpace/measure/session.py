"""A session: hosts made ready, the fastest found, the workload run over them as often as is asked."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import Any, Self, TypeVar

import anyio
import httpx

from outpace.dispatch import Coordinator, Outcome, Strategy, find_strategy, limit_of
from outpace.dispatch.expectation import work_of
from outpace.dispatch.ledger import Watcher
from outpace.dispatch.strategies import all_parallel, keep_in_flight
from outpace.engines import Client, Engine
from outpace.engines.client import authority_of, network_transport
from outpace.ground.errors import HostsError, HostUnusable, UsageError
from outpace.ground.records import Run
from outpace.judge.efficiency import HostSpeed
from outpace.measure import knock
from outpace.measure.knowledge import Knowledge
from outpace.measure.lag import LagWatch
from outpace.measure.worlds import Settings, open_world
from outpace.recording.recorder import Recorder
from outpace.recording.recording import Scene
from outpace.report import document
from outpace.simulation.fault_schedule import require_hosts, require_virtual_clock
from outpace.simulation.faulty_transport import FaultyTransport
from outpace.workload.prompts import Workload, workload

T = TypeVar("T")

SAMPLE_PROMPTS = 3
"""So many prompts are timed on each host to find the fastest."""
SHORTEST_S = 1e-6
BASELINE = "sequential"
RECORDED_LEVELS = (2, 4, 8)
"""How many requests at once a recording tries on each host."""


class Session:
    """A session of measuring: open while its hosts are connected; a context manager.

    Entering it finds or starts the hosts, finds their engines, loads the models and finds the fastest host. It raises
    ``UsageError`` where that cannot be done.
    """

    def __init__(self, settings: Settings, watch: Watcher | None = None) -> None:
        self.settings = settings
        self._watch = watch
        self.round_trips_ms: defaultdict[str, list[float]] = defaultdict(list)
        """Of the cheap requests exchanged before runs, by host."""
        self._runs = 0
        self._hosts: dict[str, str] = {}
        self._faulty: FaultyTransport | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.world = open_world(self.settings, stack)
            self._runner = stack.enter_context(asyncio.Runner(loop_factory=self.world.loop_factory))
            self._clock = self._runner.get_loop().time
            self._began_s, self._calendar_s = self._clock(), time.time()
            client = Client(timeout_s=self.settings.timeout_s, transport=self._transport())
            stack.callback(lambda: self._wait(client.__aexit__()))
            self.engines = self._wait(self.world.engines(client))
            self._hosts.update({authority_of(engine.host): name for name, engine in self.engines.items()})
            require_hosts(self.settings.faults, self.engines)
            if len(self._hosts) < len(self.engines) and (self.settings.faults or self.world.recorder is not None):
                raise UsageError(
                    "Two hosts share one address: they can be measured, but neither recorded nor given faults."
                )
            self._require_baseline()
            model = next(iter(self.engines.values())).model
            self.routers = self._wait(self.world.routers(client, model))
            self._everyone = {**self.engines, **self.routers}
            self._coordinator = Coordinator(self._everyone, timeout_s=self.settings.timeout_s, watch=self._watch)
            self.knowledge = Knowledge(self.world.capacities())
            self.ordered = self._wait(self._warm_up())
            if self.world.recorder is not None:
                self._record_capacity(self.world.recorder)
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
        return self._coordinator.in_flight

    def clock_off_s(self) -> float | None:
        """By how many seconds the calendar's clock went apart from the one that measures; None in a replay."""
        if self.settings.recording is not None:
            return None
        return time.time() - self._calendar_s - (self.now() - self._began_s)

    def now(self) -> float:
        """The coordinator's clock, in seconds."""
        return self._clock()

    def run(self, scene: Scene) -> Outcome:
        """Run the workload once as ``scene`` says; a sequential run has the fastest host to itself."""
        recorder = None if scene.strategy in self.routers else self.world.recorder
        if recorder is not None or self.world.recorder is None:  # what goes through a router is no host's to replay
            self.world.begin(scene)
        how = self.find_strategy(scene.strategy)
        outcome = self._run(scene.strategy, how, self.hosts_of(scene.strategy), healthy=scene.baseline)
        self.knowledge.learn_lengths(outcome.run)
        if recorder is not None:
            recorder.end(scene, outcome.run, self._median_round_trips_ms())
        return outcome

    def find_strategy(self, name: str) -> Strategy:
        """The strategy called ``name``; a router gets all prompts at once. Raises ``StrategyUnknown``."""
        return all_parallel if name in self.routers else find_strategy(name)

    def hosts_of(self, strategy: str) -> tuple[str, ...]:
        """The hosts that a run of ``strategy`` sends to, fastest first; a router stands for those behind it."""
        if strategy in self.routers:
            return (strategy,)
        return self.ordered[:1] if strategy == BASELINE else self.ordered

    def load(self, host: str, in_flight: int, first: int = 0) -> Run:
        """Send so many of the prompts to ``host`` at once, from the ``first`` on and round."""
        everything = self.settings.workload
        texts = [everything.prompts[(first + turn) % len(everything.prompts)].text for turn in range(in_flight)]
        if self.world.recorder is None:  # a recording has its own sweep
            self.world.begin(Scene("sweep", "sweep"))
        return self._run("sweep", keep_in_flight(in_flight), [host], work=workload(texts, everything.generation)).run

    def learn(self, run: Run, baseline: Run) -> dict[str, HostSpeed]:
        """Take note of what a round shows; gives what is known of the hosts now, beside what runs show themselves."""
        trips_ms = self._median_round_trips_ms()
        self.knowledge.learn_speeds(run, baseline, self.knowledge.host_speeds(self.ordered, trips_ms))
        return self.knowledge.host_speeds(self.ordered, trips_ms)

    def knock(self) -> int | None:
        """Exchange a cheap request with every host, so that connections are warm and round trips are known.

        Gives how many requests the hosts tell that they are at, after a second to finish what was ours; None where
        none of them tells.
        """
        for host, took_ms in self._wait(knock.round_trips_ms(self._everyone)).items():
            self.round_trips_ms[host].append(took_ms)
        if self.settings.recording is not None:  # a recording holds nobody else's requests
            return None
        return self._wait(knock.in_work(self.engines.values()))

    def _transport(self) -> httpx.AsyncBaseTransport | None:
        """What the client sends through; the hosts' names are filled in once their engines are found."""
        faults = self.settings.faults
        if not faults:
            return self.world.transport
        require_virtual_clock(faults, virtual=self.settings.recording is not None)
        self._faulty = FaultyTransport(self.world.transport or network_transport(), faults, self._hosts)
        return self._faulty

    def _run(
        self,
        name: str,
        strategy: Strategy,
        hosts: Sequence[str],
        *,
        work: Workload | None = None,
        healthy: bool = True,
    ) -> Outcome:
        self._runs += 1
        key = f"{self.world.session_key}-{self._runs}"
        work = work or self.settings.workload
        known = self.knowledge.of_hosts(swept=self.settings.limits != "adaptive")
        guess = self.knowledge.work if self.settings.know_lengths else lambda _: None

        async def run() -> Outcome:
            faulty = None if healthy else self._faulty
            if faulty is not None:
                faulty.begin()
            try:
                return await self._coordinator.run(
                    name,
                    strategy,
                    work,
                    hosts,
                    cache_key=key,
                    known=known,
                    limit=limit_of(name, self.settings.limits),
                    guess=guess,
                )
            finally:
                if faulty is not None:
                    faulty.end()

        async def watched() -> Outcome:
            async with LagWatch() as lag:
                outcome = await run()
            return replace(outcome, run=replace(outcome.run, lag_ms=lag.worst_ms))

        # Under a virtual clock no time passes while the coordinator works.
        return self._wait(run() if self.settings.recording is not None else watched())

    def _record_capacity(self, recorder: Recorder) -> None:
        """Have each host alone do all prompts one by one, then several at once: what a replay has to know of it."""
        recorder.meet(self.engines)
        recorder.baseline = self.baseline_host
        for host in self.ordered:
            self.knock()
            solo = Scene(BASELINE, f"solo@{host}")
            recorder.begin(solo)
            run = self._run(BASELINE, find_strategy(BASELINE), [host]).run
            recorder.end(solo, run, self._median_round_trips_ms())
            for in_flight in RECORDED_LEVELS:
                if in_flight <= len(self.settings.workload.prompts):
                    recorder.begin_sweep(host, in_flight)
                    self._run("sweep", keep_in_flight(in_flight), [host])
                    recorder.end_sweep(host, in_flight)

    def _median_round_trips_ms(self) -> dict[str, float]:
        return {host: median(found) for host, found in self.round_trips_ms.items()}

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _require_baseline(self) -> None:
        baseline = self.settings.baseline
        if baseline is not None and baseline not in self.engines:
            raise HostsError(f"--baseline={baseline}: no host has that name; the hosts are {', '.join(self.engines)}.")

    async def _warm_up(self) -> tuple[str, ...]:
        """Load the models, bring all caches to the same state, and put the hosts in order of speed, fastest first."""
        hosts = list(self.engines)
        problems: list[HostUnusable] = []

        async def load(host: str) -> None:
            try:
                await self._load(host)
            except HostUnusable as problem:
                problems.append(problem)

        async with anyio.create_task_group() as tasks:
            for host in self._everyone:
                tasks.start_soon(load, host)
        if problems:
            raise HostUnusable(" ".join(str(problem) for problem in problems))
        took_s, done = dict.fromkeys(hosts, 0.0), dict.fromkeys(hosts, 0.0)
        for prompt in self.settings.workload.prompts[:SAMPLE_PROMPTS]:
            for host in hosts:  # in turn, so that a machine that drifts is unfair to none
                run = await self._alone(host, replace(self.settings.workload, prompts=(prompt,)))
                took_s[host] += run.makespan_ms / 1000
                tokens = run.output_tokens
                done[host] += work_of(
                    prompt, self.settings.workload.generation.max_tokens if tokens is None else tokens
                )
        self.knowledge.speeds = {host: done[host] / max(took_s[host], SHORTEST_S) for host in hosts}
        return tuple(sorted(hosts, key=lambda host: (host != self.settings.baseline, took_s[host])))

    async def _load(self, host: str) -> None:
        """Load the model; where an engine keeps a cache that cannot be reset, let it see every prompt once."""
        everything = self.settings.workload
        prompts = everything.prompts[:1] if self._everyone[host].resets_cache else everything.prompts
        one_token = replace(everything.generation, max_tokens=1)
        await self._alone(host, replace(everything, prompts=prompts, generation=one_token))

    async def _alone(self, host: str, work: Workload) -> Run:
        coordinator = Coordinator(self._everyone, timeout_s=self.settings.timeout_s)
        outcome = await coordinator.run("warm-up", find_strategy(BASELINE), work, [host], cache_key="warm-up")
        if outcome.run.failed:
            raise HostUnusable(f"Host {host} failed the warm-up: {outcome.run.failed[0].error}.")
        return outcome.run

    def origin_of(self, strategy: str) -> document.Origin:
        """Where a report of ``strategy`` comes from; a router stands behind the hosts that it spreads over."""
        if strategy not in self.routers:
            return self.origin
        return replace(self.origin, hosts=(*self.origin.hosts, _entry(self.routers[strategy])))

    def _origin(self) -> document.Origin:
        hosts = tuple(_entry(self.engines[host]) for host in self.ordered)
        return document.Origin(self.world.created, self.world.source, hosts, self.settings.workload, self.world.machine)


def _entry(engine: Engine) -> document.HostEntry:
    identity = engine.identity
    return document.HostEntry(
        engine.host.name,
        engine.host.url,
        identity.engine,
        identity.version,
        engine.model,
        identity.models.get(engine.model),
    )
