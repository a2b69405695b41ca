"""A session: hosts made ready, the fastest found, the workload run over them as often as is asked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import Any, Self, TypeVar

import anyio
import httpx

from outpace.capacity import Capacity
from outpace.dispatch import Coordinator, HostKnowledge, Outcome, Strategy, find_strategy, limit_of
from outpace.dispatch.expectation import work_of
from outpace.dispatch.job import PING_TIMEOUT_S
from outpace.dispatch.ledger import Watcher
from outpace.dispatch.strategies import keep_in_flight
from outpace.efficiency import HostSpeed, seen_speeds
from outpace.engines import Client
from outpace.engines.client import authority_of, network_transport
from outpace.errors import HostsError, HostUnusable, RequestFailed, UsageError
from outpace.prompts import Prompt, Workload, workload
from outpace.records import Run
from outpace.replay import Scene
from outpace.replay.faults import require_hosts, require_virtual_clock
from outpace.replay.faulty import FaultyTransport
from outpace.replay.recorder import Recorder
from outpace.report import document
from outpace.worlds import Settings, open_world

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
        self.capacities: dict[str, Capacity] = {}
        """What concurrency does to hosts, as far as it is known."""
        self.speeds: dict[str, float] = {}
        """Work a second of each host with one request in flight, as the warm-up showed it."""
        self._relative: defaultdict[str, list[float]] = defaultdict(list)
        self._tokens: dict[int, int] = {}
        self._runs = 0
        self._hosts: dict[str, str] = {}
        self._faulty: FaultyTransport | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.world = open_world(self.settings, stack)
            self._runner = stack.enter_context(asyncio.Runner(loop_factory=self.world.loop_factory))
            self._clock = self._runner.get_loop().time
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
            self._coordinator = Coordinator(self.engines, timeout_s=self.settings.timeout_s, watch=self._watch)
            self.capacities.update(self.world.capacities())
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

    def now(self) -> float:
        """The coordinator's clock, in seconds."""
        return self._clock()

    def run(self, scene: Scene) -> Outcome:
        """Run the workload once as ``scene`` says; a sequential run has the fastest host to itself."""
        self.world.begin(scene)
        outcome = self._run(scene.strategy, find_strategy(scene.strategy), self.hosts_of(scene), healthy=scene.baseline)
        self._learn_lengths(outcome.run)
        if self.world.recorder is not None:
            self.world.recorder.end(scene, outcome.run, self._median_round_trips_ms())
        return outcome

    def hosts_of(self, scene: Scene) -> tuple[str, ...]:
        """The hosts that the run of ``scene`` is over, fastest first."""
        return self.ordered[:1] if scene.strategy == BASELINE else self.ordered

    def load(self, host: str, in_flight: int, first: int = 0) -> Run:
        """Send so many of the prompts to ``host`` at once, from the ``first`` on and round."""
        everything = self.settings.workload
        texts = [everything.prompts[(first + turn) % len(everything.prompts)].text for turn in range(in_flight)]
        self.world.begin(Scene("sweep", "sweep"))
        return self._run("sweep", keep_in_flight(in_flight), [host], work=workload(texts, everything.generation)).run

    def host_speeds(self) -> dict[str, HostSpeed]:
        """What is known of the hosts beside what runs show, by host, the fastest first."""
        trips_ms = self._median_round_trips_ms()
        fastest = self.speeds[self.baseline_host]
        relative = {host: median(self._relative[host] or [self.speeds[host] / fastest]) for host in self.ordered}
        return {host: HostSpeed(relative[host], self._gain(host), trips_ms.get(host, 0.0)) for host in self.ordered}

    def learn(self, run: Run, baseline: Run) -> None:
        """Take note of what a round shows of the hosts' speeds."""
        for host, speed in seen_speeds(run, baseline, self.host_speeds()).items():
            self._relative[host].append(speed)

    def _learn_lengths(self, run: Run) -> None:
        self._tokens.update({each.prompt: each.output_tokens for each in run.requests if each.output_tokens})

    def _expected_work(self, prompt: Prompt) -> float | None:
        """The work of a prompt that was answered before in this session, if lengths may be known."""
        tokens = self._tokens.get(prompt.index)
        return None if tokens is None or not self.settings.know_lengths else work_of(prompt, tokens)

    def knock(self) -> None:
        """Exchange a cheap request with every host, so that connections are warm and round trips are known."""
        self._wait(self._knock())

    def _transport(self) -> httpx.AsyncBaseTransport | None:
        """What the client sends through; the hosts' names are filled in once their engines are found."""
        faults = self.settings.faults
        if not faults:
            return self.world.transport
        require_virtual_clock(faults, virtual=self.settings.recording is not None)
        self._faulty = FaultyTransport(self.world.transport or network_transport(), faults, self._hosts)
        return self._faulty

    def _gain(self, host: str) -> float:
        return max(1.0, self.capacities[host].gain) if host in self.capacities else 1.0

    def _known(self) -> dict[str, HostKnowledge]:
        swept = self.settings.limits != "adaptive"
        return {
            host: HostKnowledge(speed, self.capacities[host].limit, self._gain(host))
            if swept and host in self.capacities
            else HostKnowledge(speed)
            for host, speed in self.speeds.items()
        }

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
        limit = limit_of(name, self.settings.limits)

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
                    known=self._known(),
                    limit=limit,
                    guess=self._expected_work,
                )
            finally:
                if faulty is not None:
                    faulty.end()

        return self._wait(run())

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
            for host in hosts:
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
        self.speeds = {host: done[host] / max(took_s[host], SHORTEST_S) for host in hosts}
        return tuple(sorted(hosts, key=lambda host: (host != self.settings.baseline, took_s[host])))

    async def _load(self, host: str) -> None:
        """Load the model; where an engine keeps a cache that cannot be reset, let it see every prompt once."""
        everything = self.settings.workload
        prompts = everything.prompts[:1] if self.engines[host].resets_cache else everything.prompts
        one_token = replace(everything.generation, max_tokens=1)
        await self._alone(host, replace(everything, prompts=prompts, generation=one_token))

    async def _alone(self, host: str, work: Workload) -> Run:
        coordinator = Coordinator(self.engines, timeout_s=self.settings.timeout_s)
        outcome = await coordinator.run("warm-up", find_strategy(BASELINE), work, [host], cache_key="warm-up")
        if outcome.run.failed:
            raise HostUnusable(f"Host {host} failed the warm-up: {outcome.run.failed[0].error}.")
        return outcome.run

    async def _knock(self) -> None:
        for host, engine in self.engines.items():
            began = self.now()
            with anyio.move_on_after(PING_TIMEOUT_S):
                try:
                    await engine.ping()
                except RequestFailed:  # a host that is down shows in the run, where it counts
                    continue
                self.round_trips_ms[host].append((self.now() - began) * 1000)

    def _origin(self) -> document.Origin:
        engines = [self.engines[host] for host in self.ordered]
        return document.Origin(
            self.world.created,
            self.world.source,
            tuple(
                document.HostEntry(
                    engine.host.name,
                    engine.host.url,
                    engine.identity.engine,
                    engine.identity.version,
                    engine.model,
                    engine.identity.models.get(engine.model),
                )
                for engine in engines
            ),
            self.settings.workload,
            self.world.machine,
        )
