"""The report of a load: one run of requests that arrive, valid against ``schemas/load.schema.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outpace.ground.documents import read_json, write_json
from outpace.ground.records import BestAlone, Run
from outpace.judge.load import LoadFigures
from outpace.judge.quantiles import Estimate
from outpace.report.document import Origin, head, in_microseconds, rounded
from outpace.workload.prompts import Workload

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True)
class Asked:
    """What was asked for: ``arrivals`` as a user writes them, which made ``work``, under ``strategy``."""

    strategy: str
    arrivals: str
    work: Workload
    queue: int | None


def build(origin: Origin, asked: Asked, alone: BestAlone | None, run: Run, found: LoadFigures) -> dict[str, Any]:
    """The report of ``run`` as a document; ``alone`` is whose run it is, where that is the best single host's.

    What arrives is sent as it comes, whatever order is best of a batch.
    """
    verdict, reason = found.verdict()
    late = found.lateness
    return {
        **head(SCHEMA_VERSION, origin, asked.strategy, asked.work),
        "best_alone": alone and {"host": alone.host, "in_flight": alone.in_flight, "found": alone.found},
        "arrivals": {"asked": asked.arrivals, "queue": asked.queue},
        "summary": {
            "requests": found.requests,
            "unanswered": found.unanswered,
            "warm_up": found.warm_up,
            **{name: _estimates(each) for name, each in found.latencies.items()},
            "goodput": rounded(found.goodput_per_s, 6),
            "rate": rounded(found.rate_per_s, 6),
            "lateness_ms": {
                "mean": rounded(late.mean_ms),
                "p99": rounded(late.p99_ms),
                "worst": rounded(late.worst_ms),
            },
            "steady": found.steady,
            "void": found.void,
        },
        "slo": [
            {"figure": one.figure, "quantile": one.quantile, "limit_ms": one.limit_ms, "kept": kept}
            for one, kept in found.kept
        ],
        "gate": {"verdict": verdict, "reason": reason} if found.kept else None,
        "ended": run.ended,
        "makespan_ms": rounded(run.makespan_ms),
        "lag_ms": rounded(run.lag_ms),
        "requests": [in_microseconds(request) for request in run.requests],
        "failed_attempts": [in_microseconds(attempt) for attempt in run.failed_attempts],
    }


def _estimates(found: dict[str, Estimate]) -> dict[str, Any]:
    return {name: {key: rounded(value) for key, value in asdict(each).items()} for name, each in found.items()}


def write(path: Path, document: dict[str, Any]) -> None:
    """Validate ``document`` and put it at ``path`` whole.

    Raises ``DocumentInvalid`` and, where the folder cannot be written, ``OSError``.
    """
    write_json(path, document, "load")


def read(path: Path) -> dict[str, Any]:
    """Read and validate a report of a load; raises ``DocumentInvalid`` that says what is wrong and where."""
    return read_json(path, "load")
