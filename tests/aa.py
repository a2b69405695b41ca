"""How often a change is claimed where there is none, and how small a change is found: ``python tests/aa.py``.

Sessions are run in virtual time on two equal hosts whose pace wanders as that of shared machines does: a slow drift
that both share, one of each host's own, noise of each request, and spikes. The same strategy is measured twice (A/A),
or once with all of its requests slowed by a few percent, and the two are compared as ``outpace compare`` does.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from outpace.dispatch import Coordinator, find_strategy
from outpace.replay import VirtualLoop
from outpace.stats import rounds_interval, rounds_ratio_interval
from virtual import NumberEngine, numbers

PROMPTS = 8
ALONE_S = 0.9


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the logarithm of pace: of the drift that is shared, each host's own, and a request's.

    ``spikes`` is the share of requests that take ``spike`` times as long.
    """

    shared: float = 0.15
    own: float = 0.08
    request: float = 0.06
    spikes: float = 0.02
    spike: float = 2.0
    memory_s: float = 60.0


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


def ratios(seed: int, rounds: int, slower: float = 1.0, noise: Noise | None = None) -> tuple[list[float], list[float]]:
    """Overhead ratios of serial-per-side, measured twice in one session; the second time all of it ``slower``."""
    found = noise or Noise()
    chance = random.Random(seed)
    shared = Wander(chance, found.shared, found.memory_s)
    slow = 1.0

    def pace(own: Wander) -> Callable[[int], float]:
        def service_s(_number: int) -> float:
            now_s = anyio.current_time()
            log = shared.at(now_s) + own.at(now_s) + chance.gauss(0.0, found.request)
            spike = found.spike if chance.random() < found.spikes else 1.0
            return ALONE_S * math.exp(log) * spike * slow

        return service_s

    engines = {name: NumberEngine(name, pace(Wander(chance, found.own, found.memory_s))) for name in "ab"}
    coordinator = Coordinator(engines, timeout_s=1e6)
    work = numbers(PROMPTS)

    async def makespan(strategy: str, hosts: list[str], by: float) -> float:
        nonlocal slow
        slow = by
        outcome = await coordinator.run(strategy, find_strategy(strategy), work, hosts, cache_key="k")
        return outcome.run.makespan_ms

    async def measured(by: float) -> list[float]:
        gathered = []
        for number in range(rounds):
            if number % 2 == 0:
                baseline = await makespan("sequential", ["a"], 1.0)
                run = await makespan("serial-per-side", ["a", "b"], by)
            else:
                run = await makespan("serial-per-side", ["a", "b"], by)
                baseline = await makespan("sequential", ["a"], 1.0)
            gathered.append(run / baseline)
        return gathered

    async def main() -> tuple[list[float], list[float]]:
        return await measured(1.0), await measured(slower)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def claimed(seed: int, rounds: int, slower: float = 1.0) -> bool:
    """Whether a change is claimed."""
    first, second = ratios(seed, rounds, slower)
    change = rounds_ratio_interval(second, first)
    return change.low is not None and change.high is not None and (change.low > 1 or change.high < 1)


def covered(seed: int, rounds: int, truth: float) -> bool:
    """Whether the interval of one strategy's ratio holds its true median."""
    found = rounds_interval(ratios(seed, rounds)[0])
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def main(trials: int) -> None:
    """Print both tables."""
    many = sorted(each for seed in range(400) for each in ratios(10**6 + seed, 5)[0])
    truth = many[len(many) // 2]
    print("| rounds | claimed where nothing changed | interval holds the true ratio |")  # noqa: T201
    print("|---|---|---|")  # noqa: T201
    for rounds in (5, 10, 20):
        false = sum(claimed(seed, rounds) for seed in range(trials)) / trials
        held = sum(covered(seed, rounds, truth) for seed in range(trials)) / trials
        print(f"| {rounds} | {false:.1%} | {held:.1%} |", flush=True)  # noqa: T201
    print("\n| a change of | found with 5 rounds | 10 | 20 |\n|---|---|---|---|")  # noqa: T201
    few = max(1, trials // 4)
    for slower in (1.05, 1.1, 1.2, 1.3):
        found = [sum(claimed(seed, rounds, slower) for seed in range(few)) / few for rounds in (5, 10, 20)]
        print(f"| {slower - 1:.0%} | " + " | ".join(f"{each:.0%}" for each in found) + " |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
