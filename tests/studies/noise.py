"""What recorded machines' pace did: how far it wandered, how fast, together or apart; ``tox -e study -- noise.py``.

The pace of an answer is the time between its first and its last piece, by piece. How much two of them differ, by the
time between them and by whether one host gave both, tells apart what both hosts share (they were on one machine), what
is each host's own, and what is each request's: an empirical variogram and the exponential model (N. Cressie,
"Statistics for Spatial Data", 1993, chapter 2), fitted by least squares.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np

from outpace.recording import har
from outpace.recording.recording import Recording

RECORDINGS = Path(__file__).parents[2] / "bench" / "recordings"
REAL = ("ollama-np1", "llama-server-np4", "vllm")
ONE_AT_A_TIME = ("sequential", "serial-per-side", "solo")
MEMORIES_S = [2 ** (quarter / 4) for quarter in range(29)]
LAGS_S = [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
SPIKE = 1.25


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the logarithm of pace: of the drift that is shared, each host's own, and a request's.

    Drift is forgotten within ``memory_s``: so much later it resembles itself by 1/e. ``spikes`` is the share of
    requests that take ``spike`` times as long.
    """

    shared: float
    own: float
    request: float
    memory_s: float
    spikes: float = 0.0
    spike: float = 1.0


@dataclass(frozen=True)
class Pace:
    """The logarithm of a request's pace over its host's mean, in the middle of its answer; ``run`` it belonged to."""

    at_s: float
    host: str
    run: str
    log: float


def paces(recording: Recording) -> list[Pace]:
    """Those of requests that had their host to themselves, in the order in which they came."""
    found = defaultdict(list)
    for each in recording.exchanges:
        if each.answered and len(each.chunks) > 3 and each.run.startswith(ONE_AT_A_TIME):
            first_ms, last_ms = each.chunks[0][0], each.chunks[-1][0]
            at_s = (each.started_ms + (first_ms + last_ms) / 2) / 1000
            found[each.host].append((at_s, each.run, math.log((last_ms - first_ms) / (len(each.chunks) - 1))))
    every = []
    for host, told in found.items():
        mean = fmean(log for _, _, log in told)
        every += [Pace(at_s, host, run, log - mean) for at_s, run, log in told]
    return sorted(every, key=lambda pace: pace.at_s)


def swing(every: list[Pace], within_s: float = 60.0) -> float:
    """The slowest / the fastest request within so many seconds, less 1, without the extreme twentieths."""
    found = []
    for first in every:
        near = sorted(each.log for each in every if 0 <= each.at_s - first.at_s <= within_s)
        if len(near) >= 20:
            cut = len(near) // 20
            found.append(math.exp(near[-1 - cut] - near[cut]) - 1)
    return median(found)


def fit(every: list[Pace]) -> Noise:
    """The noise that ``every`` pace of a recording is told best by."""
    points = list(_variogram(every))
    spikes = [math.exp(log) for log in _away(every) if math.exp(log) > SPIKE]
    best = min((_fitted(points, memory_s) for memory_s in MEMORIES_S), key=lambda found: found[0])
    _, (request, shared, own), memory_s = best
    return Noise(
        *(round(math.sqrt(variance), 3) for variance in (shared, own, request)),
        memory_s=round(memory_s, 1),
        spikes=round(len(spikes) / len(every), 3),
        spike=round(fmean(spikes), 2) if spikes else 1.0,
    )


def _variogram(every: list[Pace]) -> Iterator[tuple[bool, float, float]]:
    """For each bin of lags: whether of one host, the mean lag in seconds, and half the mean squared difference."""
    binned = defaultdict(list)
    for one, other in itertools.combinations(every, 2):
        lag_s = other.at_s - one.at_s
        which = sum(lag_s >= edge for edge in LAGS_S)
        if which < len(LAGS_S):
            binned[one.host == other.host, which].append((lag_s, (one.log - other.log) ** 2 / 2))
    for (same, _), told in binned.items():
        if len(told) >= 5:
            yield same, fmean(lag for lag, _ in told), fmean(half for _, half in told)


def _fitted(points: list[tuple[bool, float, float]], memory_s: float) -> tuple[float, tuple[float, ...], float]:
    """The misfit and the variances of request, shared and own drift, none below 0, that fit best."""
    gone = [1 - math.exp(-lag_s / memory_s) for _, lag_s, _ in points]
    columns = np.array([[1.0, lost, lost if same else 1.0] for (same, _, _), lost in zip(points, gone, strict=True)])
    told = np.array([half for _, _, half in points])
    best = (math.inf, (0.0, 0.0, 0.0), memory_s)
    for kept in itertools.product((False, True), repeat=3):
        if any(kept):
            found = np.zeros(3)
            found[list(kept)] = np.linalg.lstsq(columns[:, list(kept)], told, rcond=None)[0]
            misfit = float(((columns @ found - told) ** 2).sum())
            if (found >= 0).all() and misfit < best[0]:
                best = (misfit, tuple(map(float, found)), memory_s)
    return best


def _away(every: list[Pace]) -> Iterator[float]:
    """How far each pace is from the mean of those before and after it in its run on its host."""
    by_run = defaultdict(list)
    for each in every:
        by_run[each.run, each.host].append(each.log)
    for logs in by_run.values():
        for before, here, after in zip(logs, logs[1:], logs[2:], strict=False):
            yield here - (before + after) / 2


def measured() -> dict[str, Noise]:
    """The noise of each recording of a real engine that is kept in bench/recordings."""
    return {name: fit(paces(har.read(RECORDINGS / f"{name}.json"))) for name in REAL}


if __name__ == "__main__":
    for name in REAL:
        every = paces(har.read(RECORDINGS / f"{name}.json"))
        print(f"{name}: {len(every)} requests, swings by {swing(every):.0%} within a minute, {fit(every)}")  # noqa: T201
