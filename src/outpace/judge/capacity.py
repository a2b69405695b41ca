"""Capacity: what concurrency does to one host. It *batches*, *queues* or *thrashes*, and has a limit.

All is told in gains: throughput with several in flight / throughput with one in flight measured beside it, so that a
machine that drifts does so in both. Two levels are told apart by the interval of the difference of their medians
(G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from fractions import Fraction
from itertools import pairwise, permutations
from operator import attrgetter, mul
from pathlib import Path
from typing import Any, Literal, NamedTuple

import outpace
from outpace.ground.documents import read_json, write_json
from outpace.judge.stats import median_interval

BATCHES_ABOVE = 1.2
THRASHES_BELOW = 0.8
"""Borders of the gain: a fifth, either way, is more than medians of paired samples err."""
TOLERANCE = 1.05
"""Gains within this factor are as good as equal; fewer than five samples tell a gain no better than that."""

FILE = "capacity.json"
"""What the capacities of a session are called, beside its reports."""

DIGITS = {"gain": 4, "gains": 4, "contention": 8, "coherency": 8}

_median = attrgetter("median")


@dataclass(frozen=True)
class Level:
    """What one host gave with ``in_flight`` requests at once; ``mean_ms`` is the mean wall time of one of them."""

    in_flight: int
    tokens_per_s: float
    mean_ms: float
    gains: tuple[float, ...] = ()
    """Samples of its throughput / that of one in flight measured beside it; where none, level 1 is the measure."""
    took_ms: float | None = None
    """What it cost to measure, with what was measured beside it; None where that is not told."""

    def __post_init__(self) -> None:
        if self.in_flight < 1 or not all(0 <= x < math.inf for x in (self.tokens_per_s, self.mean_ms, *self.gains)):
            raise ValueError(f"no level of concurrency: {self}")


@dataclass(frozen=True)
class Usl:
    """The Universal Scalability Law: X(N) = rate N / (1 + contention (N - 1) + coherency N (N - 1)).

    N. J. Gunther, "Guerrilla Capacity Planning" (2007) and "A General Theory of Computational Scalability Based on
    Rational Functions" (2008), where contention is called sigma and coherency kappa.
    """

    tokens_per_s_alone: float
    contention: float
    coherency: float

    def tokens_per_s(self, in_flight: float) -> float:
        """Throughput with ``in_flight`` requests at once."""
        waits = self.contention * (in_flight - 1) + self.coherency * in_flight * (in_flight - 1)
        return self.tokens_per_s_alone * in_flight / (1 + waits)

    @property
    def peak(self) -> float | None:
        """How many in flight give most, at least 1; None where more never give less."""
        if self.coherency == 0:
            return None if self.contention <= 1 else 1.0
        return max(1.0, math.sqrt(max(0.0, 1 - self.contention) / self.coherency))


@dataclass(frozen=True)
class Capacity:
    """What concurrency does to a host. ``limit`` is the one to use: the least that cannot be told from the best.

    ``limit_low`` and ``limit_high`` are the lowest and highest level that cannot. ``gain`` is the highest throughput /
    that of one alone, as measured. ``settled`` is False where noise leaves the kind open.
    """

    kind: Literal["batches", "queues", "thrashes"]
    limit: int
    limit_low: int
    limit_high: int
    gain: float
    levels: tuple[Level, ...]
    usl: Usl | None
    settled: bool
    reason: str

    def gain_at(self, in_flight: int) -> float:
        """Throughput with so many in flight / that of one alone.

        Between the levels that were measured it is taken to be linear, and beyond the last to stay.
        """
        points = [(gain.in_flight, gain.median) for gain in _gains(self.levels)]
        for (low, low_gain), (high, high_gain) in pairwise(points):
            if low <= in_flight <= high:
                return low_gain + (high_gain - low_gain) * (in_flight - low) / (high - low)
        return points[-1][1]


class _Gain(NamedTuple):
    in_flight: int
    samples: tuple[float, ...]
    median: float
    low: float
    high: float


def _gain(in_flight: int, samples: tuple[float, ...]) -> _Gain:
    middle, low, high, _ = astuple(median_interval(samples))
    if low is None:
        low, high = min(*samples, middle / TOLERANCE), max(*samples, middle * TOLERANCE)
    return _Gain(in_flight, samples, middle, low, high)


def _gains(levels: Sequence[Level]) -> list[_Gain]:
    """Each level's gain, fewest in flight first; raises ``ValueError`` without a level of 1 or with one told twice."""
    alone = next((level.tokens_per_s for level in levels if level.in_flight == 1), 0)
    if not alone or len({level.in_flight for level in levels}) < len(levels):
        raise ValueError("levels must differ, and one in flight must have given something")
    told = {level.in_flight: level.gains or (level.tokens_per_s / alone,) for level in levels} | {1: (1.0,)}
    return [_gain(in_flight, told[in_flight]) for in_flight in sorted(told)]


