"""Where the time of requests went: network, queue, model load, prompt, generation, as far as engines tell.

Parts are laid one after another from the moment of sending. The network's is wall - server time, or a round trip where
that would take in a wait; both its ways are put first, for how it divides is not known. What an engine does not tell
is within the part that follows it, and is never called zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from outpace.report.blocks import NUMBER, TEXT, Table
from outpace.report.words import NOT_TOLD, Foreign, Words, ms, share

PARTS = {
    "network": "network",
    "queue": "queue",
    "load": "model load",
    "prompt": "prompt to first token",
    "generation": "generation",
    "working": "at work, not told apart",
}
"""The parts of a request's time in their order, and what a person calls them."""
ONE_BY_ONE, AT_ITS_BEST = " alone", " at its best"
"""What stands behind the name of a host that has the whole workload: the baseline's, and the best alone."""
Told = dict[str, float]


@dataclass(frozen=True)
class Part:
    """One part of the time of a host's answers, of the ``told`` of them that tell it; ``share`` is of all wall time."""

    told: int
    median_ms: float
    mean_ms: float
    share: float | None
    inferred: bool


@dataclass(frozen=True)
class HostTime:
    """Where one host's time went in all of a strategy's runs, or in the baseline's; only told parts are in ``parts``.

    ``added_ms`` is the mean of the added latency.
    """

    host: Foreign
    answers: int
    wall_ms: float | None
    parts: Mapping[str, Part]
    added_ms: float | None
    added_source: str | None
    network_share: float | None
    ms_per_token: float | None


@dataclass(frozen=True)
class Latency:
    """Where the time went under one strategy, host by host, and in the runs on one host beside it, by what they are."""

    strategy: Foreign
    hosts: tuple[HostTime, ...]
    alone: tuple[tuple[str, HostTime], ...]


def split(request: Mapping[str, Any], trip_ms: float | None) -> Told:
    """The parts that are told of one answer, in their order; together they are its wall time.

    ``trip_ms`` is the host's round trip where wall - server time is no measure of its network; what is then left of it
    is taken for the wait in a queue.
    """
    wall, server = request["wall_ms"], request["server_ms"]
    told: Told = {}
    left = wall

    def take(name: str, time_ms: float | None) -> None:
        nonlocal left
        if time_ms is not None:
            told[name] = min(max(time_ms, 0.0), left)
            left -= told[name]

    beyond = None if server is None else wall - server
    take("network", beyond if trip_ms is None else min(trip_ms, wall if beyond is None else max(0.0, beyond)))
    inferred = None if trip_ms is None or server is None else left - server
    take("queue", inferred if request["queue_ms"] is None else request["queue_ms"])
    take("load", request["load_ms"])
    first_ms = request["first_token_ms"]
    if first_ms is None:
        told["working"] = left
    else:
        take("prompt", first_ms - (wall - left))
        told["generation"] = left
    return told


def trips(document: Mapping[str, Any]) -> dict[str, float]:
    """The mean round trip of those hosts whose network is told by round trips, from a report's summary."""
    return {
        name: figures["added_latency_ms"]["mean"]
        for name, figures in document["summary"]["hosts"].items()
        if figures.get("added_latency_source") == "round trips"
        and (figures["added_latency_ms"] or {}).get("mean") is not None
    }


def trip_alone(request: Mapping[str, Any], trips_ms: Mapping[str, float]) -> float | None:
    """The round trip for a request of the baseline: one at a time, wall - server time holds no wait and goes first."""
    return trips_ms.get(request["host"]) if request["server_ms"] is None else None


def latency_of(document: Mapping[str, Any]) -> Latency:
    """Where the time went in all rounds of one report."""
    trips_ms = trips(document)
    runs = [_answers(each["run"]) for each in document["rounds"]]
    one_by_one = [request for each in document["rounds"] for request in _answers(each["baseline"])]
    at_best = [request for each in document["rounds"] if each["alone"] for request in _answers(each["alone"])]
    by_host: dict[str, list[Mapping[str, Any]]] = {}
    for request in (request for run in runs for request in run):
        by_host.setdefault(request["host"], []).append(request)
    known = [each["name"] for each in document["hosts"]]
    names = [*(name for name in known if name in by_host), *(name for name in by_host if name not in known)]
    alone = []
    if one_by_one:
        trip_ms = trip_alone(one_by_one[0], trips_ms)
        alone.append((ONE_BY_ONE, _host_time(one_by_one[0]["host"], one_by_one, trip_ms, None)))
    if at_best:
        host = at_best[0]["host"]
        alone.append((AT_ITS_BEST, _host_time(host, at_best, trips_ms.get(host), None)))
    return Latency(
        Foreign(document["strategy"]),
        tuple(
            _host_time(name, by_host[name], trips_ms.get(name), document["summary"]["hosts"].get(name))
            for name in names
        ),
        tuple(alone),
    )


def _answers(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in run["requests"] if each["error"] is None and each["host"] and each["wall_ms"] is not None]


def _host_time(
    name: str, requests: Sequence[Mapping[str, Any]], trip_ms: float | None, figures: Mapping[str, Any] | None
) -> HostTime:
    splits = [split(request, trip_ms) for request in requests]
    whole_ms = sum(request["wall_ms"] for request in requests)
    queue_told = any(request["queue_ms"] is not None for request in requests)
    parts: dict[str, Part] = {}
    for part in PARTS:
        if told := [each[part] for each in splits if part in each]:
            shares = sum(told) / whole_ms if whole_ms else None
            parts[part] = Part(len(told), median(told), fmean(told), shares, part == "queue" and not queue_told)
    figures = figures or {}
    return HostTime(
        Foreign(name),
        len(requests),
        median(request["wall_ms"] for request in requests) if requests else None,
        parts,
        (figures.get("added_latency_ms") or {}).get("mean"),
        figures.get("added_latency_source"),
        figures.get("network_share"),
        figures.get("ms_per_token"),
    )


def table(found: Latency) -> Table:
    """Where the time of one strategy's answers went, host by host: medians, and shares of all wall time.

    The parts that no engine told have no column: the caption names them.
    """
    lines: list[tuple[HostTime, Words]] = [(host, (host.host,)) for host in found.hosts]
    lines += [(host, (host.host, what)) for what, host in found.alone]
    kept = [name for name in PARTS if any(name in host.parts for host, _ in lines)]
    silent = [head for name, head in PARTS.items() if name not in kept and name != "working"]
    caption = f"Medians under {found.strategy}, and shares of all wall time"
    if silent:
        caption += f". {NOT_TOLD.capitalize()} by any engine here: {', '.join(silent)}"
    heads = ("answers", "wall", *(PARTS[name] for name in kept), "added latency, mean")
    return Table(
        caption,
        {"host": TEXT} | dict.fromkeys(heads, NUMBER),
        [
            (
                name,
                f"{host.answers:,}",
                ms(host.wall_ms),
                *(_cell(host.parts.get(part)) for part in kept),
                NOT_TOLD if host.added_ms is None else f"{ms(host.added_ms)} ({host.added_source or NOT_TOLD})",
            )
            for host, name in lines
        ],
    )


def _cell(part: Part | None) -> str:
    if part is None:
        return NOT_TOLD
    return f"{ms(part.median_ms)}, {share(part.share)}" + (" (inferred)" if part.inferred else "")
