"""How near --rate=find comes to a rate that is known, and how often it claims a gain where there is none.

    tox -e study -- rate_search.py          in virtual time, minutes
    tox -e study -- rate_search.py live     over HTTP, on a reference engine and the real clock, six minutes

A host takes one request at a time and as long for each: an M/D/1 queue, whose waits theory knows (A. K. Erlang, 1909).
Requests come by chance, to a coordinator as it is measured live, under ``pull``.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from outpace.dispatch import Coordinator, find_strategy
from outpace.dispatch.ledger import Brake
from outpace.ground.hosts import Host
from outpace.ground.records import Run
from outpace.judge.slo import parse_slo
from outpace.judge.sustainable import Rate, Search, rate_gain
from outpace.judge.under_way import START_SHARE
from outpace.measure.load import BEST_ALONE
from outpace.measure.rate_search import RUNS, RUNS_ASKED, TRIALS, RateAsked, RateSearch, try_rate
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.arrivals import parse_kind
from outpace.workload.prompts import Generation, workload
from reference.truth import Truth
from reference_engine import running
from virtual import NumberEngine, numbers, run_virtually

SERVICE_S = 1.0
LIMIT = 4.0
"""Times the service time, within which so large a share of requests is to be answered:"""
QUANTILE = 0.95
SESSIONS = 300
SIZES = ((200, 0.1, RUNS, 60), (2000, 0.02, RUNS, 60), (2000, 0.03, RUNS_ASKED, 30))
"""Requests of a run, within which share a search ends, after how many runs, and how many searches are made: as it is
live, in a replay, and in one that was asked for 3 %."""
LIVE_MS, LIVE_LIMIT, LIVE_QUANTILE, LIVE_REQUESTS = 60.0, 2.0, 0.5, 500
"""What a request takes live, in how many times as long half of them are to be answered (of all that could be promised,
as many requests tell most of that), and requests of a run."""


def kept_at(load: float, limit: float = LIMIT) -> float:
    """The share of requests that take less than ``limit`` service times at such a load."""
    waits = limit - 1
    parts = range(int(waits) + 1)
    return (1 - load) * sum(
        (-load * (waits - k)) ** k / math.factorial(k) * math.exp(load * (waits - k)) for k in parts
    )


def load_that_keeps(quantile: float, limit: float = LIMIT) -> float:
    """The load at which exactly that share does, by bisection."""
    low, high = 0.0, 0.999
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if kept_at(middle, limit) > quantile else (low, middle)
    return low


OBJECTIVES = parse_slo(f"e2e:p{100 * QUANTILE:g}<{LIMIT * SERVICE_S:g}s")
TRUTH_PER_S = load_that_keeps(QUANTILE) / SERVICE_S


def run_at(rate: float, turn: int, brake: Brake, *, seed: int, requests: int) -> Run:
    """One run over one host; the same ``seed`` and turn give the same arrivals, but for their rate."""
    chance = random.Random(1000 * seed + turn)
    due_s = list(accumulate(chance.expovariate(rate) for _ in range(requests)))

    async def main() -> Run:
        engines: dict[str, Any] = {"a": NumberEngine("a", lambda _: SERVICE_S)}
        coordinator = Coordinator(engines, timeout_s=1e6)
        work, strategy = numbers(0, due_s), find_strategy("pull")
        return (await coordinator.run("pull", strategy, work, ["a"], cache_key="k", brake=brake)).run

    return run_virtually(main)


@dataclass(frozen=True)
class Found:
    """What a search came to, by how many requests in how many runs."""

    rate: Rate
    requests: int
    runs: int


def search(seed: int, requests: int, within: float, runs: int) -> Found:
    """One whole search, from as far from the truth as a sweep would begin."""
    found = Search(OBJECTIVES, 0.7 / SERVICE_S, within, runs * requests, TRIALS * runs)
    how = partial(run_at, seed=seed, requests=requests)
    while (rate := found.next_rate) is not None:
        found.note(try_rate(rate, len(found.trials), OBJECTIVES, how).trial)
    return Found(found.found, sum(each.look.requests for each in found.trials), len(found.trials))


def answer_at_the_truth(seed: int) -> str:
    """What one run of a thousand requests answers at the very rate at which the SLO is just kept."""
    requests = 1000 * START_SHARE // (START_SHARE - 1)
    how = partial(run_at, seed=seed, requests=requests)
    return try_rate(TRUTH_PER_S, 0, OBJECTIVES, how).trial.look.answer


def session(seed: int) -> bool:
    """Whether a session claims a gain of a set that is no more than the host alone: the same search, other requests."""
    ours, alone = (search(seed + apart, *SIZES[0][:3]).rate for apart in (0, 500_000))
    gain = rate_gain(ours, alone)
    return gain is not None and gain.low > 1


def errors(found: Sequence[Found]) -> str:
    """How far searches were off, and whether their intervals hold the truth."""
    off = [each.rate.value / TRUTH_PER_S - 1 for each in found]
    root = math.sqrt(sum(each * each for each in off) / len(off))
    held = sum(each.rate.low <= TRUTH_PER_S <= (each.rate.high or math.inf) for each in found)
    width = sum(math.log((each.rate.high or math.inf) / each.rate.low) for each in found if each.rate.low) / len(found)
    near = sum(abs(each) <= 0.03 for each in off)
    spent = sum(each.requests for each in found) / len(found)
    runs = sum(each.runs for each in found) / len(found)
    return (
        f"off by {root:.1%} (root mean square), {near} of {len(found)} within 3 %, interval {width / 2:.1%} to either "
        f"side holds it in {held} of {len(found)}; {spent:,.0f} requests in {runs:.1f} runs"
    )


def live() -> None:
    """A search over HTTP and the real clock, on an engine that takes ``LIVE_MS`` a request, one at a time.

    What a request takes is what the engine does, and what the sweep found with one in flight, the way to it included.
    """
    slo = f"e2e:p{100 * LIVE_QUANTILE:g}<{LIVE_LIMIT * LIVE_MS / 1000:g}s"
    prompts = workload([f"Count to {number}." for number in range(2, 8)], Generation(max_tokens=8))
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Truth(8000 / (0.8 * LIVE_MS), 0.2 * LIVE_MS, tokens=8)) as (url,),
        Session(Settings(hosts=[Host("a", url)], workload=prompts)) as measured,
    ):
        kind = parse_kind("poisson", LIVE_REQUESTS)
        asked = RateAsked(kind, "poisson", parse_slo(slo), LIVE_REQUESTS, 0.02)
        search = RateSearch(measured, (), asked, report_dir=Path(folder))
        search.run()
        alone_ms = measured.knowledge.capacities["a"].levels[0].mean_ms
    (subject,), rate = search.subjects, search.found(BEST_ALONE)
    sent = sum(each.trial.look.requests for each in subject.made)
    took_s = sum(each.makespan_ms for each in subject.made) / 1000
    known = [60_000 / ms * load_that_keeps(LIVE_QUANTILE, LIVE_LIMIT) for ms in (LIVE_MS, alone_ms)]
    off = [f"{60 * rate.value / truth - 1:+.1%}" for truth in known]
    print(  # noqa: T201
        f"{60 * rate.value:.0f} a minute ({60 * rate.low:.0f} to {60 * (rate.high or math.inf):.0f}); known "
        f"{known[0]:.0f}, off by {off[0]}; with {alone_ms:.1f} ms a request {known[1]:.0f}, off by {off[1]}; "
        f"{sent:,} requests in {len(subject.made)} runs, {took_s:.0f} s"
    )


def main() -> None:
    """Print what was found."""
    if sys.argv[1:] == ["live"]:
        live()
        return
    print(  # noqa: T201
        f"{100 * QUANTILE:g} % within {LIMIT:g} service times are kept up to a load of {TRUTH_PER_S * SERVICE_S:.4f}."
    )
    with ProcessPoolExecutor() as workers:
        told = Counter(workers.map(answer_at_the_truth, range(400), chunksize=10))
        print(  # noqa: T201
            f"1,000 requests at that load are called {', '.join(f'{each} {n / 4:.1f} %' for each, n in told.items())}."
        )
        for requests, within, runs, searches in SIZES:
            seeds = range(10, 10 + searches)
            found = list(workers.map(partial(search, requests=requests, within=within, runs=runs), seeds))
            print(f"Runs of {requests:,} at most, {runs} of them, within {within:.0%}: {errors(found)}.")  # noqa: T201
        claimed = sum(workers.map(session, range(1000, 1000 + SESSIONS), chunksize=5))
        print(f"A/A: a rate gain is claimed in {claimed} of {SESSIONS} sessions ({claimed / SESSIONS:.1%}).")  # noqa: T201


if __name__ == "__main__":
    main()