def _clearly_less(less: _Gain, more: _Gain) -> bool:
    noise = math.hypot(more.median - more.low, less.high - less.median)
    return less.median < more.median / TOLERANCE and more.median - less.median > noise


def classify(levels: Sequence[Level], refused: str | None = None) -> Capacity:
    """Kind and limit of a host from its levels; ``refused`` says of which on it takes none, where it was seen to.

    Raises ``ValueError`` where none of the levels is 1 in flight.
    """
    gains, levels = _gains(levels), tuple(sorted(levels, key=attrgetter("in_flight")))
    several = gains[1:]
    if not several:
        said = "Only one in flight was tried" if refused is None else f"It takes one at a time: {refused}"
        return Capacity("queues", 1, 1, 1, 1.0, levels, None, refused is not None, f"{said}.")
    best, highest, lowest = max(gains, key=_median), max(several, key=_median), min(several, key=_median)
    among_best = [gain.in_flight for gain in gains if not _clearly_less(gain, best)]
    # The highest of several medians errs upwards: all samples of the levels that cannot be told apart decide together.
    top = _gain(0, tuple(x for gain in several if not _clearly_less(gain, highest) for x in gain.samples))
    bottom = _gain(0, tuple(x for gain in several if not _clearly_less(lowest, gain) for x in gain.samples))
    kind: Literal["batches", "queues", "thrashes"] = "queues"
    limit, low, high = among_best[0], among_best[0], among_best[-1]
    if top.median > BATCHES_ABOVE:
        kind, limit = "batches", next(in_flight for in_flight in among_best if in_flight > 1)
        said = f"{best.in_flight} in flight give {best.median:.2f} times the throughput of one alone"
        said += f", which {limit} cannot be told from" if limit < best.in_flight else ""
        beyond = min((gain for gain in several if gain.in_flight > high), key=_median, default=best)
        if beyond.median < THRASHES_BELOW * best.median:
            does = "thrashes" if beyond.median < THRASHES_BELOW else "falls"
            said += f"; beyond that it {does}, {beyond.in_flight} give {beyond.median:.2f} times"
    elif bottom.median < THRASHES_BELOW:
        kind = "thrashes"
        said = f"{lowest.in_flight} in flight give only {lowest.median:.2f} times the throughput of one alone"
    else:
        said = f"More in flight give at most {highest.median:.2f} times the throughput of one alone, and wait"
    borders = ((top, BATCHES_ABOVE), (bottom, THRASHES_BELOW))[: 1 if kind == "batches" else 2]
    doubt = next((gain for gain, border in borders if gain.low <= border <= gain.high), None)
    if doubt:
        said += f"; noise leaves that open, from {doubt.low:.2f} to {doubt.high:.2f} times"
    if refused is not None:
        said += f"; {refused}"
    elif high == levels[-1].in_flight and not told_its_story(levels):
        said += f"; no more than {high} were tried, and more may be better"
    return Capacity(kind, limit, low, high, best.median, levels, fit_usl(levels), doubt is None, f"{said}.")


def told_its_story(levels: Sequence[Level]) -> bool:
    """Whether a sweep may stop before its next level: throughput fell well below the best, or rises no more.

    It rises no more where neither of the last two levels is clearly above the best before them.
    """
    gains = _gains(levels)
    last, best, before = gains[-1], max(gains, key=_median), max(gains[:-2] or gains, key=_median)
    fell = last.median < THRASHES_BELOW * best.median and _clearly_less(last, best)
    return fell or (len(gains) > 2 and not any(_clearly_less(before, gain) for gain in gains[-2:]))


