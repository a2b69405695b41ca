"""How far our rules are from the routers that they stand for: ``tox -e study -- fidelity.py [--rounds N]``.

Real routers in front of reference engines of known truth, or of real engines (``--embedded``), each beside our rule of
the same name, in turns on the same machines. Prints a table in Markdown. The engines are slow, so that what this
machine takes weighs little. ``--only nginx,haproxy`` names the routers; one that is not installed is told.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from statistics import fmean, stdev

from accuracy import table
from outpace.engines import embedded
from outpace.ground.hosts import Host
from outpace.ground.records import Run
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording.recording import Scene
from outpace.workload import arrivals
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from proxies import NEEDS_OLLAMA, RULES, program, running
from reference_engine import Truth
from reference_engine import running as engines

TRUTHS = {
    "laptop": Truth(tokens_per_s=40.0, prompt_ms=40.0, tokens=16),
    "desktop": Truth(tokens_per_s=18.75, prompt_ms=80.0, tokens=15),
}
"""0.44 s a prompt on the one, 0.88 s on the other. All prompts are alike: which of them begins a turn goes by what a
router was asked before, and would make the lengths of others' answers count. How many tokens an answer has tells
through any router which machine gave it."""
WEIGHTS = (2, 1)
ARRIVING, RATE_PER_S = 40, 2.0
"""So many prompts, of Poisson arrivals at three fifths of what the two can do together."""


def compared(hosts: Mapping[str, str], router: str, rule: str, rounds: int, *, arriving: bool) -> list[object]:
    """One row: what the router's rule and ours took, and how many prompts a round each gave to the machines."""
    asked = RULES[router][rule]
    with running(router, rule, list(hosts.values()), WEIGHTS) as url:
        settings = Settings(
            hosts=[Host(name, url) for name, url in hosts.items()],
            routers=(Host(router, url),),
            workload=workload(DEFAULT_PROMPTS, Generation(max_tokens=64)),
        )
        made: dict[str, list[Run]] = {router: [], asked.ours: []}
        with Session(settings) as session:
            for number in range(rounds):
                for strategy in (router, asked.ours) if number % 2 else (asked.ours, router):
                    session.knock()
                    made[strategy].append(one_run(session, strategy, number, arriving=arriving))
    figure = latency_ms if arriving else makespan_ms
    theirs, ours = ([figure(run) for run in runs] for runs in made.values())
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    off = 2 * stdev(ratios) / math.sqrt(rounds)
    by = {truth.tokens: name for name, truth in TRUTHS.items()} if hosts.keys() == TRUTHS.keys() else {}
    given = [
        Counter(by.get(request.output_tokens) for run in runs for request in run.requests) for runs in made.values()
    ]
    shares = [" : ".join(f"{round(each[name] / rounds, 1):g}" for name in by.values()) for each in given]
    how = f"{rule} (chance)" if asked.chance else rule
    took = (f"{fmean(theirs):,.0f} ms", f"{fmean(ours):,.0f} ms", f"{fmean(ratios) - 1:+.1%} ± {off:.1%}")
    return [f"{router}: {how}", f"`{asked.ours}`", *took, *shares]


@contextmanager
def machines(router: str, *, embedded_ones: bool) -> Iterator[dict[str, str]]:
    """Two machines that ``router`` can speak to, by name."""
    if embedded_ones:
        with embedded.running(2) as started:
            yield {engine.name: engine.url for engine in started}
        return
    like = {"engine": "ollama", "model": "reference:latest"} if router in NEEDS_OLLAMA else {"engine": "vllm"}
    with engines(*(replace(truth, **like) for truth in TRUTHS.values())) as urls:
        yield dict(zip(TRUTHS, urls, strict=True))


def one_run(session: Session, strategy: str, number: int, *, arriving: bool) -> Run:
    """The prompts all at once, or as they arrive, under one strategy or through the router."""
    if not arriving:
        return session.run(Scene(strategy, strategy, number)).run
    work = arrivals.arriving(
        session.settings.workload, arrivals.Arrivals("poisson", RATE_PER_S), seed=number, requests=ARRIVING
    )
    return session.runs.execute(strategy, session.find_strategy(strategy), session.hosts_of(strategy), work=work).run


def makespan_ms(run: Run) -> float:
    """Of a run in which everything was answered."""
    assert run.makespan_ms is not None, run.failed
    return run.makespan_ms


def latency_ms(run: Run) -> float:
    """The mean latency, from when prompts were due."""
    return fmean((each.start_ms or 0.0) + each.wall_ms - each.due_ms for each in run.requests)


def main() -> None:
    """Compare all rules of all routers that are installed."""
    parser = argparse.ArgumentParser(description="Our rules beside the routers that they stand for.")
    parser.add_argument("--rounds", type=int, default=6, help="a multiple of three, for turns by weights of 2 and 1")
    parser.add_argument("--arriving", action="store_true", help="let the prompts arrive instead of coming at once")
    parser.add_argument("--only", default=",".join(RULES), help="routers (%(default)s)")
    parser.add_argument("--embedded", action="store_true", help="over two real engines on this machine")
    options = parser.parse_args()
    figure = "mean latency" if options.arriving else "makespan"
    head = ["router: its rule", "ours", f"its {figure}", "ours", "distance", "its prompts", "ours"]
    rows: list[list[object]] = []
    with ExitStack() as stack:
        for router in options.only.split(","):
            if program(router) is None:
                print(f"{router} is not installed", flush=True)  # noqa: T201
                continue
            hosts = stack.enter_context(machines(router, embedded_ones=options.embedded))
            for rule in RULES[router]:
                rows.append(compared(hosts, router, rule, options.rounds, arriving=options.arriving))
                print(*rows[-1], sep=" | ", flush=True)  # noqa: T201
    what = f"{ARRIVING} prompts that arrive" if options.arriving else "Eight prompts at once"
    table(f"{what}, means of {options.rounds} rounds", head, rows)


if __name__ == "__main__":
    main()
