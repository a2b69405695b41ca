"""The report: one strategy's rounds as a JSON document, valid against ``schemas/report.schema.json``."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import outpace
from outpace.ground.documents import read_json, write_json
from outpace.ground.errors import DocumentInvalid, UsageError, refused
from outpace.ground.records import FailedAttempt, RequestRecord, Round, Run
from outpace.judge.comparison import Comparison, HostFigures
from outpace.judge.fairness import Check
from outpace.judge.gate import Verdict
from outpace.judge.stats import Interval
from outpace.workload.prompts import Workload

CLOCK: Final = "perf_counter"
"""The clock of live sessions, as ``time`` calls it."""
SCHEMA_VERSION = "1.1"

MOST_REPORTS = 256
"""Of one folder: one for each strategy and router."""
LARGEST_FOLDER = 384 << 20
"""Bytes of all reports of a folder, which are in memory together at up to three times that. Eight strategies over
10,000 prompts in five rounds take 315 MB."""


@dataclass(frozen=True)
class HostEntry:
    """One host as a report names it."""

    name: str
    url: str
    engine: str
    engine_version: str | None
    model: str
    model_digest: str | None


@dataclass(frozen=True)
class Origin:
    """Where a report comes from: what is the same for all reports of one session.

    ``created`` is an RFC 3339 time; ``source`` one of "live", "embedded", "replay"; ``machine`` the coordinator's.
    """

    created: str
    source: str
    hosts: tuple[HostEntry, ...]
    workload: Workload
    machine: dict[str, Any] | None


def this_machine() -> dict[str, Any]:
    """What a report tells of the machine that the coordinator runs on; nothing that names it or its user."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "clock_resolution_ms": time.get_clock_info(CLOCK).resolution * 1000,
    }


def build(
    origin: Origin,
    comparison: Comparison,
    rounds: Sequence[Round],
    verdict: Verdict,
    replay_errors: Sequence[float] = (),
    fairness: Sequence[Check] = (),
    told: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The report of one strategy as a document.

    ``replay_errors`` are replayed / recorded makespan - 1 of the runs that a replay's recording holds; ``fairness``
    what must hold for the ratio to mean what it says. ``told`` keeps what the first rounds are in a report: those that
    it lacks are added to it.
    """
    told = [] if told is None else told
    told += map(_round, rounds[len(told) :])
    return {
        **head(SCHEMA_VERSION, origin, comparison.strategy, origin.workload),
        "rounds": [*told],
        "summary": {
            "rounds": comparison.rounds,
            "overhead_ratio": _interval(comparison.ratio),
            "set_gain": comparison.gain and _interval(comparison.gain),
            "best_alone": comparison.best_alone and asdict(comparison.best_alone),
            "overhead_ratio_per_token": rounded(comparison.ratio_per_token, 6),
            "speedup": rounded(comparison.speedup, 6),
            "dispatch_efficiency": rounded(comparison.dispatch_efficiency, 6),
            "hosts": {name: _host_figures(figures) for name, figures in comparison.hosts.items()},
            "notes": list(comparison.notes),
        },
        "gate": asdict(verdict),
        "fairness": [asdict(each) for each in fairness],
        "replay_error": {
            "runs": len(replay_errors),
            "mean": rounded(fmean(replay_errors), 6),
            "worst": rounded(max(replay_errors, key=abs), 6),
        }
        if replay_errors
        else None,
    }


def head(schema_version: str, origin: Origin, strategy: str, work: Workload) -> dict[str, Any]:
    """What every report begins with: where it comes from, and what was sent to whom under which ``strategy``."""
    generation = work.generation
    return {
        "schema_version": schema_version,
        "created": origin.created,
        "outpace": outpace.__version__,
        "source": origin.source,
        "machine": origin.machine,
        "strategy": strategy,
        "hosts": [asdict(host) for host in origin.hosts],
        "workload": {
            "prompts": len(work.prompts),
            "sha256": work.sha256,
            "max_tokens": generation.max_tokens,
            "temperature": generation.temperature,
            "seed": generation.seed,
        },
    }


def _interval(found: Interval | None) -> dict[str, Any]:
    ends = {key: rounded(getattr(found, key, None), 6) for key in ("median", "low", "high")}
    return {**ends, "confidence": found.confidence if found else None}


def _round(each: Round) -> dict[str, Any]:
    return {
        "overhead_ratio": rounded(each.overhead_ratio, 6),
        "set_gain": rounded(each.set_gain, 6),
        "baseline": _run(each.baseline),
        "run": _run(each.run),
        "alone": None if each.alone is None or each.alone is each.baseline else _run(each.alone),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "strategy": run.strategy,
        "hosts": list(run.hosts),
        "makespan_ms": rounded(run.makespan_ms),
        "lower_bound_ms": rounded(run.lower_bound_ms),
        "lag_ms": rounded(run.lag_ms),
        "requests": [in_microseconds(request, but=("due_ms", "late_ms")) for request in run.requests],
        "failed_attempts": [in_microseconds(attempt) for attempt in run.failed_attempts],
    }


def _host_figures(figures: HostFigures) -> dict[str, Any]:
    added = figures.added_latency_ms
    return {
        "requests": figures.requests,
        "added_latency_ms": added
        and {key: rounded(value) for key, value in zip(("mean", "min", "max"), added, strict=True)},
        "added_latency_source": figures.source,
        "network_share": rounded(figures.network_share, 6),
        "ms_per_token": rounded(figures.ms_per_token),
    }


def rounded(value: float | None, digits: int = 3) -> float | None:
    """``value`` as a report has it."""
    return None if value is None else round(value, digits)


def in_microseconds(record: RequestRecord | FailedAttempt, but: Collection[str] = ()) -> dict[str, Any]:
    """``record`` with times to the microsecond, ``but`` some fields: of a batch nobody asks when a request was due."""
    return {
        key: round(value, 3) if value is not None and key.endswith("_ms") else value
        for key, value in record._asdict().items()
        if key not in but
    }


def rounds_from(document: dict[str, Any]) -> list[Round]:
    """The rounds of a report as records.

    Raises ``DocumentInvalid`` where a makespan or a wall time is null: a published report may not tell them.
    """
    return [_round_from(each) for each in document["rounds"]]


def _round_from(found: dict[str, Any]) -> Round:
    baseline, run = _run_from(found["baseline"]), _run_from(found["run"])
    if found["alone"] is not None:
        return Round(baseline, run, _run_from(found["alone"]))
    return Round(baseline, run, None if found["set_gain"] is None else baseline)


def _run_from(found: dict[str, Any]) -> Run:
    if found["makespan_ms"] is None or any(request["wall_ms"] is None for request in found["requests"]):
        raise DocumentInvalid(f"The report does not tell the times of its {found['strategy']} run.")
    return Run(
        found["strategy"],
        tuple(found["hosts"]),
        found["makespan_ms"],
        tuple(RequestRecord(**request) for request in found["requests"]),
        tuple(FailedAttempt(**attempt) for attempt in found.get("failed_attempts", ())),
        found["lower_bound_ms"],
        found.get("lag_ms"),
    )


@contextmanager
def written_at(path: Path) -> Iterator[None]:
    """A report is written to ``path`` inside; raises ``UsageError`` with what to do where that cannot be."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"The report {path} cannot be written: {error.strerror or error}. Name another folder by --report-dir."
        ) from error