def fit_usl(levels: Sequence[Level]) -> Usl | None:
    """The Universal Scalability Law nearest to the levels; None for fewer than three that gave anything.

    Least squares on relative errors of N / X(N) = (1 + contention (N - 1) + coherency N (N - 1)) / rate: linear in
    three coefficients, none negative, so every choice of those to keep is tried. Fractions lose nothing to rounding.
    """
    gains = [(gain.in_flight, Fraction(gain.median)) for gain in _gains(levels) if gain.median > 1e-9]
    if len(gains) < 3:
        return None
    alone = next(level.tokens_per_s for level in levels if level.in_flight == 1)
    rows = [(gain / n, gain * (n - 1) / n, gain * (n - 1)) for n, gain in gains]
    columns = list(zip(*rows, strict=True))
    found, least = Usl(alone, 0, 0), math.inf
    for kept in ((0,), (0, 1), (0, 2), (0, 1, 2)):
        solved = dict(zip(kept, _least_squares([columns[index] for index in kept]), strict=True))
        one, contention, coherency = (solved.get(index, Fraction(0)) for index in range(3))
        error = float(sum((1 - one * a - contention * b - coherency * c) ** 2 for a, b, c in rows))
        if one > 0 and contention >= 0 and coherency >= 0 and error < least - 1e-20:
            found, least = Usl(alone / float(one), float(contention / one), float(coherency / one)), error
    return found


def _least_squares(columns: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    """Coefficients by which independent ``columns`` add up to ones as nearly as they can, by the normal equations."""
    rows = [[sum(map(mul, one, other), Fraction(0)) for other in columns] + [sum(one, Fraction(0))] for one in columns]
    for pivot, index in permutations(range(len(rows)), 2):  # no pivot is 0: the matrix is positive definite
        factor = rows[index][pivot] / rows[pivot][pivot]
        rows[index] = [a - factor * b for a, b in zip(rows[index], rows[pivot], strict=True)]
    return [row[-1] / row[index] for index, row in enumerate(rows)]


@dataclass(frozen=True)
class HostCapacity:
    """One host's capacity, and what it runs, as a document names it."""

    name: str
    url: str | None
    engine: str | None
    engine_version: str | None
    model: str | None
    capacity: Capacity


def to_document(created: str, source: str, hosts: Iterable[HostCapacity]) -> dict[str, Any]:
    """The capacities of one session; ``created`` is an RFC 3339 time, ``source`` "live", "embedded" or "replay"."""
    told = {host.name: _rounded("", asdict(host)) for host in hosts}
    for host in told.values():
        del host["name"]
        host.update(host.pop("capacity"))
        if host["usl"]:
            host["usl"]["peak"] = _rounded("peak", Usl(**host["usl"]).peak)
    document = {"schema_version": "1.0", "created": created, "outpace": outpace.__version__, "source": source}
    return {**document, "hosts": told}


def _rounded(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(name, each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_rounded(key, each) for each in value]
    return round(value, DIGITS.get(key, 3)) if isinstance(value, float) else value


def from_document(document: dict[str, Any]) -> tuple[HostCapacity, ...]:
    """The capacities that a valid document tells."""
    return tuple(_host(name, **told) for name, told in document["hosts"].items())


def _host(name: str, url: str, engine: str, engine_version: str, model: str, **told: Any) -> HostCapacity:
    # A schema takes 4.0 for a whole number, and Python does not count with it.
    told |= {key: int(told[key]) for key in ("limit", "limit_low", "limit_high")}
    told["levels"] = tuple(
        Level(
            int(level["in_flight"]),
            level["tokens_per_s"],
            level["mean_ms"],
            tuple(level["gains"]),
            level.get("took_ms"),
        )
        for level in told["levels"]
    )
    told["usl"] = told["usl"] and Usl(*(told["usl"][each.name] for each in fields(Usl)))
    return HostCapacity(name, url, engine, engine_version, model, Capacity(**told))


def write(path: Path, document: dict[str, Any]) -> None:
    """Validate ``document`` and put it at ``path`` whole; raises ``DocumentInvalid`` or ``OSError``."""
    write_json(path, document, "capacity")


def read(path: Path) -> dict[str, Any]:
    """Read and validate a document of capacities; raises ``DocumentInvalid`` that says what is wrong and where."""
    return read_json(path, "capacity")
