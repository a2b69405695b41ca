"""How near to the optimum strategies come on hosts of known speed: ``tox -e study -- grid.py`` prints the whole table.

Hosts serve one prompt at a time in virtual time; what they and the prompts take is known exactly, and so is the bound.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from outpace.dispatch import Coordinator, HostKnowledge, find_strategy
from outpace.judge.bounds import Machine, lower_bound_ms
from outpace.workload.prompts import Prompt
from virtual import NumberEngine, numbers, run_virtually

LENGTHS: dict[str, Callable[[random.Random], float]] = {
    "equal": lambda _: 32.0,
    "1 to 4": lambda chance: chance.uniform(16.0, 64.0),
    "lognormal": lambda chance: 32.0 * chance.lognormvariate(0.0, 0.6),
}
HOSTS = (2, 4, 8, 16, 64)
PROMPTS = (8, 16, 64, 256, 1000)
FASTEST = 40.0
"""Work a second; the slowest host does a tenth of it."""


@dataclass(frozen=True)
class Cell:
    hosts: int
    prompts: int
    lengths: str
    seed: int = 0

    @property
    def speeds(self) -> list[float]:
        """Fastest first: 40 and 4 work a second, and whatever chance puts in between."""
        chance = random.Random(self.seed + 1000 * self.hosts)
        others = [chance.uniform(FASTEST / 10, FASTEST) for _ in range(self.hosts - 2)]
        return sorted([FASTEST, FASTEST / 10, *others], reverse=True)

    @property
    def works(self) -> list[float]:
        chance = random.Random(self.seed + 7 * self.prompts)
        return [LENGTHS[self.lengths](chance) for _ in range(self.prompts)]


@cache
def bound_ms(cell: Cell) -> float:
    return lower_bound_ms(cell.works, [Machine(speed / 1000) for speed in cell.speeds])


def efficiency(
    strategy: str, cell: Cell, guess: Callable[[Prompt, float], float] | None = lambda _, work: work
) -> float:
    """Lower bound / makespan; ``guess`` makes of a prompt and its work what is expected, None expects nothing."""
    works, speeds = cell.works, cell.speeds
    engines: dict[str, Any] = {
        f"h{index}": NumberEngine(
            f"h{index}",
            lambda n, speed=speed: works[n] / speed,  # type: ignore[misc]
            tokens=lambda n: round(works[n]),
        )
        for index, speed in enumerate(speeds)
    }
    known = {name: HostKnowledge(speed) for name, speed in zip(engines, speeds, strict=True)}

    async def main() -> float:
        outcome = await Coordinator(engines, timeout_s=1e6).run(
            strategy,
            find_strategy(strategy),
            numbers(cell.prompts),
            list(engines),
            cache_key="k",
            known=known,
            guess=lambda prompt: guess(prompt, works[prompt.index]) if guess else None,
        )
        assert not outcome.run.failed
        return float(outcome.run.makespan_ms)

    makespan_ms = run_virtually(main)
    return bound_ms(cell) / makespan_ms


def cells() -> Iterator[Cell]:
    for hosts in HOSTS:
        for prompts in PROMPTS:
            for lengths in LENGTHS:
                yield Cell(hosts, prompts, lengths)


def main(strategies: list[str]) -> None:
    for strategy in strategies:
        print(f"\n{strategy}: lower bound / makespan, of equal, 1-to-4 and lognormal lengths")  # noqa: T201
        print("hosts  " + "".join(f"{prompts:>5} prompts     " for prompts in PROMPTS))  # noqa: T201
        for hosts in HOSTS:
            row = [[efficiency(strategy, Cell(hosts, prompts, each)) for each in LENGTHS] for prompts in PROMPTS]
            print(f"{hosts:>5}  " + "  ".join(" ".join(f"{each:.3f}" for each in found) for found in row))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:] or ["weighted", "pull", "earliest-finish", "hedged"])
