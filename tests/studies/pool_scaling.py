"""Where a pool stops scaling: ``tox -e study -- pool_scaling.py [MOST_HOSTS]``.

Pools from ten contributors to a hundred thousand, each with as many requests a second for each contributor, under rules
that look at two hosts or at all, and the largest once more with ten coordinators. Figures are of this machine, in CPU
time; those of the link are reckoned. Draws ``docs/pictures/pool-scaling.png``, where the most is a hundred thousand.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import joblib
from matplotlib.figure import Figure

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
SEVERAL = 10
"""So many coordinators have the largest pool together."""
PICTURE = BENCH.parent / "docs" / "pictures" / "pool-scaling.png"
COLUMNS = (
    "hosts",
    "requests a second",
    "power-of-two chooses in",
    *(f"{rule} in" for rule in RULES),
    "a coordinator under power-of-two",
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


def choice_us(played: Played) -> float:
    """What a choice took."""
    return played.cost.choosing_s / played.cost.choices * 1e6


def row(globe: Scenario, hosts: int, coordinators: int, shares: dict[str, list[float]]) -> tuple[str, ...]:
    """A line of the table; ``shares`` get the shares of a core that each rule, and a coordinator, takes."""
    scenario = replace(sized(globe, hosts, "power-of-two"), coordinators=coordinators)
    rate = scenario.arrivals.rate_per_s
    played = apart(scenario)
    work = workload(scenario, 1)
    bits = 8 * EVENT_BYTES * sum(asked_for(prompt.text)[1] for prompt in work.prompts)
    ways = {"power-of-two": played}
    for rule in RULES:
        ways[rule] = apart(replace(scenario, rule=rule, for_s=min(FOR_S, CHOICES / rate)))
    told = []
    for rule, each in ways.items():
        shares.setdefault(f"{rule} chooses", []).append(choice_us(each) * rate / coordinators / 1e6)
        told.append(f"{choice_us(each):,.0f} µs ({choice_us(each) * rate / coordinators / 1e6:.1%})")
    share = played.cost.cpu_s / FOR_S / coordinators
    shares.setdefault("a coordinator under power-of-two", []).append(share)
    return (
        f"{hosts:,}" if coordinators == 1 else f"{hosts:,}, {coordinators} coordinators",
        f"{rate:,.0f}",
        *told,
        f"{share:.1%} of a core",
        f"{played.cost.memory_mib:,.0f} MiB",
        f"{hosts * scenario.away / LONGEST_PAUSE_S / coordinators:,.0f}",
        f"{bits / FOR_S / coordinators / 1e6:,.3g} Mbit/s",
    )


def draw(sizes: Sequence[int], shares: Mapping[str, Sequence[float]]) -> None:
    """The shares of a core by the number of hosts, of one coordinator."""
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for (name, found), marker in zip(shares.items(), "osD^", strict=True):
        axes.plot(sizes, found[: len(sizes)], marker=marker, label=name)
    axes.axhline(1.0, color="black", linewidth=0.8, linestyle="--")
    axes.annotate("one core", (sizes[0], 1.0), xytext=(0, 3), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="contributors, a request each ten seconds", ylabel="share of one core")
    axes.legend(frameon=False)
    figure.savefig(PICTURE, dpi=100)


def main(most: int) -> None:
    """Print a row for each size."""
    globe = find("globe", BENCH)
    sizes = [each for each in SIZES if each <= most]
    shares: dict[str, list[float]] = {}
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)  # noqa: T201
    for hosts, coordinators in (*((hosts, 1) for hosts in sizes), (sizes[-1], SEVERAL)):
        print(f"| {' | '.join(row(globe, hosts, coordinators, shares))} |", flush=True)  # noqa: T201
    if most >= SIZES[-1]:
        draw(sizes, shares)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else SIZES[-1])
