"""What a story is made of: frozen plain data, in milliseconds, with no markup in it."""

from __future__ import annotations

from dataclasses import dataclass

from outpace.judge.capacity import HostCapacity
from outpace.judge.stats import Interval
from outpace.report.words import Foreign, Words

PARTS = {
    "network": "network",
    "queue": "queue",
    "load": "model load",
    "prompt": "prompt to first token",
    "generation": "generation",
    "working": "at work, not told apart",
}
"""The parts of a request's time in their order, and what a person calls them."""


@dataclass(frozen=True)
class Row:
    """One strategy. ``seen`` are the least and the highest ratio of its rounds; ``bound`` the ratio of the best split.

    ``ranked`` is False for a report of another session than the newest, and where no round has a ratio.
    """

    strategy: Foreign
    rounds: int
    ratios: tuple[float | None, ...]
    ratio: Interval | None
    seen: tuple[float, float] | None
    speedup: float | None
    per_token: float | None
    efficiency: float | None
    bound: float | None
    threshold: float
    verdict: str
    reason: Foreign
    notes: tuple[Foreign, ...]
    hosts: int
    unanswered: int
    ranked: bool
    baseline_host: Foreign

    @property
    def median(self) -> float | None:
        """The median ratio; None where no round has one."""
        return self.ratio.median if self.ratio else None


@dataclass(frozen=True)
class Part:
    """One part of the time of a host's answers, of the ``told`` of them that tell it; ``share`` is of all wall time."""

    name: str
    told: int
    median_ms: float | None
    mean_ms: float | None
    share: float | None
    inferred: bool


@dataclass(frozen=True)
class HostTime:
    """Where one host's time went in all of a strategy's runs, or in the baseline's."""

    host: Foreign
    answers: int
    wall_ms: float | None
    parts: tuple[Part, ...]
    added_ms: tuple[float, float, float] | None
    added_source: str | None
    network_share: float | None
    ms_per_token: float | None

    def part(self, name: str) -> Part:
        """The part called ``name``."""
        return next(part for part in self.parts if part.name == name)


@dataclass(frozen=True)
class Latency:
    """Where the time went under one strategy, host by host, and on the baseline's host beside it."""

    strategy: Foreign
    hosts: tuple[HostTime, ...]
    baseline: HostTime | None


@dataclass(frozen=True)
class Bar:
    """One request, or one attempt that failed, in a run; ``parts`` follow one another from ``start_ms``."""

    prompt: int
    host: Foreign
    start_ms: float
    wall_ms: float
    parts: tuple[tuple[str, float], ...]
    attempts: int = 1
    failed: str | None = None
    """The kind of the failure, "spent" for a copy that lost; None for an answer."""


@dataclass(frozen=True)
class View:
    """One run as it can be drawn; ``assumed`` where starts are not told and requests stand one after another."""

    hosts: tuple[Foreign, ...]
    makespan_ms: float | None
    bars: tuple[Bar, ...]
    not_drawn: int
    assumed: bool


@dataclass(frozen=True)
class Timeline:
    """The round of a strategy whose ratio is nearest to the median; ``round`` counts from 1."""

    strategy: Foreign
    round: int
    rounds: int
    run: View
    baseline: View


@dataclass(frozen=True)
class Failure:
    """One kind of failed attempt on one host, over all runs of all strategies and their baselines."""

    host: Foreign
    kind: Foreign
    meaning: str
    count: int
    harmless: bool
    strategies: tuple[Foreign, ...]
    example: Foreign


@dataclass(frozen=True)
class Unanswered:
    """One prompt that no host answered."""

    strategy: Foreign
    round: int
    run: str
    prompt: int
    error: Foreign


@dataclass(frozen=True)
class Condition:
    """What must hold for going further; ``holds`` is None where that is not known."""

    holds: bool | None
    text: Words


@dataclass(frozen=True)
class HostLine:
    """One host as the reports name it; None is not told."""

    name: Foreign
    engine: Foreign | None
    version: Foreign | None
    model: Foreign | None
    digest: Foreign | None
    url: Foreign | None


@dataclass(frozen=True)
class Story:
    """All that a person is told of one session: the answer first, then why, then how it was found."""

    answer: tuple[Words, ...]
    cautions: tuple[Words, ...]
    question: Words
    verdict: str
    best: Foreign | None
    tied: tuple[Foreign, ...]
    rows: tuple[Row, ...]
    timelines: tuple[Timeline, ...]
    latencies: tuple[Latency, ...]
    failures: tuple[Failure, ...]
    unanswered: tuple[Unanswered, ...]
    capacities: tuple[HostCapacity, ...]
    conditions: tuple[Condition, ...]
    hosts: tuple[HostLine, ...]
    facts: tuple[tuple[str, Words], ...]
    not_measured: tuple[Words, ...]
