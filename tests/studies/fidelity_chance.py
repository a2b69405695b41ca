"""How real routers choose where chance has a part: ``tox -e study -- fidelity_chance.py [--bursts N]``.

Bursts of eight prompts through each router, over two reference engines of which one is twice as fast as the other;
what its choices come to is reckoned, without what this machine takes, and held against our rule of the same definition
in virtual time over thousands of bursts. Prints a table in Markdown. ``--only haproxy`` names the routers.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean, stdev
from unittest.mock import patch

from accuracy import table
from fidelity import TRUTHS, WEIGHTS, given, installed, makespan_ms, ran
from outpace.dispatch.strategies import rules
from outpace.ground.hosts import Host
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, Workload, workload
from proxies import RULES, Rule, running
from reference_engine import running as engines
from reference_session import virtual_session

FASTER = 4.0
"""So much faster than where time is measured, as here choices alone count: 0.11 s a prompt, and 0.22 s."""
QUICK = {
    name: replace(truth, engine="vllm", tokens_per_s=truth.tokens_per_s * FASTER, prompt_ms=truth.prompt_ms / FASTER)
    for name, truth in TRUTHS.items()
}
FAST = "laptop"
WORK = workload(DEFAULT_PROMPTS, Generation(max_tokens=64))
LEARNING = 6
"""Of a rule that learns so many bursts from its beginning on are one sample."""
SIMULATED, SEEDS = 2_000, 50
"""Bursts of ours; and samples of one that learns."""
ONE_BY_ONE = Workload(
    tuple(replace(prompt, due_ms=10_000.0 * prompt.index) for prompt in WORK.prompts), WORK.generation
)
"""As a session warms a router up: a rule that learns has learned from that."""

Sample = Sequence[int]
"""How many prompts the fast machine got, a burst; of bursts that follow from each other there are several."""


def theirs(router: str, rule: str, bursts: int, pause_s: float) -> list[Sample]:
    """What the router did; its first answers, which take it longer than all later ones, are left out."""
    asked = RULES[router][rule]
    names = [f"memory-{number}" for number in range(bursts // LEARNING + 1)] if asked.learns else []
    with engines(*QUICK.values()) as urls, running(router, rule, urls, WEIGHTS, names) as url:
        hosts = [Host(name, each) for name, each in zip(QUICK, urls, strict=True)]
        settings = Settings(hosts=hosts, routers=(Host(router, url),), workload=WORK)
        found = []
        for name in names or [None]:
            model = f"{router}={name}" if name else None
            with Session(replace(settings, model=model)) as session:
                count = LEARNING if name else bursts + 1
                found.append(list(chosen(session, router, count, pause_s)))
    return found[1:] if names else [[count] for count in found[0][1:]]


def ours(asked: Rule) -> list[Sample]:
    """What our rule does in virtual time."""
    found = []
    for seed in range(SEEDS if asked.learns else 1):
        with patch.object(rules, "SEED", seed), virtual_session(QUICK, workload=WORK) as session:
            ran(session, asked.ours, session.find_strategy(asked.ours), ONE_BY_ONE)
            found.append(list(chosen(session, asked.ours, LEARNING if asked.learns else SIMULATED)))
    return found if asked.learns else [[count] for count in found[0]]


def chosen(session: Session, name: str, bursts: int, pause_s: float = 0.0) -> Iterator[int]:
    """How many prompts of each burst the fast machine gets."""
    for _ in range(bursts):
        time.sleep(pause_s)
        yield given(ran(session, name, session.find_strategy(name)))[FAST]


@cache
def takes_ms(to_fast: int) -> float:
    """What a burst takes of which the fast machine gets so many."""
    how = rules.send_by(lambda _: lambda prompt: FAST if prompt.index < to_fast else "desktop")
    with virtual_session(QUICK, workload=WORK) as session:
        return makespan_ms(ran(session, "pull", how))


def of_all(samples: Sequence[Sample], figure: Callable[[int], float]) -> tuple[float, float]:
    """The mean of a figure of bursts, and two standard errors."""
    each = [fmean(map(figure, sample)) for sample in samples]
    return fmean(each), 2 * stdev(each) / math.sqrt(len(each))


def compared(router: str, rule: str, bursts: int, pause_s: float) -> list[object]:
    """One row."""
    asked = RULES[router][rule]
    their, our = theirs(router, rule, bursts, pause_s), ours(asked)
    (to_fast, off), (simulated, _) = of_all(their, int), of_all(our, int)
    (took, took_off), (should, should_off) = of_all(their, takes_ms), of_all(our, takes_ms)
    away = f"{took / should - 1:+.1%} ± {math.hypot(took_off, should_off) / should:.1%}"
    whole = f"{fmean(count in (0, 8) for sample in their for count in sample):.0%}"
    return [
        f"{router}: {rule}" + (f", {pause_s:g} s apart" if pause_s else ""),
        f"`{asked.ours}`",
        sum(map(len, their)),
        f"{to_fast:.2f} ± {off:.2f}",
        f"{simulated:.2f}",
        whole,
        f"{took:,.0f} ms",
        f"{should:,.0f} ms",
        away,
    ]


def main() -> None:
    """Compare all rules of chance of all routers that are installed."""
    parser = argparse.ArgumentParser(description="How routers choose where chance has a part, and how our rules do.")
    parser.add_argument("--bursts", type=int, default=120, help="of each rule (%(default)s)")
    parser.add_argument("--pause", type=float, default=0.0, metavar="S", help="so many seconds before each burst")
    parser.add_argument("--only", default=",".join(RULES), help="routers (%(default)s)")
    parser.add_argument("--rule", help="this rule alone, by the router's own name of it")
    options = parser.parse_args()
    head = ["router: its rule", "ours", "bursts", "of 8 to the fast one", "ours", "whole to one", "comes to", "ours"]
    rows = []
    for router in installed(options.only):
        for rule, asked in RULES[router].items():
            if asked.chance and options.rule in (None, rule):
                rows.append(compared(router, rule, options.bursts, options.pause))
                print(*rows[-1], sep=" | ", flush=True)  # noqa: T201
    table("Choices", [*head, "distance"], rows)


if __name__ == "__main__":
    main()
