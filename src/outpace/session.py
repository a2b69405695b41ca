"""A session: hosts made ready, the fastest found, the workload run over them as often as is asked."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import anyio

from outpace import embedded
from outpace.dispatch import Coordinator, Outcome, find_strategy
from outpace.dispatch.coordinator import Watcher
from outpace.engines import Client, Engine, connect
from outpace.errors import HostsError, HostUnusable, RequestFailed
from outpace.hosts import EmbeddedHosts, Host, resolve
from outpace.prompts import Workload, workload
from outpace.records import Run
from outpace.report import document

T = TypeVar("T")

SAMPLE_PROMPTS = 3
"""So many prompts are timed on each host to find the fastest."""
BASELINE = "sequential"


@dataclass(frozen=True)
class Settings:
    """What the user asked for; the defaults are those of the command line."""

    hosts: EmbeddedHosts | list[Host] = field(default_factory=EmbeddedHosts)
    workload: Workload = field(default_factory=workload)
    model: str | None = None
    protocol: str | None = None
    baseline: str | None = None
    timeout_s: float = 120.0
    allow_public: bool = False


class Session:
    """A session of measuring: open while its hosts are connected; a context manager.

    Entering it starts or resolves the hosts, finds their engines, loads the models and finds the fastest host. It
    raises ``UsageError`` where that cannot be done.
    """

    def __init__(self, settings: Settings, watch: Watcher | None = None) -> None:
        self.settings = settings
        self._watch = watch
        self.round_trips_ms: defaultdict[str, list[float]] = defaultdict(list)
        """Of the cheap requests exchanged before runs, by host."""
        self._runs = 0
        self._session_key = secrets.token_hex(8)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            hosts = resolve(self._hosts(stack), allow_public=self.settings.allow_public)
            self._runner = stack.enter_context(asyncio.Runner())
            self._clock = self._runner.get_loop().time
            client = Client(timeout_s=self.settings.timeout_s)
            stack.callback(lambda: self._wait(client.__aexit__()))
            self.engines = self._wait(self._connect(client, hosts))
            self._coordinator = Coordinator(self.engines, timeout_s=self.settings.timeout_s, watch=self._watch)
            self.ordered = self._wait(self._warm_up())
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

    def run(self, strategy: str) -> Outcome:
        """Run the workload once under ``strategy``; the sequential one has the fastest host to itself."""
        hosts = self.ordered[:1] if strategy == BASELINE else self.ordered
        self._runs += 1
        return self._wait(
            self._coordinator.run(
                strategy,
                find_strategy(strategy),
                self.settings.workload,
                hosts,
                cache_key=f"{self._session_key}-{self._runs}",
            )
        )

    def knock(self) -> None:
        """Exchange a cheap request with every host, so that connections are warm and round trips are known."""
        self._wait(self._knock())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _hosts(self, stack: ExitStack) -> list[Host]:
        wanted = self.settings.hosts
        if not isinstance(wanted, EmbeddedHosts):
            return wanted
        engines = stack.enter_context(embedded.running(wanted.count, slots=wanted.slots, rtt_ms=wanted.rtt_ms))
        return [Host(engine.name, engine.url) for engine in engines]

    async def _connect(self, client: Client, hosts: list[Host]) -> dict[str, Engine]:
        baseline = self.settings.baseline
        if baseline is not None and baseline not in [host.name for host in hosts]:
            names = ", ".join(host.name for host in hosts)
            raise HostsError(f"--baseline={baseline}: no host has that name; the hosts are {names}.")
        return await connect(
            client,
            hosts,
            model=self.settings.model,
            protocol=self.settings.protocol,
            wait_s=self.settings.timeout_s,
        )

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
        took_ms = dict.fromkeys(hosts, 0.0)
        for prompt in self.settings.workload.prompts[:SAMPLE_PROMPTS]:
            for host in hosts:  # in turn, so that a machine that drifts is unfair to none
                took_ms[host] += (
                    await self._alone(host, replace(self.settings.workload, prompts=(prompt,)))
                ).makespan_ms
        ordered = sorted(hosts, key=lambda host: (host != self.settings.baseline, took_ms[host]))
        return tuple(ordered)

    async def _load(self, host: str) -> None:
        """Load the model; where an engine keeps a cache that cannot be reset, let it see every prompt once."""
        everything = self.settings.workload
        prompts = everything.prompts[:1] if self.engines[host].resets_cache else everything.prompts
        one_token = replace(everything.generation, max_tokens=1)
        await self._alone(host, replace(everything, prompts=prompts, generation=one_token))

    async def _alone(self, host: str, work: Workload) -> Run:
        coordinator = Coordinator(self.engines, timeout_s=self.settings.timeout_s)
        outcome = await coordinator.run("warm-up", find_strategy(BASELINE), work, [host], cache_key="warm-up")
        run = outcome.run
        if run.failed:
            raise HostUnusable(f"Host {host} failed the warm-up: {run.failed[0].error}.")
        return run

    async def _knock(self) -> None:
        for host, engine in self.engines.items():
            began = self.now()
            with anyio.move_on_after(5.0):
                try:
                    await engine.ping()
                except RequestFailed:  # a host that is down shows in the run, where it counts
                    continue
                self.round_trips_ms[host].append((self.now() - began) * 1000)

    def _origin(self) -> document.Origin:
        engines = [self.engines[host] for host in self.ordered]
        here = isinstance(self.settings.hosts, EmbeddedHosts)
        return document.Origin(
            datetime.now(UTC).isoformat(timespec="seconds"),
            "embedded" if here else "live",
            tuple(
                document.HostEntry(
                    engine.host.name,
                    engine.host.url,
                    engine.identity.engine,
                    embedded.engine_version() if here else engine.identity.version,
                    engine.model,
                    engine.identity.models.get(engine.model),
                )
                for engine in engines
            ),
            self.settings.workload,
            document.this_machine(),
        )
