"""How often a change is claimed where there is none, and how small a change is found: ``tox -e study -- aa.py``.

Sessions are run in virtual time on two equal hosts, one prompt after another on each, whose pace wanders as that of
recorded machines did (noise.py). The same strategy is measured twice (A/A), or once with all of its requests slowed by
a few percent, and the two are compared as ``outpace compare`` does.
"""

from __future__ import annotations

import heapq
import math
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean, median

from noise import Noise, measured
from outpace.judge.stats import rounds_interval, rounds_ratio_interval
from outpace.measure.stopping import WITHIN, why_enough

PROMPTS = 8
ALONE_S = 0.9
ROUNDS = (5, 10, 20, "auto")
SLOWER = (1.05, 1.1, 1.2, 1.3)


class Wander:
    """An Ornstein-Uhlenbeck process: the logarithm of a pace that wanders and forgets within ``memory_s``."""

    def __init__(self, chance: random.Random, deviation: float, memory_s: float) -> None:
        self._chance, self._deviation, self._memory_s = chance, deviation, memory_s
        self._value, self._as_of_s = chance.gauss(0.0, deviation), 0.0

    def at(self, now_s: float) -> float:
        keep = math.exp(-(now_s - self._as_of_s) / self._memory_s)
        spread = self._deviation * math.sqrt(max(0.0, 1 - keep * keep))
        self._value, self._as_of_s = keep * self._value + self._chance.gauss(0.0, spread), now_s
        return self._value


def ratios(seed: int, rounds: int | str, noise: Noise, slower: float = 1.0) -> tuple[list[float], list[float]]:
    """Overhead ratios of serial-per-side, measured twice in one session; the second time all of it ``slower``.

    ``rounds`` is how many, or "auto".
    """
    chance = random.Random(seed)
    shared = Wander(chance, noise.shared, noise.memory_s)
    own = [Wander(chance, noise.own, noise.memory_s) for _ in range(2)]
    clock_s = 0.0

    def service_s(host: int, now_s: float) -> float:
        log = shared.at(now_s) + own[host].at(now_s) + chance.gauss(0.0, noise.request)
        spike = noise.spike if chance.random() < noise.spikes else 1.0
        return ALONE_S * math.exp(log) * spike

    def makespan_s(hosts: int, by: float) -> float:
        """All prompts, dealt out to the first hosts, one after another on each."""
        nonlocal clock_s
        began_s, waiting = clock_s, [PROMPTS // hosts] * hosts
        free = [(clock_s, host) for host in range(hosts)]
        while free:
            clock_s, host = heapq.heappop(free)
            if waiting[host]:
                waiting[host] -= 1
                heapq.heappush(free, (clock_s + service_s(host, clock_s) * by, host))
        return clock_s - began_s

    def a_round(number: int, by: float) -> float:
        if number % 2 == 0:
            baseline_s = makespan_s(1, 1.0)
            return makespan_s(2, by) / baseline_s
        run_s = makespan_s(2, by)
        return run_s / makespan_s(1, 1.0)

    def measurement(by: float) -> list[float]:
        gathered: list[float] = []
        while not _enough(gathered, rounds):
            gathered.append(a_round(len(gathered), by))
        return gathered

    return measurement(1.0), measurement(slower)


def _enough(gathered: Sequence[float], rounds: int | str) -> bool:
    return why_enough(gathered, WITHIN) is not None if rounds == "auto" else len(gathered) == rounds


@dataclass(frozen=True)
class Claims:
    """Of many sessions: the share in which a change was claimed, in which the interval held the truth, and rounds."""

    claimed: float
    held: float
    rounds: float


def claims(
    seeds: range, rounds: int | str, noise: Noise, slower: float = 1.0, pool: ProcessPoolExecutor | None = None
) -> Claims:
    """What the sessions of ``seeds`` claim; the truth is the median of all ratios of first measurements."""
    each = partial(ratios, rounds=rounds, noise=noise, slower=slower)
    sessions = list(pool.map(each, seeds, chunksize=20) if pool else map(each, seeds))
    changes = [rounds_ratio_interval(second, first) for first, second in sessions]
    truth = median(ratio for first, _ in sessions for ratio in first)
    found = [rounds_interval(first) for first, _ in sessions]
    return Claims(
        fmean(change.low > 1 or change.high < 1 for change in changes),
        fmean(each.low <= truth <= each.high for each in found),
        fmean(len(first) for first, _ in sessions),
    )


def kinds() -> dict[str, Noise]:
    """Noise as it was recorded on one machine's engines, and as two machines would have it that drift apart."""
    recorded = measured()
    worst = max(recorded.values(), key=lambda noise: noise.shared)
    apart = replace(worst, shared=0.0, own=worst.shared)
    return {
        **{f"as recorded, {name}": noise for name, noise in recorded.items()},
        f"each machine {apart.own:.0%} by itself, for {apart.memory_s:.0f} s": apart,
        f"each machine {apart.own:.0%} by itself, for a minute": replace(apart, memory_s=60.0),
    }


def main(trials: int) -> None:
    """Print both tables."""
    few = range(max(1, trials // 4))
    with ProcessPoolExecutor() as pool:
        print("| noise | rounds | a change claimed where nothing changed | the interval holds the true ratio |")  # noqa: T201
        print("|---|---|---|---|")  # noqa: T201
        for name, noise in kinds().items():
            for rounds in ROUNDS:
                found = claims(range(trials), rounds, noise, pool=pool)
                made = f"auto: {found.rounds:.1f}" if rounds == "auto" else rounds
                print(f"| {name} | {made} | {found.claimed:.1%} | {found.held:.1%} |", flush=True)  # noqa: T201
        print("\n| noise | a change of | " + " | ".join(f"{rounds} rounds" for rounds in ROUNDS) + " |")  # noqa: T201
        print("|---|---|" + "---|" * len(ROUNDS))  # noqa: T201
        for name, noise in list(kinds().items())[:4]:
            for slower in SLOWER:
                shares = [claims(few, rounds, noise, slower, pool).claimed for rounds in ROUNDS]
                told = " | ".join(f"{share:.0%}" for share in shares)
                print(f"| {name} | {slower - 1:.0%} | {told} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