def write(path: Path, document: dict[str, Any]) -> None:
    """Validate ``document`` and put it at ``path`` whole: a reader, or a crash, never sees half of it.

    Raises ``DocumentInvalid`` and, where the folder cannot be written, ``OSError``.
    """
    write_json(path, document, "report")


def read(path: Path) -> dict[str, Any]:
    """Read and validate a report; raises ``DocumentInvalid`` that says what is wrong and where.

    What version 1.0 did not have is null in it.
    """
    document = read_json(path, "report")
    summary, rounds = document["summary"], document["rounds"]
    for each in rounds:
        each.setdefault("set_gain", None)
        each.setdefault("alone", None)
    for name in ("set_gain", "best_alone"):
        summary.setdefault(name, None)
    if summary["best_alone"] is not None:
        summary["best_alone"].setdefault("longest_first", False)
    document["gate"].setdefault("least_gain", None)
    for name, said in (("overhead_ratio", "an overhead ratio"), ("set_gain", "a set gain")):
        told = summary[name] is not None and summary[name]["median"] is not None
        if not told and any(each[name] is not None for each in rounds):
            raise refused(f"The report {path} has rounds with {said}, and no median of it. Measure again.")
    if summary["set_gain"] is not None and summary["best_alone"] is None:
        raise refused(f"The report {path} has a set gain, and does not tell which host is the best alone.")
    return document


def read_all(folder: Path) -> list[dict[str, Any]]:
    """The reports in ``folder`` in the order of their names, none where there is none; raises ``DocumentInvalid``."""
    paths = sorted(folder.glob("report-*.json"))
    size = sum(path.stat().st_size for path in paths if path.is_file())
    if len(paths) > MOST_REPORTS or size > LARGEST_FOLDER:
        raise refused(
            f"The folder {folder} has {len(paths):,} reports of {size >> 20:,} MiB, and {MOST_REPORTS} reports of "
            f"{LARGEST_FOLDER >> 20} MiB are the most that are read together. Put some of them into another folder."
        )
    return [read(path) for path in paths]
