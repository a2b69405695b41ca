"""The report of a pool: what each variation came to over its seeds, valid against ``schemas/pool.schema.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import outpace
from outpace.ground.documents import read_json, write_json
from outpace.judge.stats import median_interval
from outpace.report.document import rounded, this_machine
from outpace.simulation.pool import validation
from outpace.simulation.pool.many import Failure
from outpace.simulation.pool.played import Played
from outpace.simulation.pool.scenario import Scenario
from outpace.simulation.pool.variations import Variation

SCHEMA_VERSION = "1.0"
LATENCIES = tuple(f"{name}_{percent}_ms" for name in ("ttft", "e2e") for percent in ("p50", "p95", "p99"))

Document = Mapping[str, Any]


def build(scenario: Scenario, variations: Sequence[Variation], plays: Sequence[Sequence[Played | Failure]]) -> Document:
    """What came of each of ``variations`` of ``scenario``, as a document; at least one play of each, failed or not."""
    studies = validation.studies()
    return {
        "schema_version": SCHEMA_VERSION,
        "outpace": outpace.__version__,
        "machine": this_machine(),
        "name": scenario.name,
        "scenario": scenario.told,
        "variations": [_variation(each, mine, studies) for each, mine in zip(variations, plays, strict=True)],
    }


def _variation(
    variation: Variation, plays: Sequence[Played | Failure], studies: Sequence[validation.Study]
) -> dict[str, Any]:
    scenario = variation.scenario
    played = [each for each in plays if isinstance(each, Played)]
    seeds = [_seed(each, scenario) for each in played]
    return {
        "varied": variation.varied,
        "hosts": scenario.hosts,
        "away": rounded(scenario.away, 6),
        "coordinators": scenario.coordinators,
        "rule": scenario.rule,
        "knows": scenario.knows,
        "slo": [asdict(each) for each in scenario.slo],
        "gate": _gate(seeds),
        "trust": _trust(scenario, studies),
        "figures": _over_seeds([each["figures"] for each in seeds]),
        "cost": _over_seeds([each["cost"] for each in seeds]),
        "seeds": seeds,
        "failed": [asdict(each) for each in plays if isinstance(each, Failure)],
    }


def _trust(scenario: Scenario, studies: Sequence[validation.Study]) -> list[dict[str, Any]]:
    """How far simulation was from live pools in what is promised, as far as that was measured."""
    return [
        {"measured": study.measured, "command": study.command, "created": study.created, **asdict(held)}
        for study in studies
        for one in scenario.slo
        if (held := study.nearest(one, scenario.rule)) is not None
    ]


def _seed(played: Played, scenario: Scenario) -> dict[str, Any]:
    verdict, reason = played.verdict()
    return {
        "seed": played.seed,
        "verdict": verdict,
        "reason": reason,
        "requests": played.answered + played.failed,
        "figures": {name: rounded(value, 6) for name, value in _figures(played).items()},
        "cost": {name: rounded(value, 6) for name, value in _cost(played, scenario).items()},
    }


def _figures(played: Played) -> dict[str, float | None]:
    """What is equal to the last digit wherever it was played; shares are of 1."""
    load, requests = played.load, played.answered + played.failed
    worked_s = played.answered_s + played.left_s + played.spent_s
    latencies = {name: load.latencies[f"{name.partition('_')[0]}_ms"][name.split("_")[1]].value for name in LATENCIES}
    return {
        "rate_per_s": load.rate_per_s,
        "goodput_per_s": load.goodput_per_s,
        **latencies,
        "unanswered": played.failed / requests,
        "attempts_per_request": played.attempts / requests,
        "lost_with_hosts": played.left_s / worked_s if worked_s else None,
        "spent_in_vain": played.spent_s / worked_s if worked_s else None,
        "there": played.there_s / played.took_s if played.took_s else None,
        "utilisation": played.busy_s / played.there_s if played.there_s else None,
        "fairness": played.fairness,
        "open": played.open,
        "most_open": played.most_open,
    }


def _cost(played: Played, scenario: Scenario) -> dict[str, float | None]:
    cost = played.cost
    return {
        "cpu_s": cost.cpu_s,
        "core_share": cost.cpu_s / scenario.for_s / scenario.coordinators,
        "decisions_per_s": played.attempts / cost.cpu_s if cost.cpu_s else None,
        "choosing_us": cost.choosing_s / cost.choices * 1e6 if cost.choices else None,
        "memory_mib": cost.memory_mib,
    }


def _over_seeds(found: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """Median and interval of each figure over the seeds that tell it; None where none does."""
    names = found[0] if found else {}
    return {name: _interval([value for each in found if (value := each[name]) is not None]) for name in names}


def _interval(values: Sequence[float]) -> dict[str, float | None] | None:
    if not values:
        return None
    return {name: rounded(value, 6) for name, value in asdict(median_interval(values)).items()}


def _gate(seeds: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Kept where every seed keeps it, broken where more than half break it."""
    if not seeds:
        return {"verdict": "inconclusive", "reason": "No seed was played to its end."}
    verdicts = [each["verdict"] for each in seeds]
    kept, broken = verdicts.count("pass"), verdicts.count("fail")
    verdict = "pass" if kept == len(seeds) else "fail" if 2 * broken > len(seeds) else "inconclusive"
    first = next((each for each in seeds if each["verdict"] == verdict), seeds[0])
    if kept in (0, len(seeds)) and broken in (0, len(seeds)):
        return {"verdict": verdict, "reason": first["reason"]}
    return {
        "verdict": verdict,
        "reason": f"Kept by {kept} of {len(seeds)} seeds, broken by {broken}. {first['reason']}",
    }


def write(path: Path, document: Document) -> None:
    """Validate ``document`` and put it at ``path`` whole.

    Raises ``DocumentInvalid`` and, where the folder cannot be written, ``OSError``.
    """
    write_json(path, dict(document), "pool")


def read(path: Path) -> dict[str, Any]:
    """Read and validate the report of a pool; raises ``DocumentInvalid`` that says what is wrong and where."""
    return read_json(path, "pool")
