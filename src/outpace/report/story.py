"""The story of one session, gathered from its reports alone: the figures that every sentence and picture is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outpace.ground.errors import DocumentInvalid
from outpace.ground.records import BASELINE
from outpace.judge import capacity as capacities_of_hosts
from outpace.judge.capacity import HostCapacity
from outpace.judge.ranking import Best, best, foremost, ranked
from outpace.report import document as reports
from outpace.report.failures import Failure, Unanswered, failures_of, unanswered_of
from outpace.report.latency import Latency, latency_of
from outpace.report.strategies import Row, row_of
from outpace.report.timeline import Timeline, timeline_of


@dataclass(frozen=True)
class Story:
    """What the reports of one session tell, the best strategy's first; ``newest`` stands for what they have in common.

    ``best`` is the fastest strategy apart from the baseline, with the interval of one that was chosen as the best, and
    ``found`` how it stands to the others.
    """

    documents: Sequence[Mapping[str, Any]]
    newest: Mapping[str, Any]
    rows: Sequence[Row]
    best: Row | None
    found: Best | None
    timelines: Sequence[Timeline]
    latencies: Sequence[Latency]
    failures: Sequence[Failure]
    unanswered: Sequence[Unanswered]
    capacities: Sequence[HostCapacity]

    @property
    def prompts(self) -> int:
        """How many there are in the workload."""
        return int(self.newest["workload"]["prompts"])

    def latency(self, strategy: str) -> Latency | None:
        """Where the time went under ``strategy``."""
        return next((each for each in self.latencies if each.strategy == strategy), None)


def read(folder: Path) -> Story:
    """The story of the reports in ``folder``, and of its ``capacity.json`` where there is one.

    Raises ``DocumentInvalid`` where one of them is invalid, and where there is no report.
    """
    documents = reports.read_all(folder)
    if not documents:
        raise DocumentInvalid(f"There is no report-*.json in {folder}.")
    swept = folder / capacities_of_hosts.FILE
    return tell(documents, capacities_of_hosts.read(swept) if swept.exists() else None)


def tell(documents: Sequence[dict[str, Any]], capacities: dict[str, Any] | None) -> Story:
    """The story of ``documents``, which are valid reports of one session, one a strategy, and its ``capacities``.

    Where they are of several sessions, the newest is told, and the others stand beside it without being compared.
    """
    newest = max(documents, key=lambda each: each["created"])
    now = [each for each in documents if _session(each) == _session(newest)]
    rows = [row_of(each, now=each in now) for each in documents]
    compared = [row.comparison for row in rows if row.ranked]
    places = {each.strategy: place for place, each in enumerate(ranked(compared))}
    rows = sorted(rows, key=lambda row: (places.get(row.strategy, len(places)), row.strategy))
    first = foremost(compared)
    rows = [replace(row, comparison=first) if first and row.strategy == first.strategy else row for row in rows]
    order = {row.strategy: place for place, row in enumerate(rows)}
    told = sorted(documents, key=lambda each: order[each["strategy"]])
    return Story(
        told,
        newest,
        rows,
        next((row for row in rows if row.ranked and row.strategy != BASELINE), None),
        best(compared),
        [timeline for each in told if each in now and (timeline := timeline_of(each))],
        [latency_of(each) for each in told if each in now],
        failures_of(told),
        unanswered_of(told),
        capacities_of_hosts.from_document(capacities) if capacities else (),
    )


def _session(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """What reports of one session have in common."""
    return (document["created"], document["source"], document["workload"]["sha256"], document["workload"]["prompts"])
