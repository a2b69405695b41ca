"""A run of requests that arrive: under one strategy over all hosts, or on the best alone, at the same due times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outpace.dispatch.limits import FixedLimit
from outpace.ground.errors import Unfinished
from outpace.ground.records import BestAlone, Run
from outpace.judge import load
from outpace.judge.load import LoadFigures
from outpace.judge.slo import Objective
from outpace.measure.best_alone import find_best_alone
from outpace.measure.session import ALONE, Session
from outpace.recording.recording import Scene
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
        """What is in progress: "arrivals", or "finding the best alone"."""
        self._session = session

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the run in progress, by host."""
        return self._session.in_flight

    @property
    def best_alone(self) -> BestAlone:
        """The best single host, which is found at the first call."""
        if self._session.best_alone is None:
            self.phase = "finding the best alone"
            self._session.best_alone = find_best_alone(self._session)
            self.phase = "arrivals"
        return self._session.best_alone

    def prepare(self) -> None:
        """Untimed, before a run: connections are made warm, and the best alone is found where it is what runs."""
        if self.strategy == BEST_ALONE:
            assert self.best_alone
        self._session.knock()

    def run(self) -> None:
        """Let the requests arrive, and write the report. Raises ``UsageError`` where it cannot be written.

        Raises ``Unfinished`` where the strategy itself did something wrong, which costs no answer.
        """
        session, load_ = self._session, self.load
        alone = self.best_alone if self.strategy == BEST_ALONE else None
        name = self.strategy if alone is None else ALONE
        session.world.begin(Scene(name, f"load/{self.strategy}"))
        outcome = session.runs.execute(
            name,
            session.find_strategy(name),
            session.hosts_of(self.strategy) if alone is None else [alone.host],
            work=load_.work,
            limit=None if alone is None else lambda _: FixedLimit(alone.in_flight),
            queue=load_.queue,
        )
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
