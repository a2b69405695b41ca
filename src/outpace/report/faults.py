"""What went wrong in a session's runs: failed attempts by host and kind, and prompts that no host answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outpace.ground.errors import RequestFailed
from outpace.judge.comparison import HARMLESS
from outpace.report.shape import Failure, Unanswered
from outpace.report.views import kind_of
from outpace.report.words import Foreign


def _kinds(of: type[RequestFailed]) -> Iterator[tuple[str, str]]:
    yield of.kind, (of.__doc__ or "").partition("\n")[0]
    for each in of.__subclasses__():
        yield from _kinds(each)


MEANINGS = dict(_kinds(RequestFailed))
"""What each kind of failed attempt is, in the words in which the errors themselves say it."""


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
        yield number, "baseline", each["baseline"]
        yield number, "run", each["run"]
