"""How near simulated pools come to live ones: ``tox -e study -- pool_validation.py churn|embedded RUNS``.

``churn``: fifty reference engines come and go on this machine, and requests arrive under each of three rules; the same
scenario is simulated by the same seeds. Takes 70 s for each run and rule.

``embedded``: requests arrive at the two embedded engines, which were recorded before; the recording is replayed with
the same requests, and a pool of two that are like its hosts is simulated. Takes a minute a run and rule, and one more.

Prints a table, and keeps the figures where ``outpace pool`` finds them, to tell them beside each of its answers.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pool_embedded
from outpace.ground.records import Run
from outpace.judge import load
from outpace.judge.load import LoadFigures
from outpace.judge.slo import parse_slo
from outpace.simulation.pool import validation
from outpace.simulation.pool.played import Played, play
from outpace.simulation.pool.scenario import read
from outpace.simulation.pool.validation import Held, Study
from pool_live import live

FIFTY = """\
title = "fifty reference engines"
rule = "power-of-two"
slo = "ttft:p95<3s"
timeout_s = 10
[arrivals]
requests = "poisson:12/s"
for = "60s"
[lengths]
prompt_tokens = 60
output_tokens = { lognormal = { median = 15, sigma = 0.5 }, most = 60 }
[[hosts]]
name = "h"
count = 50
tokens_per_s = { lognormal = { median = 15, sigma = 0.4 } }
prompt_tokens_per_s = 600
round_trip_ms = { lognormal = { median = 20, sigma = 0.5 } }
slots = 2
throughput = { 1 = 1.0, 2 = 1.5 }
[hosts.churn]
on_s = { exponential = 20 }
off_s = { exponential = 10 }
"""
RULES = ("power-of-two", "shortest-expected-wait", "pull")
HELD = parse_slo("ttft:p50<3s,ttft:p90<3s,ttft:p95<3s,e2e:p50<1000s,e2e:p90<1000s,e2e:p95<1000s")
"""These quantiles, as they are in the requests of a run; goodput is what had its first token within three seconds."""
COLUMNS = ("rule", "figure", "live", "simulated", "error of the median", "worst run")

Figures = Mapping[str, float]
Pair = tuple[Figures, Figures]
"""Of one run: live, simulated."""


def figures_of(found: LoadFigures, attempts: float) -> dict[str, float]:
    """What is compared: latencies in ms, goodput a second, attempts a request."""
    told = {
        f"{one.figure}_p{100 * one.quantile:.0f}_ms": value or 0.0
        for one, value in zip(HELD, found.at_objectives, strict=True)
    }
    return told | {"goodput_per_s": found.goodput_per_s or 0.0, "attempts_per_request": attempts}


def of_run(run: Run, what: str) -> Figures:
    """The same of a run; where it tells nothing of its hosts, that is said."""
    seen = load.figures(run, HELD)
    if seen.void is not None:
        print(f"{what}: {seen.void}", file=sys.stderr)  # noqa: T201
    return figures_of(seen, sum(each.attempts for each in run.requests) / len(run.requests))


def of_play(played: Played) -> Figures:
    """The same of a simulated pool."""
    return figures_of(played.load, played.attempts / (played.answered + played.failed))


def with_churn(seeds: Sequence[int]) -> Study:
    """The fifty that come and go."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fifty.toml"
        path.write_text(FIFTY, encoding="utf-8")
        fifty = replace(read(path), slo=HELD)
    found: dict[str, list[Pair]] = {rule: [] for rule in RULES}
    for seed in seeds:
        for rule, pairs in found.items():
            scenario = replace(fifty, rule=rule)
            ours = of_run(live(scenario, seed), f"{rule}, run {seed}")
            pairs.append((ours, of_play(play(scenario, seed))))
    return study("fifty reference engines that come and go", "churn", found)


def embedded(seeds: Sequence[int]) -> Study:
    """The embedded engines; their replay is printed and not kept, as pools are not replayed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.json"
        rate, runs = pool_embedded.recorded_and_live(path, RULES, seeds)
        again = pool_embedded.replayed(path, rate, RULES, seeds)
        pools = pool_embedded.pooled(path, rate, RULES, seeds, HELD)
    replays, found = {}, {}
    for rule in RULES:
        ours = [of_run(run, f"{rule}, run {seed}") for run, seed in zip(runs[rule], seeds, strict=True)]
        theirs = [of_run(run, f"{rule}, replay {seed}") for run, seed in zip(again[rule], seeds, strict=True)]
        replays[rule] = list(zip(ours, theirs, strict=True))
        found[rule] = list(zip(ours, map(of_play, pools[rule]), strict=True))
    show(study(f"two embedded engines, {rate:.2f} requests a second, replayed", "embedded", replays))
    return study("two embedded engines under arrivals", "embedded", found)


def study(measured: str, part: str, found: Mapping[str, Sequence[Pair]]) -> Study:
    """What the pairs of each rule come to."""
    runs = len(next(iter(found.values())))
    held = tuple(held_of(rule, name, pairs) for rule, pairs in found.items() for name in pairs[0][0])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Study(measured, f"tox -e study -- pool_validation.py {part} {runs}", now, runs, held)


def held_of(rule: str, name: str, pairs: Sequence[Pair]) -> Held:
    """How far one figure was from the live one."""
    ours, theirs = (median(pair[place][name] for pair in pairs) for place in (0, 1))
    worst = max((pair[1][name] / pair[0][name] - 1 for pair in pairs), key=abs)
    return Held(rule, name, *(float(f"{each:.4g}") for each in (ours, theirs, theirs / ours - 1, worst)))


def show(found: Study) -> None:
    """Print its table."""
    print(f"\n{found.measured}, {found.runs} runs a rule\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")  # noqa: T201
    for each in found.held:
        figures = f"{each.live:,.4g} | {each.simulated:,.4g} | {each.error:+.1%} | {each.worst:+.1%}"
        print(f"| {each.rule} | {each.figure} | {figures} |", flush=True)  # noqa: T201


def main(part: str, runs: int) -> None:
    """Measure, print and keep one part."""
    found = {"churn": with_churn, "embedded": embedded}[part](range(1, runs + 1))
    show(found)
    validation.keep(found, validation.studies() if validation.PATH.exists() else ())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
