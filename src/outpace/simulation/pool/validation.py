"""How far simulated pools were from live ones, where both were measured: ``validation.json``, which a study writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outpace.ground import documents
from outpace.judge.slo import Objective

PATH = Path(__file__).with_name("validation.json")


@dataclass(frozen=True)
class Held:
    """One figure of pools under ``rule``: medians over the runs, ``live`` and ``simulated``, and how far apart.

    ``figure`` is a latency in ms by its name and quantile ("ttft_p95_ms"), "goodput_per_s" or "attempts_per_request".
    ``error`` is the simulated median / the live one - 1, ``worst`` that of the one run whose own is largest.
    """

    rule: str
    figure: str
    live: float
    simulated: float
    error: float
    worst: float


@dataclass(frozen=True)
class Study:
    """What was ``measured`` live, in so many ``runs`` for each rule, by which ``command``, and when (ISO 8601)."""

    measured: str
    command: str
    created: str
    runs: int
    held: tuple[Held, ...]

    def nearest(self, one: Objective, rule: str) -> Held | None:
        """What was found of the figure that ``one`` promises, at the quantile next to its own.

        That is of ``rule``, if it was tried, else of the one that was farthest off; None where nothing was.
        """
        told = [(abs(at - one.quantile), each) for each in self.held if (at := _quantile(each, one)) is not None]
        least = min((apart for apart, _ in told), default=0.0)
        nearest = [each for apart, each in told if apart == least]
        return max(nearest, key=lambda each: (each.rule == rule, abs(each.worst)), default=None)


def _quantile(held: Held, one: Objective) -> float | None:
    figure, _, rest = held.figure.partition("_p")
    return float(rest.removesuffix("_ms")) / 100 if figure == one.figure and rest.endswith("_ms") else None


def studies() -> tuple[Study, ...]:
    """What has been measured; raises ``DocumentInvalid``."""
    found = documents.read_json(PATH, "validation")["studies"]
    return tuple(Study(**{**each, "held": tuple(Held(**held) for held in each["held"])}) for each in found)


def keep(study: Study, others: Sequence[Study]) -> None:
    """Put ``study`` among the ``others``, in place of an earlier one of the same."""
    kept: list[dict[str, Any]] = [asdict(each) for each in others if each.measured != study.measured]
    documents.write_json(PATH, {"schema_version": "1.0", "studies": [*kept, asdict(study)]}, "validation")
