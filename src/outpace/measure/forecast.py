"""How long a session will take, on hosts as fast as the warm-up has shown them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from outpace.ground.records import BASELINE
from outpace.judge.capacity import TOLERANCE
from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL
from outpace.measure.session import Session
from outpace.measure.sweep import LEVELS, MOST_ANSWER_S, MOST_S, answer_s, blocks_in

SWEPT_LEVELS = 2
"""So many levels a host that queues is swept at; with one that batches there are more, and each takes less."""
BESIDES_S = 0.2
"""A round takes so much beside its runs, for the hosts to be knocked at and the report to be written."""
SEARCHED_LEVELS = 2
"""So many a host is tried at to find the best alone, where there was no sweep."""
ALONE_UNKNOWN = 0.5
"""The makespan of a best alone of which nothing is known, over that of the baseline."""
ORDERING_RUNS = 10
"""So many runs of the best alone show in which order of prompts it is at its best, where answers differ in length."""


@dataclass(frozen=True)
class Forecast:
    """Seconds: ``round_s`` one round of every strategy, ``sweep_s`` the sweeps, ``search_s`` to find the best alone."""

    strategies: int
    round_s: float
    sweep_s: float
    search_s: float

    def rounds_s(self, rounds: int) -> float:
        """What so many rounds of each strategy take, without the sweeps."""
        return self.search_s + rounds * self.round_s

    def fitting(self, budget_s: float) -> int:
        """How many rounds of each strategy fit into a budget beside the sweeps; 0 where none does."""
        left_s = budget_s - self.sweep_s - self.search_s
        return max(0, int(left_s / self.round_s)) if self.round_s else 0

    def in_words(self, rounds: int) -> str:
        """What is to come, in a sentence."""
        parts = []
        if self.strategies:
            each = f"{_counted(rounds, 'round')}{' each' if self.strategies > 1 else ''}"
            many = f"{self.strategies} strategies" if self.strategies > 1 else "1 strategy"
            parts.append(f"{many}, {each}, on hosts as fast as these: about {in_time(self.rounds_s(rounds))}")
        if self.sweep_s:
            parts.append(f"the sweep about {in_time(self.sweep_s)}")
        return f"{'; '.join(parts)}." if parts else ""

    def too_little(self, budget: str, budget_s: float) -> str | None:
        """Why ``budget`` is too little for an interval, and what would fit; None where it is not."""
        fits = self.fitting(budget_s)
        if not self.strategies or fits >= ROUNDS_FOR_AN_INTERVAL:
            return None
        needs_s = self.sweep_s + self.rounds_s(ROUNDS_FOR_AN_INTERVAL)
        said = f"{_counted(fits, 'round')} would fit: --rounds={fits}" if fits else "not one round would fit"
        return (
            f"--budget={budget}: {ROUNDS_FOR_AN_INTERVAL} rounds of each strategy, the fewest that have an interval, "
            f"take about {in_time(needs_s)} on hosts as fast as these; {said}. Give it more time, or it fewer "
            "--strategies, fewer prompts or a smaller --max-tokens."
        )


def forecast(session: Session, strategies: Sequence[str], sweeps: Collection[str]) -> Forecast:
    """What ``strategies`` and ``sweeps`` of hosts will take, by what ``session`` has seen of its hosts so far.

    Answers are taken to be as long as the first ones on average. Until a host was swept it is taken to gain nothing by
    concurrency, and the best alone to take half as long as the baseline: where hosts queue it is the baseline, and
    nothing is run twice, and where they batch strategies are quicker than foretold.
    """
    prompts = len(session.settings.workload.prompts)
    takes_s = {host: answer_s(session, host) for host in session.ordered}
    known = session.knowledge.capacities
    gains = {host: found.gain for host, found in known.items() if found.kind == "batches"}
    rates = {host: gains.get(host, 1.0) / took_s for host, took_s in takes_s.items()}
    baseline_s = prompts * takes_s[session.baseline_host]
    unknown = not all(host in known for host in session.ordered)
    alone_s = baseline_s * ALONE_UNKNOWN if unknown else prompts / max(rates.values())
    if alone_s * TOLERANCE >= baseline_s:  # it is the baseline, which is not run twice
        alone_s = 0.0

    def run_s(strategy: str) -> float:
        if strategy == BASELINE:
            return baseline_s
        if strategy == "serial-per-side":
            share = -(-prompts // len(takes_s))
            return share * max(takes_s.values())
        return prompts / sum(rates.values())

    levels = [level for level in LEVELS if level < 2 * prompts][:SWEPT_LEVELS]
    requests = sum(blocks_in(level) * (1 + level) for level in levels)
    lengths = {each.output_tokens for host in takes_s for each in session.knowledge.first[host]}
    ordering_s = ORDERING_RUNS * alone_s if strategies and not unknown and len(lengths) > 1 else 0.0
    searched = unknown and not sweeps and bool(strategies)
    return Forecast(
        len(strategies),
        sum(baseline_s + alone_s + run_s(each) + BESIDES_S for each in strategies),
        sum(min(MOST_S, requests * takes_s[host]) for host in sweeps if takes_s[host] <= MOST_ANSWER_S),
        baseline_s * (1 + SEARCHED_LEVELS * len(takes_s)) if searched else ordering_s,
    )


def in_time(seconds: float) -> str:
    """So many seconds, or minutes, in words."""
    if seconds < 90:
        return _counted(max(1, round(seconds)), "second")
    if seconds < 5400:
        return _counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
