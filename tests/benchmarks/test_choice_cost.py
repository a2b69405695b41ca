"""What it costs to choose a host, as hosts grow from 2 to 10,000: ms of the coordinator's time a prompt.

Hosts answer at once in virtual time, so what is measured is the coordinator and the strategy alone. The figures are in
the benchmark's extra info, and nothing is asserted of them; ``over_all_parallel`` is the ratio to the strategy that
chooses nothing, within one run.
"""

from __future__ import annotations

import time
from functools import cache

import pytest

from outpace.dispatch import Coordinator, HostKnowledge, find_strategy
from virtual import NumberEngine, numbers, run_virtually

pytestmark = pytest.mark.quiet


def seconds(strategy: str, hosts: int, prompts: int) -> float:
    """Processor time of a run of ``prompts`` prompts over ``hosts`` hosts."""
    engines = {f"h{index}": NumberEngine(f"h{index}", tokens=lambda _: 32) for index in range(hosts)}
    known = {name: HostKnowledge(32.0) for name in engines}
    coordinator = Coordinator(engines, timeout_s=1e6)
    work = numbers(prompts)

    async def main() -> float:
        began = time.process_time()
        await coordinator.run(strategy, find_strategy(strategy), work, list(engines), cache_key="k", known=known)
        return time.process_time() - began

    return float(run_virtually(main))


@cache
def nothing_chosen_s(hosts: int, prompts: int) -> float:
    return seconds("all-parallel", hosts, prompts)


@pytest.mark.benchmark(group="choice of a host")
@pytest.mark.parametrize("hosts", [2, 10, 100, 1_000, 10_000], ids=str)
@pytest.mark.parametrize("strategy", ["weighted", "pull", "earliest-finish", "capacity-aware", "hedged"])
def test_what_a_choice_costs(strategy: str, hosts: int, benchmark) -> None:
    prompts = 1_000 if hosts <= 1_000 else 100  # some look at all hosts for each prompt
    nothing_s = nothing_chosen_s(hosts, prompts)
    took_s = benchmark.pedantic(seconds, (strategy, hosts, prompts), rounds=1)
    benchmark.extra_info["ms_a_prompt"] = round(took_s / prompts * 1000, 3)
    benchmark.extra_info["over_all_parallel"] = round(took_s / nothing_s, 2)
