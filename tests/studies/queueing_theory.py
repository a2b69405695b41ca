"""Loads against queueing theory, and what a pause is to whom.

    tox -e study -- queueing_theory.py          in virtual time, minutes
    tox -e study -- queueing_theory.py live     over HTTP, on reference engines and the real clock, five minutes

The coordinator serves arrivals whose waits are held, one by one, against the recursion of one queue before all hosts;
that recursion over many queues side by side has as many requests as it takes to meet theory.
"""

from __future__ import annotations

import math
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean

import anyio

from outpace.ground.hosts import Host
from outpace.judge.load import figures
from outpace.judge.slo import parse_slo
from outpace.measure.load import Load, LoadMeasurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.arrivals import arriving, parse
from outpace.workload.prompts import Generation, workload
from queueing import coordinated, draws, mean_wait, mean_waits, waits
from reference.truth import Truth
from reference_engine import running
from virtual import NumberEngine, coordinate

LOADS = (0.3, 0.6, 0.9)
SERVED = 3_000
REQUESTS = 120_000
"""Of each of four thousand queues."""
LIVE_MS, LIVE_REQUESTS = 200.0, 400
RULES = ("pull", "least-in-flight", "random")


def against_theory(case: tuple[int, bool, float]) -> str:
    """One row: what theory says, what the recursion found, and how far the coordinator was from that at most."""
    servers, fixed, load = case
    due_s, work_s = draws(load, servers, SERVED, fixed=fixed)
    off = max(
        abs(one - other)
        for one, other in zip(coordinated(due_s, work_s, servers), waits(due_s, work_s, servers), strict=True)
    )
    found = mean_waits(load, servers, fixed=fixed, requests=REQUESTS)
    truth = mean_wait(load, servers, fixed=fixed)
    name = f"M/{'D' if fixed else 'M'}/{servers}"
    apart = 1.96 * found.std() / math.sqrt(found.size) / truth
    return (
        f"| {name} | {load} | {truth:.5f} | {found.mean():.5f} | {found.mean() / truth - 1:+.2%} ± {apart:.2%} "
        f"| {1e6 * off:.2f} µs |"
    )


def rules(case: tuple[int, bool]) -> str:
    """One row: the mean wait under each rule, at a load of 0.8."""
    hosts, fixed = case
    due_s, work_s = draws(0.8, hosts, 4 * SERVED, fixed=fixed)
    found = [fmean(coordinated(due_s, work_s, hosts, each)) for each in RULES]
    return f"| {hosts} | {'fixed' if fixed else 'exponential'} | " + " | ".join(f"{each:.3f}" for each in found) + " |"


def pause() -> str:
    """What an engine's pause of two seconds is from when requests were due, and from when they were sent."""

    async def pauses(_engine: NumberEngine, number: int, _now_s: float) -> None:
        if number == 200:
            await anyio.sleep(2.0)

    engine = NumberEngine("a", lambda _: 0.01, pauses)
    run = coordinate([engine], "pull", due_s=[0.1 * number for number in range(400)])[0].run
    told = figures(run, parse_slo("e2e:p99<1s"))
    sent_ms = sorted(each.wall_ms for each in run.requests)
    return (
        "400 requests, one each 0.1 s, to an engine that takes 10 ms and pauses once for 2 s: from the due time a mean "
        f"of {told.latencies['e2e_ms']['mean'].value:.0f} ms and a p99 of {told.at_objectives[0]:,.0f} ms; from "
        f"sending {fmean(sent_ms):.0f} ms and {sent_ms[int(0.99 * len(sent_ms))]:.0f} ms."
    )


def live(hosts: int) -> str:
    """One row: what answers of so many reference engines took on average at half their load, and theory's figures.

    They are of the queue, and of one queue that got the very requests that came.
    """
    prompts = workload([f"Count to {number}." for number in range(2, 8)], Generation(max_tokens=8))
    asked = f"poisson:{500 * hosts / LIVE_MS:g}/s"
    work = arriving(prompts, parse(asked), seed=7, requests=LIVE_REQUESTS * hosts)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(*hosts * [Truth(1000 / (LIVE_MS / 10), 2 * LIVE_MS / 10, tokens=8)]) as urls,
        Session(
            Settings(hosts=[Host(f"h{place}", url) for place, url in enumerate(urls)], workload=prompts)
        ) as session,
    ):
        measured = LoadMeasurement(session, "pull", Load(asked, work), report_dir=Path(folder))
        measured.prepare()
        measured.run()
        found = measured.figures()
    mean, truth = found.latencies["e2e_ms"]["mean"], LIVE_MS * (1 + mean_wait(0.5, hosts, fixed=True))
    told = f"{mean.value:.1f} ms ({mean.low:.1f} to {mean.high:.1f})"
    due_s = [each.due_ms / 1000 for each in measured.rounds[-1].requests]
    waited_s = waits(due_s, len(due_s) * [LIVE_MS / 1000], hosts)[found.warm_up :]
    exact = f"{LIVE_MS + 1000 * fmean(waited_s):.1f} ms"
    return f"| M/D/{hosts} | {found.requests:,} | {truth:.1f} ms | {told} | {exact} | {found.void or found.steady} |"


def main() -> None:
    """Print the tables of docs/load.md."""
    if sys.argv[1:] == ["live"]:
        print("| queue | requests | mean E2E in theory | found | of these very arrivals | |\n|---|--:|--:|--:|--:|---|")  # noqa: T201
        for hosts in (1, 2):
            print(live(hosts), flush=True)  # noqa: T201
        return
    with ProcessPoolExecutor() as workers:
        print(f"| queue | load | mean wait in theory | found | off | coordinator off the recursion, of {SERVED:,} |")  # noqa: T201
        print("|---|---:|---:|---:|---:|---:|")  # noqa: T201
        for row in workers.map(against_theory, product((1, 2, 10), (True, False), LOADS)):
            print(row, flush=True)  # noqa: T201
        print(f"\n| hosts | work | {' | '.join(RULES)} |\n|---:|---|---:|---:|---:|")  # noqa: T201
        for row in workers.map(rules, product((2, 10), (True, False))):
            print(row, flush=True)  # noqa: T201
    print(f"\n{pause()}")  # noqa: T201


if __name__ == "__main__":
    main()
