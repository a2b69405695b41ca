"""What a host gains by several requests at once, from runs that sent it a burst, against the pace of the same round.

A sweep of concurrencies compares moments that lie apart, and machines drift in between; a burst and the requests that
the host had to itself in the same round are side by side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from outpace.judge.capacity import Level
from outpace.recording import fitted_levels
from outpace.recording.fitted_pace import Pace, alone
from outpace.recording.recording import Exchange, RecordedHost, Recording, Scene

TOGETHER_MS = 50.0
"""Requests of a burst begin within so many milliseconds of each other."""


def calibrated(recording: Recording) -> Recording:
    """``recording`` with the levels of its hosts set right by its bursts, where it has any."""
    return replace(recording, hosts=tuple(_calibrate(host, recording) for host in recording.hosts))


def _calibrate(host: RecordedHost, recording: Recording) -> RecordedHost:
    solo = alone(host.name, recording)
    tokens = {each.prompt: fitted_levels.output_tokens(each) for each in recording.exchanges if each.answered}
    spent_ms = sum(ms for _, _, ms in solo)
    rate = sum(tokens.get(prompt, 0) for _, prompt, _ in solo) / spent_ms * 1000 if spent_ms else 0.0
    if not rate:
        return host
    one = Level(1, round(rate, 3), round(spent_ms / len(solo) + host.round_trip_ms, 3))
    levels = {1: one} | {level.in_flight: level for level in host.levels if level.in_flight > 1}
    host = replace(host, slots=max(host.slots, fitted_levels.slots_told_by(list(levels.values()))))
    gains: defaultdict[int, list[float]] = defaultdict(list)
    walls: defaultdict[int, list[float]] = defaultdict(list)
    pace = Pace(host.name, recording)
    for run in recording.runs:
        burst = _burst([each for each in recording.exchanges if each.run == run.name and each.host == host.name])
        if burst and 1 < len(burst) <= host.slots:
            scene = Scene(run.strategy, run.measured or run.strategy, run.round)
            works = [pace.work_ms(each.prompt, scene) for each in burst if each.prompt is not None]
            took_ms = max(each.started_ms + each.wall_ms for each in burst) - min(each.started_ms for each in burst)
            gains[len(burst)].append(gain(works, max(took_ms - host.round_trip_ms, 1e-3)))
            walls[len(burst)] += [each.wall_ms for each in burst]
    if gains:
        # The other levels keep their proportion to the one that is known best.
        anchor = max(gains)
        right = median(gains[anchor]) * rate
        scale = right / levels[anchor].tokens_per_s if anchor in levels else 1.0
        levels = {n: replace(level, tokens_per_s=round(level.tokens_per_s * scale, 3)) for n, level in levels.items()}
        for n, found in gains.items():
            levels[n] = Level(n, round(median(found) * rate, 3), round(sum(walls[n]) / len(walls[n]), 3))
    levels[1] = one
    return replace(host, levels=tuple(levels[n] for n in sorted(levels)))


def _burst(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """The exchanges, if all of them were answered and sent at once."""
    if not exchanges or not all(each.answered for each in exchanges):
        return []
    began = [each.started_ms for each in exchanges]
    return list(exchanges) if max(began) - min(began) < TOGETHER_MS else []


def gain(works: Sequence[float], took_ms: float) -> float:
    """Throughput of ``len(works)`` requests at once, relative to one, that makes a burst of them take ``took_ms``.

    Found by bisection on ``burst_ms``, with the throughput of fewer at once in proportion between 1 and the gain.
    """
    n = len(works)
    low, high = 1e-3, 4.0 * n

    def rate_at(full: float) -> Callable[[int], float]:
        return lambda k: 1.0 + (full - 1.0) * (k - 1) / (n - 1)

    for _ in range(60):
        middle = (low + high) / 2
        if burst_ms(works, rate_at(middle)) > took_ms:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def burst_ms(works: Sequence[float], rate: Callable[[int], float]) -> float:
    """How long requests of ``works`` ms each take together where k of them progress at ``rate(k) / k`` each."""
    took_ms = behind_ms = 0.0
    for index, work_ms in enumerate(sorted(works)):
        k = len(works) - index
        took_ms += (work_ms - behind_ms) * k / rate(k)
        behind_ms = work_ms
    return took_ms
