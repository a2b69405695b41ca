"""Where a pool stops scaling: ``tox -e study -- pool_scaling.py [MOST_HOSTS]``.

Pools from ten contributors to a hundred thousand, each with as many requests a second for each contributor, under rules
that look at two hosts or at all. Figures are of this machine, in CPU time; those of the link are reckoned.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import joblib

from outpace.dispatch.health import LONGEST_PAUSE_S
from outpace.simulation.pool.contributor import asked_for
from outpace.simulation.pool.played import Played, play
from outpace.simulation.pool.population import workload
from outpace.simulation.pool.scenario import Scenario, find
from outpace.simulation.pool.variations import variations

BENCH = Path(__file__).parents[2] / "bench"
SIZES = (10, 100, 1_000, 10_000, 100_000)
RULES = ("least-in-flight", "shortest-expected-wait")
"""Those that look at all hosts for each choice."""
CHOICES = 1_000
"""So many are enough to time them."""
FOR_S = 20.0
EVENT_BYTES = 300
"""What a token takes on the way to a coordinator, as Ollama and vLLM stream it."""
COLUMNS = (
    "hosts",
    "requests a second",
    "power-of-two chooses in",
    *(f"{rule} in" for rule in RULES),
    "coordinator under power-of-two",
    "memory",
    "pings a second to who is away",
    "link",
)


def sized(globe: Scenario, hosts: int, rule: str) -> Scenario:
    """The globe with so many contributors, and requests in proportion."""
    (found,) = variations(replace(globe, rule=rule, for_s=FOR_S), [f"size:{hosts}"])
    scenario: Scenario = found.scenario
    return scenario


def apart(scenario: Scenario) -> Played:
    """A play in a process of its own: memory that one has had would count for the next."""
    [found] = joblib.Parallel(n_jobs=2)([joblib.delayed(play)(scenario, 1)])
    joblib.externals.loky.get_reusable_executor().shutdown()
    played: Played = found
    return played


def choosing(played: Played, rate: float) -> str:
    """What a choice took, and what share of a core that is at ``rate`` choices a second."""
    choice_s = played.cost.choosing_s / played.cost.choices
    return f"{choice_s * 1e6:,.0f} µs ({choice_s * rate:.1%})"


def main(most: int) -> None:
    """Print a row for each size."""
    globe = find("globe", BENCH)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)  # noqa: T201
    for hosts in (each for each in SIZES if each <= most):
        scenario = sized(globe, hosts, "power-of-two")
        rate = scenario.arrivals.rate_per_s
        played = apart(scenario)
        work = workload(scenario, 1)
        bits = 8 * EVENT_BYTES * sum(asked_for(prompt.text)[1] for prompt in work.prompts)
        others = [apart(replace(sized(globe, hosts, rule), for_s=min(FOR_S, CHOICES / rate))) for rule in RULES]
        row = (
            f"{hosts:,}",
            f"{rate:,.0f}",
            choosing(played, rate),
            *(choosing(each, rate) for each in others),
            f"{played.cost.cpu_s / FOR_S:.1%} of a core",
            f"{played.cost.memory_mib:,.0f} MiB",
            f"{hosts * scenario.away / LONGEST_PAUSE_S:,.0f}",
            f"{bits / FOR_S / 1e6:,.3g} Mbit/s",
        )
        print(f"| {' | '.join(row)} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else SIZES[-1])
