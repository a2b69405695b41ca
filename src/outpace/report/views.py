"""Runs as they can be drawn: which round stands for a strategy, and a bar for each of its requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outpace.report.latency import split, trip_alone, trips
from outpace.report.shape import Bar, Timeline, View
from outpace.report.words import Foreign

TOUCHING_MS = 0.01
"""Two requests that overlap by less, as rounded figures may, follow one another."""
ONE_AT_A_TIME = ("sequential", "serial-per-side")
"""By their definition no request of these overlaps another on its host."""


def kind_of(attempt: Mapping[str, Any]) -> str:
    """The short name that an error begins with."""
    return str(attempt["error"]).partition(":")[0].strip() or "failed"


def timeline_of(document: Mapping[str, Any]) -> Timeline | None:
    """The round whose ratio is nearest to the median, drawn; None where no round tells enough to draw anything."""
    rounds = document["rounds"]
    middle = document["summary"]["overhead_ratio"]["median"]

    def strangeness(index: int) -> tuple[bool, float, int]:
        found = rounds[index]["overhead_ratio"]
        far = 0.0 if found is None or middle is None else abs(found - middle)
        return (found is None, far, index)

    trips_ms = trips(document)
    for index in sorted(range(len(rounds)), key=strangeness):
        run = _view(rounds[index]["run"], lambda each: trips_ms.get(each["host"]))
        if run.bars:
            baseline = _view(rounds[index]["baseline"], lambda each: trip_alone(each, trips_ms))
            return Timeline(Foreign(document["strategy"]), index + 1, len(rounds), run, baseline)
    return None


def most_in_flight(view: View) -> dict[str, int]:
    """How many requests each host had at once, at most."""
    changes = sorted(
        (time_ms, step, bar.host)
        for bar in view.bars
        for time_ms, step in ((bar.start_ms + TOUCHING_MS, 1), (bar.start_ms + bar.wall_ms, -1))
    )
    now: dict[str, int] = {}
    most: dict[str, int] = {}
    for _, step, host in changes:
        now[host] = now.get(host, 0) + step
        most[host] = max(most.get(host, 0), now[host])
    return most


def _view(run: Mapping[str, Any], trip_of: Callable[[Mapping[str, Any]], float | None]) -> View:
    attempts = [each for each in run.get("failed_attempts") or () if None not in (each["start_ms"], each["wall_ms"])]
    tried = {each["prompt"] for each in attempts}
    # The record of a prompt that no host answered repeats its last attempt.
    requests = [
        each
        for each in run["requests"]
        if None not in (each["host"], each["wall_ms"]) and (each["error"] is None or each["prompt"] not in tried)
    ]
    assumed = run["strategy"] in ONE_AT_A_TIME and all(each["start_ms"] is None for each in requests)
    free: dict[str, float] = {}
    bars = []
    for each in requests:
        start = free.get(each["host"], 0.0) if assumed else each["start_ms"]
        if start is None:
            continue
        free[each["host"]] = start + each["wall_ms"]
        bars.append(_bar(each, start, trip_of(each)))
    for each in attempts:
        bars.append(Bar(each["prompt"], Foreign(each["host"]), each["start_ms"], each["wall_ms"], (), 1, kind_of(each)))
    names = dict.fromkeys([*run["hosts"], *(bar.host for bar in bars)])
    drawn = sum(bar.failed is None for bar in bars)
    answered = sum(each["error"] is None for each in run["requests"])
    return View(
        tuple(map(Foreign, names)), run["makespan_ms"], tuple(bars), max(0, answered - drawn), assumed and bool(bars)
    )


def _bar(request: Mapping[str, Any], start: float, trip_ms: float | None) -> Bar:
    failed = None if request["error"] is None else kind_of(request)
    parts = () if failed else tuple(split(request, trip_ms).items())
    attempts = request["attempts"] or 1
    return Bar(request["prompt"], Foreign(request["host"]), start, request["wall_ms"], parts, attempts, failed)
