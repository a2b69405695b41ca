"""How far our rules are from the routers that they stand for: ``tox -e study -- fidelity.py [--rounds N]``.

Real routers in front of reference engines of known truth, as ``--router``, and our rule of the same definition over the
same engines in virtual time, where nothing but they takes any. Prints a table in Markdown. The engines are slow, so
that what this machine takes weighs little. ``--only nginx,haproxy`` names the routers; one that is not installed is
told.

Where chance decides, what is simulated gives each prompt to the machine that the router gave it to: so the time is held
against ours with few rounds. ``fidelity_chance.py`` holds the choices against ours, ``fidelity_embedded.py`` both over
real engines.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from accuracy import table
from outpace.dispatch import Strategy
from outpace.dispatch.strategies.rules import send_by
from outpace.ground.hosts import Host
from outpace.ground.records import Run
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload import arrivals
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, Workload, workload
from proxies import NEEDS_OLLAMA, RULES, program, running
from reference_engine import Truth
from reference_engine import running as engines
from reference_session import virtual_session

TRUTHS = {
    "laptop": Truth(tokens_per_s=40.0, prompt_ms=40.0, tokens=16),
    "desktop": Truth(tokens_per_s=18.75, prompt_ms=80.0, tokens=15),
}
"""0.44 s a prompt on the one, 0.88 s on the other. All prompts are alike: which of them begins a turn goes by what a
router was asked before, and would make the lengths of others' answers count. How many tokens an answer has tells
through any router which machine gave it."""
ANSWERED = {truth.tokens: name for name, truth in TRUTHS.items()}
WEIGHTS = (2, 1)
ARRIVING, RATE_PER_S = 40, 2.0
"""So many prompts, of Poisson arrivals at three fifths of what the two can do together."""
WORK = workload(DEFAULT_PROMPTS, Generation(max_tokens=64))


def compared(router: str, rule: str, rounds: int, *, arriving: bool) -> list[object]:
    """One row: what the router's rule took, what ours did, and how many prompts a round each gave to the machines."""
    asked, truths = RULES[router][rule], like_what_it_speaks_to(router)
    with engines(*truths.values()) as urls, running(router, rule, urls, WEIGHTS) as url:
        hosts = [Host(name, each) for name, each in zip(truths, urls, strict=True)]
        with (
            Session(Settings(hosts=hosts, routers=(Host(router, url),), workload=WORK)) as live,
            virtual_session(truths, workload=WORK) as virtual,
        ):
            theirs, ours = [], []
            for number in range(rounds):
                work = arriving_work(number) if arriving else None
                live.knock()
                theirs.append(ran(live, router, live.find_strategy(router), work))
                how = as_in(theirs[-1]) if asked.chance else virtual.find_strategy(asked.ours)
                ours.append(ran(virtual, asked.ours, how, work))
    figure = latency_ms if arriving else makespan_ms
    took, should = ([figure(run) for run in runs] for runs in (theirs, ours))
    shares = [" : ".join(f"{mean(given(run)[name] for run in runs):g}" for name in TRUTHS) for runs in (theirs, ours)]
    called = [f"{router}: {rule}", f"`{asked.ours}`"]
    if asked.chance:
        called, shares[1] = [f"{router}: {rule} (chance)", "as it chose"], ""
    return [*called, f"{fmean(took):,.0f} ms", f"{fmean(should):,.0f} ms", distance(took, should), *shares]


def like_what_it_speaks_to(router: str) -> dict[str, Truth]:
    """The two machines, as engines that ``router`` can speak to."""
    like: dict[str, Any] = (
        {"engine": "ollama", "model": "reference:latest"} if router in NEEDS_OLLAMA else {"engine": "vllm"}
    )
    return {name: replace(truth, **like) for name, truth in TRUTHS.items()}


def arriving_work(seed: int) -> Workload:
    """The prompts as they arrive."""
    return arrivals.arriving(WORK, arrivals.Arrivals("poisson", RATE_PER_S), seed=seed, requests=ARRIVING)


def ran(session: Session, name: str, how: Strategy, work: Workload | None = None) -> Run:
    """One run of what is called ``name``, a strategy or a router."""
    return session.runs.execute(name, how, session.hosts_of(name), work=work).run


def as_in(run: Run) -> Strategy:
    """The strategy that gives each prompt to the machine that answered it in ``run``."""
    chosen = {request.prompt: ANSWERED[request.output_tokens or 0] for request in run.requests}
    return send_by(lambda _: lambda prompt: chosen[prompt.index])


def given(run: Run) -> Counter[str]:
    """How many prompts each machine got."""
    return Counter(ANSWERED[request.output_tokens or 0] for request in run.requests)


def makespan_ms(run: Run) -> float:
    """Of a run in which everything was answered."""
    assert run.makespan_ms is not None, run.failed
    return run.makespan_ms


def latency_ms(run: Run) -> float:
    """The mean latency, from when prompts were due."""
    return fmean((each.start_ms or 0.0) + each.wall_ms - each.due_ms for each in run.requests)


def distance(took: Sequence[float], should: Sequence[float]) -> str:
    """How far the ones are from the others, round by round, with two standard errors."""
    ratios = [their / our for their, our in zip(took, should, strict=True)]
    return f"{fmean(ratios) - 1:+.1%} ± {2 * stdev(ratios) / math.sqrt(len(ratios)):.1%}"


def mean(counts: Iterable[int]) -> float:
    """Of counts, short."""
    return round(fmean(counts), 1)


def main() -> None:
    """Compare all rules of all routers that are installed."""
    parser = argparse.ArgumentParser(description="Our rules beside the routers that they stand for.")
    parser.add_argument("--rounds", type=int, default=6, help="a multiple of three, for turns by weights of 2 and 1")
    parser.add_argument("--arriving", action="store_true", help="let the prompts arrive instead of coming at once")
    parser.add_argument("--only", default=",".join(RULES), help="routers (%(default)s)")
    options = parser.parse_args()
    figure = "mean latency" if options.arriving else "makespan"
    head = ["router: its rule", "ours", f"its {figure}", "simulated", "distance", "its prompts", "simulated"]
    rows: list[list[object]] = []
    for router in installed(options.only):
        for rule in RULES[router]:
            rows.append(compared(router, rule, options.rounds, arriving=options.arriving))
            print(*rows[-1], sep=" | ", flush=True)  # noqa: T201
    what = f"{ARRIVING} prompts that arrive" if options.arriving else "Eight prompts at once"
    table(f"{what}, means of {options.rounds} rounds", head, rows)


def installed(asked: str) -> Iterator[str]:
    """Those of the routers ``asked`` for, with commas between, that are here; of the others it is said."""
    for router in asked.split(","):
        if program(router) is None:
            print(f"{router} is not installed", flush=True)  # noqa: T201
        else:
            yield router


if __name__ == "__main__":
    main()
