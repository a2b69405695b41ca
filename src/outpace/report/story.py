"""The story of one session, told from its reports alone: what HTML and Markdown have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from outpace.ground.errors import DocumentInvalid
from outpace.judge import capacity as capacities_of_hosts
from outpace.judge.comparison import Comparison
from outpace.judge.ranking import Best, best
from outpace.judge.stats import Interval
from outpace.report import document as reports
from outpace.report.answer import BASELINE, answer, cautions, noun_of, question
from outpace.report.conditions import conditions, not_measured
from outpace.report.facts import facts_of
from outpace.report.faults import failures_of, unanswered_of
from outpace.report.latency import latency_of
from outpace.report.shape import HostLine, Row, Story
from outpace.report.views import timeline_of
from outpace.report.words import Foreign

__all__ = ["Story", "read", "tell"]


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
    rows = [_row(each, now=each in now) for each in documents]
    found = best([_comparison(row) for row in rows if row.ranked])
    rows.sort(key=lambda row: (not row.ranked, row.ratio.median if row.ratio else 0.0, row.strategy))
    winner = next((row for row in rows if row.ranked and row.strategy != BASELINE), None)
    order = {row.strategy: place for place, row in enumerate(rows)}
    told = sorted(documents, key=lambda each: order[each["strategy"]])
    latencies = tuple(latency_of(each) for each in told if each in now)
    swept = capacities_of_hosts.from_document(capacities) if capacities else ()
    prompts, hosts = newest["workload"]["prompts"], _hosts(told)
    timelines = tuple(timeline for each in told if each in now and (timeline := timeline_of(each)))
    failures, unanswered = failures_of(told), unanswered_of(told)
    noun = noun_of(hosts)
    return Story(
        answer(rows, found, prompts, noun),
        cautions(
            rows,
            sorted({each["source"] for each in documents}),
            sorted({each["created"] for each in documents}),
            unanswered,
        ),
        question(rows, noun),
        winner.verdict if winner else rows[0].verdict,
        winner.strategy if winner else None,
        _tied(found, winner),
        tuple(rows),
        timelines,
        latencies,
        failures,
        unanswered,
        swept,
        conditions(winner, rows, latencies, swept, failures, timelines, prompts),
        hosts,
        facts_of(told, newest),
        not_measured(told, rows, latencies, swept, prompts),
    )


def _session(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """What reports of one session have in common."""
    return (document["created"], document["source"], document["workload"]["sha256"], document["workload"]["prompts"])


def _row(document: Mapping[str, Any], *, now: bool) -> Row:
    summary, rounds = document["summary"], document["rounds"]
    told = summary["overhead_ratio"]
    ratios = tuple(each["overhead_ratio"] for each in rounds)
    seen = [each for each in ratios if each is not None] or ([told["median"]] if told["median"] is not None else [])
    bounds = [
        bound / alone
        for each in rounds
        if (bound := each["run"]["lower_bound_ms"]) and (alone := each["baseline"]["makespan_ms"])
    ]
    unanswered = sum(request["error"] is not None for each in rounds for request in each["run"]["requests"])
    baseline = next((name for each in rounds for name in each["baseline"]["hosts"]), document["hosts"][0]["name"])
    return Row(
        Foreign(document["strategy"]),
        summary["rounds"],
        ratios,
        None if told["median"] is None else Interval(*(told[key] for key in ("median", "low", "high", "confidence"))),
        (min(seen), max(seen)) if seen else None,
        summary["speedup"],
        summary.get("overhead_ratio_per_token"),
        summary["dispatch_efficiency"],
        median(bounds) if bounds else None,
        document["gate"]["threshold"],
        document["gate"]["verdict"],
        Foreign(document["gate"]["reason"]),
        tuple(map(Foreign, summary.get("notes", ()))),
        # A router stands among its hosts under the name of its strategy, and answers nothing itself.
        len([each for each in document["hosts"] if each["name"] != document["strategy"]]),
        unanswered,
        # No number can be had from a ratio of 0, which a document may claim.
        bool(now and told["median"] and min(seen) > 0),
        Foreign(baseline),
    )


def _comparison(row: Row) -> Comparison:
    """As much of a comparison as ranking looks at."""
    ratios = tuple(each for each in row.ratios if each is not None) or (row.ratio.median if row.ratio else 0.0,)
    return Comparison(
        row.strategy, row.rounds, row.ratio, ratios, row.speedup, row.efficiency, row.per_token, {}, row.notes
    )


def _tied(found: Best | None, winner: Row | None) -> tuple[Foreign, ...]:
    if found is None or winner is None or found.winner != winner.strategy:
        return ()
    return tuple(map(Foreign, found.tied))


def _hosts(documents: Sequence[Mapping[str, Any]]) -> tuple[HostLine, ...]:
    """Every host of the reports once, in their order."""
    lines = (
        HostLine(
            Foreign(each["name"]),
            *(
                None if each[key] is None else Foreign(each[key])
                for key in ("engine", "engine_version", "model", "model_digest", "url")
            ),
        )
        for document in documents
        for each in document["hosts"]
    )
    return tuple(dict.fromkeys(lines))
