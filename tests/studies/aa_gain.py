"""How often a set is said to outpace its best machine where the others add nothing: ``tox -e study -- aa_gain.py``.

A host answers one prompt after another, and its pace wanders as that of recorded machines did (noise.py), in virtual
time. Three strategies know better than to send anything to the other hosts, so that the true set gain of each is 1;
then their answers are made quicker by a few percent, which is a gain. Each is measured in rounds beside the best
alone, and what is claimed is what the first sentence of a session says: of one strategy by itself, and of the best of
three.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from statistics import fmean

from aa import ALONE_S, PROMPTS, Wander, kinds
from noise import Noise
from outpace.ground.records import BASELINE, BestAlone, Round, Run
from outpace.judge.comparison import Comparison, compare
from outpace.judge.ranking import foremost, ranked
from outpace.measure.measurement import ORDERS
from outpace.report.strategies import outpaces

STRATEGIES = ("earliest-finish", "weighted", "hedged")
ROUNDS = (5, 10, 20)
GAINS = (1.0, 1.02, 1.05, 1.1, 1.2)
CLAIMED = ("one strategy", "the best of three", "not allowed for")


def session(seed: int, rounds: int, noise: Noise, gain: float) -> list[Comparison]:
    """Each strategy, measured in so many rounds, one after another; each answers ``gain`` times as fast as the host."""
    chance = random.Random(seed)
    shared, own = (Wander(chance, each, noise.memory_s) for each in (noise.shared, noise.own))
    now_s = 0.0

    def run(strategy: str, faster: float) -> Run:
        nonlocal now_s
        began_s = now_s
        for _ in range(PROMPTS):
            log = shared.at(now_s) + own.at(now_s) + chance.gauss(0.0, noise.request)
            spike = noise.spike if chance.random() < noise.spikes else 1.0
            now_s += ALONE_S * math.exp(log) * spike / faster
        return Run(strategy, ("a",), (now_s - began_s) * 1000, ())

    def a_round(strategy: str, number: int) -> Round:
        made = {
            part: run(BASELINE, 1.0) if part == "baseline" else run(strategy, gain)
            for part in ORDERS[number % len(ORDERS)]
            if part != "alone"
        }
        return Round(made["baseline"], made["run"], made["baseline"])

    return [
        compare(each, ["a"], [a_round(each, number) for number in range(rounds)], best_alone=BestAlone("a", 1))
        for each in STRATEGIES
    ]


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
    """Print how often it is claimed where there is nothing, and how often what is there is found."""
    head = [f"{what}: {rounds}" for what in CLAIMED for rounds in ROUNDS]
    worst = 0.0
    print("| noise | true gain | " + " | ".join(head) + " |\n|---|---" + "|---" * len(head) + "|")  # noqa: T201
    with ProcessPoolExecutor() as pool:
        for gain, (name, noise) in product(GAINS, kinds().items()):
            each = partial(claims, noise=noise, gain=gain)
            found = list(zip(*(shares(trials, partial(each, rounds=rounds), pool) for rounds in ROUNDS), strict=True))
            told = " | ".join(f"{share:.1%}" for by_rounds in found for share in by_rounds)
            print(f"| {name} | {gain:.2f} | {told} |", flush=True)  # noqa: T201
            if gain == 1 and name.startswith("as recorded"):
                worst = max(worst, *found[0], *found[1])
    print(f"\nClaimed where there is nothing, with noise as recorded: in {worst:.1%} of sessions at most.")  # noqa: T201
    sys.exit(1 if worst > 0.05 else 0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
