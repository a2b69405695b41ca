"""How often a set is said to outpace its best machine where the others add nothing: ``tox -e study -- aa_gain.py``.

Sessions are run in virtual time on a host whose pace wanders as that of recorded machines did (noise.py), and one that
answers a request in the time in which the first answers ten thousand. Three strategies know better than to wait for
it, so the true set gain of each is 1; then their requests are made quicker by a few percent, which is a gain. Each is
measured in rounds beside the best alone, and what is claimed is what the first sentence of a session says: of one
strategy by itself, and of the best of three.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import fmean

import anyio

from aa import ALONE_S, PROMPTS, Wander
from noise import Noise, measured
from outpace.dispatch import Coordinator, HostKnowledge, find_strategy
from outpace.ground.records import BASELINE, BestAlone, Round, Run
from outpace.judge.comparison import Comparison, compare
from outpace.judge.ranking import foremost, ranked
from outpace.measure.measurement import ORDERS
from outpace.report.strategies import outpaces
from outpace.simulation.clock import VirtualLoop
from virtual import NumberEngine, numbers

STRATEGIES = ("earliest-finish", "weighted", "hedged")
ROUNDS = (5, 10, 20)
GAINS = (1.0, 1.02, 1.05, 1.1, 1.2)
SLOWER = 10_000
BEST = BestAlone("a", 1, "as it was made")


def session(seed: int, rounds: int, noise: Noise, gain: float) -> list[Comparison]:
    """Each strategy, measured in so many rounds, one after another; each answers ``gain`` times as fast as the host."""
    chance = random.Random(seed)
    shared, own = (Wander(chance, each, noise.memory_s) for each in (noise.shared, noise.own))
    faster = 1.0

    def service_s(_number: int) -> float:
        now_s = anyio.current_time()
        log = shared.at(now_s) + own.at(now_s) + chance.gauss(0.0, noise.request)
        spike = noise.spike if chance.random() < noise.spikes else 1.0
        return ALONE_S * math.exp(log) * spike / faster

    engines = {"a": NumberEngine("a", service_s), "b": NumberEngine("b", lambda _: ALONE_S * SLOWER)}
    known = {"a": HostKnowledge(1 / ALONE_S), "b": HostKnowledge(1 / ALONE_S / SLOWER)}
    coordinator, work = Coordinator(engines, timeout_s=1e6), numbers(PROMPTS)

    async def run(strategy: str, hosts: list[str], by: float) -> Run:
        nonlocal faster
        faster = by
        how = find_strategy(strategy)
        return (await coordinator.run(strategy, how, work, hosts, cache_key="k", known=known)).run

    async def a_round(strategy: str, number: int) -> Round:
        made: dict[str, Run] = {}
        for part in (each for each in ORDERS[number % len(ORDERS)] if each != "alone"):
            alone = part == "baseline"
            made[part] = await (run(BASELINE, ["a"], 1.0) if alone else run(strategy, ["a", "b"], gain))
        return Round(made["baseline"], made["run"], made["baseline"])

    async def main() -> list[Comparison]:
        return [
            compare(each, ["a", "b"], [await a_round(each, number) for number in range(rounds)], best_alone=BEST)
            for each in STRATEGIES
        ]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def claims(seed: int, rounds: int, noise: Noise, gain: float) -> tuple[bool, bool, bool]:
    """Whether the set is said to outpace the host: under the first strategy by itself, under the best of three, and
    under that if it were taken for one that was not chosen.
    """
    found = session(seed, rounds, noise, gain)
    best = foremost(found)
    assert best is not None
    return outpaces(found[0]) is True, outpaces(best) is True, outpaces(ranked(found)[0]) is True


def shares(trials: int, each: Callable[[int], tuple[bool, ...]], pool: ProcessPoolExecutor) -> list[float]:
    """In which share of so many sessions each was claimed."""
    return [fmean(claimed) for claimed in zip(*pool.map(each, range(trials), chunksize=10), strict=True)]


def main(trials: int) -> None:
    """Print the table, a line as soon as it is known; sessions with a gain are a quarter as many."""
    print(f"{trials} sessions a line, {trials // 4} where there is a gain.\n")  # noqa: T201
    print("| noise | true gain | rounds | one strategy | the best of three | taken for one by itself |")  # noqa: T201
    print("|---|---|---|---|---|---|")  # noqa: T201
    worst = 0.0
    with ProcessPoolExecutor() as pool:
        for gain in GAINS:
            for name, noise in measured().items():
                for rounds in ROUNDS:
                    each = partial(claims, rounds=rounds, noise=noise, gain=gain)
                    found = shares(trials if gain == 1 else max(1, trials // 4), each, pool)
                    told = " | ".join(f"{share:.1%}" for share in found)
                    print(f"| as recorded, {name} | {gain:.2f} | {rounds} | {told} |", flush=True)  # noqa: T201
                    worst = max(worst, *found[:2]) if gain == 1 else worst
    print(f"\nClaimed where there is nothing: in {worst:.1%} of sessions at most.")  # noqa: T201
    sys.exit(1 if worst > 0.05 else 0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
