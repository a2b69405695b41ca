"""A recording: a session kept as data. ``har.py`` gives it its form on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from outpace.engines import Identity
from outpace.ground.records import BestAlone
from outpace.judge.capacity import Level
from outpace.judge.slo import Latency
from outpace.workload.prompts import Workload


@dataclass(frozen=True)
class RecordedHost:
    """One host as it was: its engine, the median round trip of a cheap request, and its capacity.

    ``slots`` is how many requests it worked on at once, ``levels`` its throughput at several of them.
    """

    name: str
    url: str
    engine: str
    engine_version: str | None
    protocol: str
    model: str
    model_digest: str | None
    round_trip_ms: float
    slots: int
    levels: tuple[Level, ...] = ()

    @property
    def identity(self) -> Identity:
        """What the engine would tell of itself."""
        return Identity(self.engine, self.protocol, self.engine_version, {self.model: self.model_digest})


Part = Literal["run", "baseline", "alone"]
"""Which run of its round one is: that of the strategy, the baseline, or that of the best alone."""


@dataclass(frozen=True)
class Scene:
    """Which run is in progress: that of ``strategy`` in a round of ``measured``, as ``part`` of that round."""

    strategy: str = ""
    measured: str = ""
    round: int = 0
    part: Part = "run"

    @property
    def name(self) -> str:
        """What a recording calls this run."""
        return f"{self.measured}#{self.round}" + ("" if self.part == "run" else f"/{self.part}")


@dataclass(frozen=True)
class RecordedRun:
    """One run: ``measured`` is the strategy whose round it belongs to, None where it belongs to all of that round.

    ``makespan_ms`` is None where the run left prompts unanswered. ``latencies`` are those of its requests in their
    order, but for TPOT, where they arrived.
    """

    name: str
    strategy: str
    measured: str | None
    round: int
    hosts: tuple[str, ...]
    makespan_ms: float | None
    latencies: tuple[Latency, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether it is one of the best alone, whatever its strategy."""
        return self.name.endswith("/alone")

    def is_that_of(self, scene: Scene) -> bool:
        """Whether ``scene`` replays it; what is of no strategy's round may be that of any, but never the best alone."""
        if (self.strategy, self.round) != (scene.strategy, scene.round):
            return False
        return self.name == scene.name or (self.measured is None and scene.part != "alone")


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it.

    ``started_ms`` counts from the start of the session, ``chunks`` are (ms since the request began, bytes of the
    body). ``prompt`` is None for a request that carried none.
    """

    host: str
    run: str
    prompt: int | None
    path: str
    sent: str
    started_ms: float
    wall_ms: float
    status: int
    content_type: str
    chunks: tuple[tuple[float, bytes], ...]
    error: str | None = None

    @property
    def answered(self) -> bool:
        """Whether a whole answer to a prompt came."""
        return self.prompt is not None and self.status == 200 and self.error is None and bool(self.chunks)

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(piece for _, piece in self.chunks)


@dataclass(frozen=True)
class RecordedArrivals:
    """When requests arrived, in ms from the start of a run, as was ``asked`` for; prompts came in turn, in order."""

    asked: str
    due_ms: tuple[float, ...]


@dataclass(frozen=True)
class Recording:
    """A whole recording.

    ``baseline`` is the host that the baseline ran on, ``best_alone`` what the third run of each round was made on, None
    where there was none; ``comment`` says where it comes from. ``arrivals`` are those of its loads, if it has any.
    """

    created: str
    hosts: tuple[RecordedHost, ...]
    workload: Workload
    runs: tuple[RecordedRun, ...]
    exchanges: tuple[Exchange, ...]
    baseline: str | None = None
    comment: str = ""
    redacted: bool = False
    best_alone: BestAlone | None = None
    arrivals: RecordedArrivals | None = None

    def of_host(self, name: str) -> Sequence[Exchange]:
        """The exchanges of the host called ``name``, in their order."""
        return self._by_host.get(name, ())

    @cached_property
    def _by_host(self) -> dict[str, list[Exchange]]:
        found: defaultdict[str, list[Exchange]] = defaultdict(list)
        for each in self.exchanges:
            found[each.host].append(each)
        return found

    @property
    def rounds(self) -> int:
        """How many rounds it holds."""
        return 1 + max((run.round for run in self.runs), default=0)

    def makespan_ms(self, scene: Scene, hosts: tuple[str, ...]) -> float | None:
        """The recorded makespan of the run that ``scene`` replays over ``hosts``, None where there is none."""
        found = [run for run in self.runs if run.is_that_of(scene) and set(run.hosts) == set(hosts)]
        found.sort(key=lambda run: run.name != scene.name)
        return found[0].makespan_ms if found else None
