"""The search for the sustainable rate: of the set under each strategy and of the best alone, run by turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from outpace.dispatch import Outcome
from outpace.dispatch.ledger import Brake
from outpace.ground.errors import Unfinished
from outpace.ground.records import BestAlone, Run
from outpace.judge import load, load_gate, under_way
from outpace.judge.gate import Word
from outpace.judge.slo import Objective
from outpace.judge.sustainable import Rate, Search, Trial, rate_gain
from outpace.measure.load import BEST_ALONE, Load, arriving_alone, find_capacities, run_load
from outpace.measure.load_error import load_error
from outpace.measure.session import Session
from outpace.measure.watch import Watch, long_enough_ms
from outpace.report import rate_document
from outpace.report.document import written_at
from outpace.report.rate_document import Made
from outpace.workload import arrivals
from outpace.workload.arrivals import Arrivals

START_SHARE = 0.7
"""Of what the hosts give at their best, a search begins at so much."""
RUNS, RUNS_ASKED = 8, 80
"""A search sends as many requests as so many whole runs at the most, and where it is asked how near it is to come."""
TRIALS = 5
"""A run is mostly ended before it is whole: so many may stand for each."""


@dataclass(frozen=True)
class RateAsked:
    """What is searched for: the highest rate of arrivals such as ``kind`` at which all of ``slo`` is kept.

    A run has ``requests`` at most, or as many as come until it is long enough, and ``queue`` of them may wait; the
    search ends ``within`` such a share, or after ``runs`` whole runs. With ``own_prompts`` a trace tells times alone.
    """

    kind: Arrivals
    asked: str
    slo: tuple[Objective, ...]
    requests: int
    within: float
    queue: int | None = None
    least_rate_per_s: float | None = None
    least_gain: float | None = None
    runs: int = RUNS
    own_prompts: bool = False

    def requests_at(self, rate_per_s: float) -> int:
        """How many a run at such a rate has at most."""
        return max(self.requests, math.ceil(long_enough_ms(self.slo) / 1000 * rate_per_s))


RunAt = Callable[[float, int, Brake], Run]
"""Makes a run at so many requests a second, the turn of so many, which the brake may end."""


def try_rate(rate: float, turn: int, objectives: Sequence[Objective], run_at: RunAt) -> Made:
    """Make one trial at ``rate``, in requests a second.

    What breaks a promise where the client was late itself, is not the hosts'; what is kept even so, is kept.
    """
    watch = Watch(objectives)
    run = run_at(rate, turn, watch)
    look = watch.latest
    if run.ended is None:
        look = under_way.look(objectives, run.requests, (), run.makespan_ms)
    void = None
    figures = load.figures(run, objectives)
    if figures.void is not None and figures.unanswered < figures.requests and look.answer == "breaks":
        look, void = replace(look, answer="open"), figures.void
    return Made(Trial(rate, look, run.ended, void), figures, run.makespan_ms)


@dataclass
class Subject:
    """Whose rate is searched for: that of the set under a strategy, or the best alone's."""

    strategy: str
    search: Search
    alone: BestAlone | None = None
    made: list[Made] = field(default_factory=list)

    def step(self, objectives: Sequence[Objective], run_at: RunAt) -> bool:
        """Make the next trial; False where there is none to make."""
        rate = self.search.next_rate
        if rate is None:
            return False
        self.made.append(try_rate(rate, len(self.made), objectives, run_at))
        self.search.note(self.made[-1].trial)
        return True


