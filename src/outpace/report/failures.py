"""What went wrong in a session's runs: failed attempts by host and kind, and prompts that no host answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outpace.ground.errors import RequestFailed
from outpace.judge.comparison import HARMLESS
from outpace.report.blocks import LONG, NUMBER, TEXT, Table
from outpace.report.words import Foreign, joined

MOST_UNANSWERED = 20
RUNS = {"baseline": "the baseline", "alone": "the best alone", "run": "the run"}


@dataclass(frozen=True)
class Failure:
    """One kind of failed attempt on one host, over all runs of all strategies."""

    host: Foreign
    kind: Foreign
    meaning: str
    count: int
    harmless: bool
    strategies: tuple[Foreign, ...]
    example: Foreign


@dataclass(frozen=True)
class Unanswered:
    """One prompt that no host answered."""

    strategy: Foreign
    round: int
    run: str
    prompt: int
    error: Foreign


def _kinds(of: type[RequestFailed]) -> Iterator[tuple[str, str]]:
    yield of.kind, (of.__doc__ or "").partition("\n")[0]
    for each in of.__subclasses__():
        yield from _kinds(each)


MEANINGS = dict(_kinds(RequestFailed))
"""What each kind of failed attempt is, in the words in which the errors themselves say it."""


def kind_of(attempt: Mapping[str, Any]) -> str:
    """The short name that an error begins with."""
    return str(attempt["error"]).partition(":")[0].strip() or "failed"


def failures_of(documents: Sequence[Mapping[str, Any]]) -> tuple[Failure, ...]:
    """Every kind of failed attempt that was met, the harmful ones first and the most frequent of them before others."""
    met: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for document in documents:
        for _, _, run in _runs(document):
            for attempt in run.get("failed_attempts") or ():
                found = met.setdefault((attempt["host"], kind_of(attempt)), [])
                found.append((document["strategy"], attempt["error"]))
    failures = [
        Failure(
            Foreign(host),
            Foreign(kind),
            MEANINGS.get(kind, "An attempt failed."),
            len(found),
            kind in HARMLESS,
            tuple(dict.fromkeys(Foreign(strategy) for strategy, _ in found)),
            Foreign(found[0][1]),
        )
        for (host, kind), found in met.items()
    ]
    return tuple(sorted(failures, key=lambda each: (each.harmless, -each.count, each.host, each.kind)))


def unanswered_of(documents: Sequence[Mapping[str, Any]]) -> tuple[Unanswered, ...]:
    """Every prompt that was answered by no host, with its reason."""
    return tuple(
        Unanswered(Foreign(document["strategy"]), number, which, request["prompt"], Foreign(request["error"]))
        for document in documents
        for number, which, run in _runs(document)
        for request in run["requests"]
        if request["error"] is not None
    )


def _runs(document: Mapping[str, Any]) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    for number, each in enumerate(document["rounds"], start=1):
        for which in ("baseline", "alone", "run"):
            if each[which] is not None:
                yield number, RUNS[which], each[which]


def failures_table(found: Sequence[Failure]) -> Table:
    """Kinds of failed attempts by host."""
    return Table(
        "Attempts that gave no answer, in all rounds",
        {"host": TEXT, "kind": TEXT, "attempts": NUMBER, "under": TEXT, "what it is": LONG},
        [
            (
                each.host,
                (each.kind, " (harmless)" if each.harmless else ""),
                f"{each.count:,}",
                joined(each.strategies, ", "),
                (f"{each.meaning} For example: ", each.example),
            )
            for each in found
        ],
    )


def unanswered_table(found: Sequence[Unanswered]) -> Table:
    """Prompts that no host answered, the first of them."""
    left_out = len(found) > MOST_UNANSWERED
    return Table(
        "Prompts that no host answered" + (f", the first {MOST_UNANSWERED} of {len(found):,}" if left_out else ""),
        {"prompt": NUMBER, "strategy": TEXT, "round": NUMBER, "in": TEXT, "reason": LONG},
        [(f"{each.prompt}", each.strategy, f"{each.round}", each.run, each.error) for each in found[:MOST_UNANSWERED]],
    )
