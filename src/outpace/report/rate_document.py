"""The report of a search for sustainable rates, valid against ``schemas/rate.schema.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outpace.ground.documents import read_json, write_json
from outpace.ground.records import BestAlone
from outpace.judge.load import LoadFigures
from outpace.judge.replay_error import ReplayError
from outpace.judge.slo import Objective
from outpace.judge.sustainable import Rate, Trial
from outpace.report.document import Origin, head, rounded

SCHEMA_VERSION = "1.0"
FILE = "rate.json"
"""What the rates of a session are called, beside its other reports."""
QUANTILES = ("p50", "p95")


@dataclass(frozen=True)
class Asked:
    """What was searched for: ``arrivals`` as a user writes them, at most so many ``requests`` a run.

    ``trace_rate_per_s`` is the rate at which a trace came, None where there is none.
    """

    arrivals: str
    queue: int | None
    slo: tuple[Objective, ...]
    requests: int
    trace_rate_per_s: float | None = None


@dataclass(frozen=True)
class Made:
    """A trial, what its run showed, and how long that took."""

    trial: Trial
    figures: LoadFigures
    makespan_ms: float


@dataclass(frozen=True)
class Searched:
    """What was found of the set under a strategy, or of the best ``alone``: rate, gain, verdict, and all trials."""

    strategy: str
    alone: BestAlone | None
    hosts: Sequence[str]
    rate: Rate
    gain: Rate | None
    verdict: tuple[str, str] | None
    trials: Sequence[Made]


def build(origin: Origin, asked: Asked, found: Sequence[Searched], error: ReplayError | None = None) -> dict[str, Any]:
    """What was ``found`` as a document, the best alone among it; rates are requests a second.

    ``error`` is how far replays of the recorded loads were off, where a recording is what was searched.
    """
    begins = head(SCHEMA_VERSION, origin, "", origin.workload)
    del begins["strategy"]
    return {
        **begins,
        "arrivals": {
            "asked": asked.arrivals,
            "queue": asked.queue,
            "requests": asked.requests,
            "trace_rate_per_s": rounded(asked.trace_rate_per_s, 9),
        },
        "slo": [{"figure": one.figure, "quantile": one.quantile, "limit_ms": one.limit_ms} for one in asked.slo],
        "found": [
            {
                "strategy": each.strategy,
                "best_alone": each.alone and asdict(each.alone),
                "hosts": list(each.hosts),
                "rate_per_s": _rate(each.rate),
                "rate_gain": each.gain and _rate(each.gain),
                "gate": each.verdict and {"verdict": each.verdict[0], "reason": each.verdict[1]},
                "trials": [_trial(made) for made in each.trials],
            }
            for each in found
        ],
        "replay_error": error and {**asdict(error), "share": rounded(error.share, 6)},
    }


def _rate(rate: Rate) -> dict[str, float | None]:
    return {name: rounded(value, 6) for name, value in asdict(rate).items()}


def _trial(made: Made) -> dict[str, Any]:
    trial, figures = made.trial, made.figures
    return {
        "rate_per_s": rounded(trial.rate, 6),
        "answer": trial.look.answer,
        "overload": trial.look.overload,
        "requests": trial.look.requests,
        "share_kept": rounded(trial.look.share, 6),
        "ended": trial.brake,
        "void": trial.void,
        "makespan_ms": rounded(made.makespan_ms),
        **{
            name: {each: rounded(figures.latencies[name][each].value) for each in QUANTILES}
            for name in ("ttft_ms", "tpot_ms", "e2e_ms")
        },
        "slo_ms": [rounded(each) for each in figures.at_objectives],
    }


def write(path: Path, document: dict[str, Any]) -> None:
    """Validate ``document`` and put it at ``path`` whole.

    Raises ``DocumentInvalid`` and, where the folder cannot be written, ``OSError``.
    """
    write_json(path, document, "rate")


def read(path: Path) -> dict[str, Any]:
    """Read and validate a report of rates; raises ``DocumentInvalid`` that says what is wrong and where."""
    return read_json(path, "rate")