class RateSearch:
    """Finds the rates of the best alone and of ``strategies`` in ``session``; the report is ``rate.json``."""

    def __init__(self, session: Session, strategies: Sequence[str], asked: RateAsked, *, report_dir: Path) -> None:
        self._session, self._strategies = session, [each for each in strategies if each != BEST_ALONE]
        for each in self._strategies:
            session.find_strategy(each)
        self.asked = asked
        self.path = report_dir / rate_document.FILE
        self.subjects: list[Subject] = []
        self.document: dict[str, Any] | None = None
        """The report so far."""
        self.strategy, self.phase = BEST_ALONE, "arrivals"
        recording = session.settings.recording
        self._error = None if recording is None else load_error(recording)
        self.rounds: list[Made] = []
        """The trials so far of the strategy in progress."""
        self._faults: list[str] = []

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the run in progress, by host."""
        return self._session.in_flight

    def run(self) -> None:
        """Search, once; later calls do nothing. Each trial is in the report as soon as it is made.

        Raises ``UsageError`` where that cannot be written, and ``Unfinished`` where a host cannot be swept, or where a
        strategy itself did something wrong.
        """
        if self.subjects:
            return
        session = self._session
        self.phase = "measuring what concurrency does"
        find_capacities(session, self.path.parent)
        self.phase = "finding the best alone"
        alone = arriving_alone(session)
        self.phase = "arrivals"
        self.subjects = [
            Subject(BEST_ALONE, self._search(_capacity_per_s(session, alone.host)), alone),
            *(Subject(each, self._search(self._most_per_s(each))) for each in self._strategies),
        ]
        order, moved = list(self.subjects), True
        while moved:
            moved = False
            for each in order:
                self.strategy, self.rounds = each.strategy, each.made
                moved |= each.step(self.asked.slo, self._run_at(each))
                self._write()
            order.reverse()  # so that a machine that drifts one way favours none
        if self._faults:
            raise Unfinished(self._faults[0])

    def found(self, strategy: str) -> Rate:
        """The sustainable rate, in requests a second."""
        return next(each.search.found for each in self.subjects if each.strategy == strategy)

    def gain(self, strategy: str) -> Rate | None:
        """The rate gain of the set under ``strategy``."""
        return rate_gain(self.found(strategy), self.found(BEST_ALONE))

    def verdict(self, strategy: str) -> tuple[Word, str] | None:
        """What the gate says of the set under ``strategy``, and why; None where nothing was asked."""
        asked = self.asked
        return load_gate.judge_rates(
            self.found(strategy), self.gain(strategy), asked.least_rate_per_s, asked.least_gain
        )

    def _search(self, most_per_s: float) -> Search:
        asked = self.asked
        start = START_SHARE * most_per_s
        return Search(asked.slo, start, asked.within, asked.runs * asked.requests_at(start), TRIALS * asked.runs)

    def _most_per_s(self, strategy: str) -> float:
        """What the hosts of ``strategy`` answer in a second at their best."""
        return sum(_capacity_per_s(self._session, host) for host in self._session.hosts_of(strategy))

    def _run_at(self, subject: Subject) -> RunAt:
        asked, settings = self.asked, self._session.settings

        def run_at(rate: float, turn: int, brake: Brake) -> Run:
            seed, requests = settings.workload.generation.seed + turn, asked.requests_at(rate)
            work = arrivals.arriving(
                settings.workload, asked.kind.at(rate), seed=seed, requests=requests, own_prompts=asked.own_prompts
            )
            self._session.knock()
            load_ = Load(asked.asked, work, asked.slo, asked.queue)
            outcome: Outcome = run_load(self._session, subject.strategy, load_, subject.alone, brake, record=False)
            self._faults += [f"{subject.strategy} did not finish: {each}" for each in outcome.faults]
            return outcome.run

        return run_at

    def _write(self) -> None:
        subjects = [
            rate_document.Searched(
                each.strategy,
                each.alone,
                self._session.hosts_of(each.strategy) if each.alone is None else (each.alone.host,),
                each.search.found,
                None if each.alone else self.gain(each.strategy),
                None if each.alone else self.verdict(each.strategy),
                each.made,
            )
            for each in self.subjects
            if each.made
        ]
        asked, kind = self.asked, self.asked.kind
        own = None if kind.trace is None else kind.rate_per_s
        said = rate_document.Asked(asked.asked, asked.queue, asked.slo, asked.requests, own)
        self.document = rate_document.build(self._session.origin, said, subjects, self._error)
        with written_at(self.path):
            rate_document.write(self.path, self.document)


def _capacity_per_s(session: Session, host: str) -> float:
    """How many requests a host answers in a second with as many in flight as are best, by its sweep or its warm-up."""
    capacity = session.knowledge.capacities.get(host)
    walls_ms = [each.wall_ms for each in session.knowledge.first[host]]
    if capacity is None or session.settings.limits != "sweep":
        return 1000 / fmean(walls_ms)
    level = next(each for each in capacity.levels if each.in_flight == capacity.limit)
    return level.in_flight / level.mean_ms * 1000
