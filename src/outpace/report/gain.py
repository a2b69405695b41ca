"""What each part brings: from one host, one request after another, to a host at its best, to the whole set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from outpace.judge.stats import Interval, rounds_interval
from outpace.report.blocks import LONG, NUMBER, TEXT, Table
from outpace.report.story import Story
from outpace.report.strategies import spread
from outpace.report.words import Foreign, Words, at_once, counted, ms, times


@dataclass(frozen=True)
class Step:
    """One way to do the workload, and its median makespan; ``brings`` says what makes it faster than the step before.

    ``faster`` is by how much, and ``by_round`` in each round; the first step has neither.
    """

    name: Words
    makespan_ms: float
    brings: str = ""
    faster: Interval | None = None
    by_round: Sequence[float] = ()


def steps_of(story: Story) -> list[Step]:
    """The steps to the best strategy; none where makespans are not told."""
    best = story.best
    if best is None:
        return []
    document = next(each for each in story.documents if each["strategy"] == best.strategy)
    told = "set_gain" if best.best_alone else "overhead_ratio"
    rounds = [each for each in document["rounds"] if each[told]]
    baselines = [each["baseline"]["makespan_ms"] for each in rounds]
    runs = [each["run"]["makespan_ms"] for each in rounds]
    if not rounds or not all(baselines) or not all(runs):
        return []
    steps = [Step((best.baseline_host, " one after another"), median(baselines))]
    before, brings, faster = baselines, "batching, and the other machines", best.ratio and best.ratio.inverse
    if alone := best.best_alone:
        brings, faster = "the other machines", best.gain
        at_best = (Foreign(alone.host), f" at its best, {at_once(alone.in_flight)}{alone.order}")
        if (alone.host, alone.in_flight) == (best.baseline_host, 1):
            steps = [Step(at_best, median(baselines))]
        else:
            parts = ["another machine"] if alone.host != best.baseline_host else []
            parts += ["batching"] if alone.in_flight > 1 else []
            before = [(each["alone"] or each["baseline"])["makespan_ms"] for each in rounds]
            by_round = [was / now for was, now in zip(baselines, before, strict=True) if now]
            steps.append(Step(at_best, median(before), ", ".join(parts), rounds_interval(by_round), by_round))
    together = (f"{counted(best.hosts, 'host')} under ", best.strategy)
    by_round = [was / now for was, now in zip(before, runs, strict=True)]
    return [*steps, Step(together, median(runs), brings, faster, by_round)]


def table(steps: Sequence[Step]) -> Table:
    """A row a step."""
    return Table(
        "Makespans, medians, and what makes each faster than the one before",
        {"run": TEXT, "makespan": NUMBER, "times as fast": NUMBER, "interval": TEXT, "by": LONG},
        [
            (
                step.name,
                ms(step.makespan_ms),
                times(step.faster.median) if step.faster else "",
                spread(step.faster, step.by_round) if step.faster else "",
                step.brings,
            )
            for step in steps
        ],
    )
