"""Churn: when a contributor is there, and how it goes. Times are in seconds since the run began."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, count, islice
from typing import Literal

from outpace.simulation.pool.draws import Draw

Leaving = Literal["drains", "cuts", "silent"]
"""How one goes: it ends what it has begun and takes nothing new; it ends its connections, inside an answer too; or it
says no word, and whoever waits for it finds out for himself."""
Spans = Iterator[tuple[float, float]]
"""From when to when, each after the one before, without an end."""

ALWAYS = (0.0, math.inf)
DAY_S = 86_400.0
AROUND_S = 1800.0
"""So much sooner or later than it is written does anyone's day begin and end."""
CYCLES_BEFORE = 10
"""So many sessions lie before the run, so that it begins with as many there as there are on average."""


@dataclass(frozen=True)
class Sessions:
    """Sessions and absences, one after another."""

    on_s: Draw
    off_s: Draw

    @property
    def away(self) -> float:
        """The share of the time in which it is away."""
        return self.off_s.mean / (self.on_s.mean + self.off_s.mean)

    def spans(self, chance: random.Random) -> Spans:
        """When it is there."""
        at_s = -chance.uniform(CYCLES_BEFORE, CYCLES_BEFORE + 1) * (self.on_s.mean + self.off_s.mean)
        while True:
            until_s = at_s + self.on_s(chance)
            if until_s > 0:
                yield max(at_s, 0.0), until_s
            at_s = until_s + self.off_s(chance)


@dataclass(frozen=True)
class Trace:
    """Spans that were observed, again ``every_s`` seconds; each host enters at a moment of its own."""

    on: tuple[tuple[float, float], ...]
    every_s: float

    @property
    def away(self) -> float:
        """The share of the time in which it is away."""
        return 1 - sum(until_s - from_s for from_s, until_s in self.on) / self.every_s

    def spans(self, chance: random.Random) -> Spans:
        """When it is there."""
        shift_s = chance.uniform(0.0, self.every_s)
        for turn in count(-1):
            for from_s, until_s in self.on:
                begins_s, ends_s = (each + shift_s + turn * self.every_s for each in (from_s, until_s))
                if ends_s > 0:
                    yield max(begins_s, 0.0), ends_s


@dataclass(frozen=True)
class Day:
    """There from one hour of the day to another, where it lives: in one of ``zones``, hours ahead of UTC.

    The run begins at ``begins_h`` UTC.
    """

    from_h: float
    until_h: float
    zones: tuple[float, ...]
    begins_h: float

    @property
    def away(self) -> float:
        """The share of the time in which it is away."""
        return 1 - (self.until_h - self.from_h) % 24 / 24

    def spans(self, chance: random.Random) -> Spans:
        """When it is there."""
        begins_s = ((self.from_h - chance.choice(self.zones) - self.begins_h) % 24) * 3600
        begins_s += chance.uniform(-AROUND_S, AROUND_S)
        takes_s = ((self.until_h - self.from_h) % 24) * 3600
        for turn in count(-1):
            at_s = begins_s + turn * DAY_S
            if at_s + takes_s > 0:
                yield max(at_s, 0.0), at_s + takes_s


@dataclass(frozen=True)
class Outages:
    """What takes many away at once: every so often on average, each with a probability of ``share``, for ``for_s``."""

    every_s: float
    share: float
    for_s: float

    def spans(self, common: random.Random, chance: random.Random) -> Spans:
        """When none of them is; ``common`` chance is the same for all whom they may take."""
        from_s = 0.0
        for at_s in accumulate(common.expovariate(1 / self.every_s) for _ in count()):
            if chance.random() < self.share and at_s + self.for_s > from_s:
                if at_s > from_s:
                    yield from_s, at_s
                from_s = at_s + self.for_s


@dataclass(frozen=True)
class Churn:
    """When contributors of a kind are there, and how probable each way of leaving is."""

    sessions: Sessions | Trace | None = None
    day: Day | None = None
    leaving: tuple[tuple[Leaving, float], ...] = (("cuts", 1.0),)

    @property
    def away(self) -> float:
        """The share of the time in which one is away."""
        return 1 - math.prod(1 - each.away for each in (self.sessions, self.day) if each is not None)

    def spans(self, chance: random.Random, outages: Spans | None = None) -> Spans:
        """When one of them is there."""
        found: Spans = iter([ALWAYS])
        for each in (self.sessions, self.day):
            if each is not None:
                found = both(found, each.spans(chance))
        return found if outages is None else both(found, outages)

    def leaves(self, chance: random.Random) -> Leaving:
        """How one goes this time."""
        ways, weights = zip(*self.leaving, strict=True)
        found: Leaving = chance.choices(ways, weights)[0]
        return found


class DrawnAgain:
    """The spans that ``draw`` gives from the first on each time, drawn again for more of them, twice as many each time.

    What draws them holds sources of chance of 2.5 KB each: too much to keep for each of very many.
    """

    __slots__ = ("_ahead", "_draw", "_given")

    def __init__(self, draw: Callable[[], Spans]) -> None:
        self._draw, self._given = draw, 0
        self._ahead: list[tuple[float, float]] = []
        """Those that are drawn and not given yet, the next one last."""

    def __iter__(self) -> Spans:
        return self

    def __next__(self) -> tuple[float, float]:
        if not self._ahead:
            self._ahead = list(islice(self._draw(), self._given, 2 * self._given + 1))[::-1]
        if not self._ahead:
            raise StopIteration
        self._given += 1
        return self._ahead.pop()


def both(one: Spans, other: Spans) -> Spans:
    """What lies in a span of ``one`` and of the ``other``."""
    mine, theirs = next(one, None), next(other, None)
    while mine is not None and theirs is not None:
        from_s, until_s = max(mine[0], theirs[0]), min(mine[1], theirs[1])
        if from_s < until_s:
            yield from_s, until_s
        if mine[1] <= theirs[1]:
            mine = next(one, None)
        else:
            theirs = next(other, None)


def within_s(spans: Spans, until_s: float) -> float:
    """How many seconds of ``spans`` lie before ``until_s``."""
    total_s = 0.0
    for from_s, to_s in spans:
        if from_s >= until_s:
            break
        total_s += min(to_s, until_s) - from_s
    return total_s
