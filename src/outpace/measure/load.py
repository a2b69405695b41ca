"""A run of requests that arrive: under one strategy over all hosts, or on the best alone, at the same due times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outpace.dispatch import Outcome
from outpace.dispatch.ledger import Brake
from outpace.dispatch.limits import FixedLimit
from outpace.ground.errors import Unfinished
from outpace.ground.records import BestAlone, Run
from outpace.judge import capacity, load
from outpace.judge.load import LoadFigures
from outpace.judge.slo import Objective
from outpace.measure.best_alone import find_best_alone
from outpace.measure.session import ALONE, Session
from outpace.measure.sweep import sweep, write_capacities
from outpace.measure.watch import OverloadWatch
from outpace.recording.recording import RecordedArrivals, Scene
from outpace.report import load_document
from outpace.report.document import written_at
from outpace.workload.prompts import Workload

BEST_ALONE = "best-alone"
"""Stands beside the strategies for the best single host at its best, under the shared queue."""


@dataclass(frozen=True)
class Load:
    """What arrives: ``work`` with its due times, as ``asked`` for; ``queue`` of it may wait, ``slo`` is promised."""

    asked: str
    work: Workload
    slo: tuple[Objective, ...] = ()
    queue: int | None = None


def find_capacities(session: Session, keep_in: Path) -> None:
    """Sweep the hosts whose capacity is not known, where that is what limits them, and keep it in a folder.

    Without it hosts that batch would be held to one request, the best alone among them. Raises ``Unfinished``.
    """
    unknown = [host for host in session.ordered if host not in session.knowledge.capacities]
    if session.settings.limits == "sweep" and unknown:
        for host in unknown:
            sweep(session, host)
        write_capacities(session, keep_in / capacity.FILE)


def arriving_alone(session: Session) -> BestAlone:
    """The best single machine of ``session``, found if it is not known yet; what arrives has its order from that."""
    if session.best_alone is None:
        session.best_alone = find_best_alone(session)
    return replace(session.best_alone, longest_first=False)


def run_load(
    session: Session,
    measured: str,
    load_: Load,
    alone: BestAlone | None = None,
    brake: Brake | None = None,
    *,
    record: bool = True,
) -> Outcome:
    """Let the requests of ``load_`` arrive once, under the strategy ``measured``, or on the best ``alone``.

    Faults act in strategies' own runs alone. ``brake`` may end it early. Where the session is recorded, so
    is this, unless it is not to be ``record``ed.
    """
    name = measured if alone is None else ALONE
    scene, recorder = Scene(name, f"load/{measured}"), session.world.recorder if record else None
    if recorder is not None or session.world.recorder is None:
        session.world.begin(scene)
    outcome = session.runs.execute(
        name,
        session.find_strategy(name),
        session.hosts_of(name) if alone is None else [alone.host],
        work=load_.work,
        healthy=alone is not None,
        limit=None if alone is None else lambda _: FixedLimit(alone.in_flight),
        queue=load_.queue,
        brake=brake,
    )
    if recorder is not None:
        recorder.best_alone = session.best_alone
        recorder.arrivals = RecordedArrivals(load_.asked, tuple(each.due_ms for each in load_.work.prompts))
        recorder.end(scene, outcome.run, session.runs.median_round_trips_ms(), arrived=True)
    return outcome


class LoadMeasurement:
    """One run of ``load`` in ``session`` under ``strategy``; its report is ``load-<strategy>.json``."""

    def __init__(self, session: Session, strategy: str, load: Load, *, report_dir: Path) -> None:
        if strategy != BEST_ALONE:
            session.find_strategy(strategy)
        self.strategy, self.load = strategy, load
        self.path = report_dir / f"load-{strategy}.json"
        self.rounds: list[Run] = []
        self.document: dict[str, Any] | None = None
        """The report of the latest run."""
        self.phase = "arrivals"
        """What is in progress: "arrivals", "measuring what concurrency does", or "finding the best alone"."""
        self._session = session

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the run in progress, by host."""
        return self._session.in_flight

    @property
    def best_alone(self) -> BestAlone:
        """The best single host, which is found at the first call."""
        self.phase = "finding the best alone"
        found = arriving_alone(self._session)
        self.phase = "arrivals"
        return found

    def prepare(self) -> None:
        """Untimed, before a run: hosts are swept, the best alone is found where it is what runs, connections made warm.

        Raises ``Unfinished`` where a host cannot be swept.
        """
        self.phase = "measuring what concurrency does"
        find_capacities(self._session, self.path.parent)
        self.phase = "arrivals"
        if self.strategy == BEST_ALONE:
            assert self.best_alone
        self._session.knock()

    def run(self) -> None:
        """Let the requests arrive, and write the report. Raises ``UsageError`` where it cannot be written.

        Raises ``Unfinished`` where the strategy itself did something wrong, which costs no answer.
        """
        session, load_ = self._session, self.load
        alone = self.best_alone if self.strategy == BEST_ALONE else None
        outcome = run_load(session, self.strategy, load_, alone, OverloadWatch())
        self.rounds.append(outcome.run)
        self.document = document = load_document.build(
            session.origin_of(self.strategy),
            load_document.Asked(self.strategy, load_.asked, load_.work, load_.queue),
            alone,
            outcome.run,
            self.figures(),
        )
        with written_at(self.path):
            load_document.write(self.path, document)
        if outcome.faults:
            raise Unfinished(f"{self.strategy} did not finish: {outcome.faults[0]}")

    def figures(self) -> LoadFigures:
        """What the latest run shows."""
        return load.figures(self.rounds[-1], self.load.slo)
