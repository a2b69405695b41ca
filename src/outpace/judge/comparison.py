"""From rounds to a comparison: is the set of hosts faster than its fastest one alone, by how much, and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from outpace.ground.records import BestAlone, RequestRecord, Round, Run, overhead_ratios, overlap, set_gains
from outpace.judge import interruptions
from outpace.judge.stats import Interval, rounds_interval

SAME_WORK_TOLERANCE = 0.05
OWN = "own"
"""What the coordinator's machine could not do is no host's failure."""
BUSY = "busy"
"""A host that has its hands full says so, and is asked again when it has rested: it did not fail."""
HARMLESS = ("stale", "spent")
"""A kept connection that the engine had closed is replaced within a millisecond or two; a copy lost to its rival."""
CLOCKS_DIFFER_MS = 5.0
COLD_LOAD_MS = 100.0
"""Ollama tells a few milliseconds of load for a model that is loaded already, hundreds for one that is not."""


@dataclass(frozen=True)
class HostFigures:
    """What one host did in the strategy's runs, over all rounds; latencies in milliseconds.

    ``added_latency_ms`` is (mean, min, max) of wall - server, or of the round trips of a cheap request where the
    engine tells no server time; ``source`` says which: "server time" or "round trips". ``network_share`` is the sum
    of added latency / the sum of wall. ``ms_per_token`` is server time (wall where there is none) / output tokens.
    """

    requests: int
    added_latency_ms: tuple[float, float, float] | None
    source: str | None
    network_share: float | None
    ms_per_token: float | None


@dataclass(frozen=True)
class Comparison:
    """A strategy against the baseline, and the best alone, over its finished rounds.

    ``ratio`` is None where no round finished; ``gain``, the set gain, also where the best alone was not measured.
    ``impossible`` tells by its name what cannot be in its rounds, and what was seen: its figures are not its hosts'.
    ``among`` is of how many strategies it was chosen as the best, where its interval is that of one that was.
    """

    strategy: str
    rounds: int
    ratio: Interval | None
    ratios: tuple[float, ...]
    speedup: float | None
    dispatch_efficiency: float | None
    ratio_per_token: float | None
    hosts: dict[str, HostFigures]
    notes: tuple[str, ...]
    gain: Interval | None = None
    gains: tuple[float, ...] = ()
    best_alone: BestAlone | None = None
    impossible: Mapping[str, str] = field(default_factory=dict)
    among: int = 1


def compare(
    strategy: str,
    hosts: Sequence[str],
    rounds: Sequence[Round],
    round_trips_ms: Mapping[str, Sequence[float]] | None = None,
    queue_left_out: Container[str] = (),
    remarks: Sequence[str] = (),
    best_alone: BestAlone | None = None,
    impossible: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare ``rounds`` of ``strategy`` over ``hosts``; ``best_alone`` is what their runs of it were made on.

    ``round_trips_ms`` are those of cheap requests, by host. ``queue_left_out`` names the hosts whose engine tells a
    server time without the wait in its queue: where requests of theirs overlapped, wall - server would call that
    wait network, and the round trips are told instead. ``remarks`` are kept among the notes. ``impossible`` is what
    was found that cannot be.
    """
    ratios, gains = overhead_ratios(rounds), set_gains(rounds)
    interval = rounds_interval(ratios) if ratios else None
    runs = [each.run for each in rounds]
    figures = {
        host: _host_figures(
            [request for run in runs for request in run.requests if request.host == host and request.error is None],
            (round_trips_ms or {}).get(host, ()),
            server_time_whole=host not in queue_left_out or not any(_overlapped(run, host) for run in runs),
        )
        for host in hosts
    }
    uneven = _uneven_tokens(each.token_difference for each in rounds if each.run.output_tokens)
    per_token = [ratio for each in rounds if (ratio := each.overhead_ratio_per_token) is not None]
    efficiencies = [run.lower_bound_ms / run.makespan_ms for run in runs if run.lower_bound_ms and run.makespan_ms]
    return Comparison(
        strategy,
        len(rounds),
        interval,
        ratios,
        1 / interval.median if interval and interval.median else None,
        median(efficiencies) if efficiencies else None,
        median(per_token) if per_token and uneven else None,
        figures,
        (*_notes(rounds, uneven), *interruptions.notes(rounds), *remarks),
        rounds_interval(gains) if gains else None,
        gains,
        best_alone,
        impossible or {},
    )


def _overlapped(run: Run, host: str) -> bool:
    return overlap(request for request in run.requests if request.host == host)


def _host_figures(
    requests: Sequence[RequestRecord], round_trips_ms: Sequence[float], *, server_time_whole: bool
) -> HostFigures:
    wall = sum(request.wall_ms for request in requests)
    added = [overhead for request in requests if (overhead := request.overhead_ms) is not None]
    source, share = "server time", None
    if added and len(added) == len(requests) and server_time_whole:
        share = _share(sum(added), wall)
    else:
        added, source = list(round_trips_ms), "round trips"
        share = _share(fmean(added) * len(requests), wall) if added else None
    tokens = sum(request.output_tokens or 0 for request in requests)
    busy = sum(request.wall_ms if request.server_ms is None else request.server_ms for request in requests)
    return HostFigures(
        len(requests),
        (fmean(added), min(added), max(added)) if added and requests else None,
        source if added and requests else None,
        share,
        busy / tokens if tokens else None,
    )


def _share(part_ms: float, whole_ms: float) -> float | None:
    """``part_ms`` / ``whole_ms``, None where that is no number: of no time at all there is no share."""
    share = part_ms / whole_ms if whole_ms else math.inf
    return share if math.isfinite(share) else None


def _uneven_tokens(differences: Iterable[float | None]) -> float | None:
    """The largest relative difference of output tokens within a round, where it is more than may be ignored."""
    worst = max((difference or 0.0 for difference in differences), default=0.0)
    return worst if worst > SAME_WORK_TOLERANCE else None


def _impossible(request: RequestRecord) -> bool:
    """Whether the engine says that it worked for longer than its client waited, by more than clocks differ."""
    return request.server_ms is not None and request.server_ms > request.wall_ms * 1.01 + CLOCKS_DIFFER_MS


def _gone(run: Run) -> set[str]:
    """The hosts that were tried in ``run`` and answered nothing."""
    answered = {request.host for request in run.requests if request.error is None}
    return {attempt.host for attempt in run.failed_attempts if attempt.kind not in (*HARMLESS, OWN)} - answered


def _notes(rounds: Sequence[Round], uneven: float | None) -> list[str]:
    """What stands beside the ratio, in words, because it bears on what the ratio means."""
    notes = []
    if uneven is not None:
        notes.append(
            f"Not the same work: output tokens of run and baseline differ by up to {uneven:.0%}; see the ratio a token."
        )
    uneven_alone = _uneven_tokens(each.token_difference_alone for each in rounds if each.alone is not each.baseline)
    if uneven_alone is not None:
        notes.append(
            f"Not the same work: output tokens of run and best alone differ by up to {uneven_alone:.0%}; so far the "
            "set gain may be off."
        )
    runs: list[Run] = [run for each in rounds for run in each.runs]
    failed = sum(len(run.failed) for run in runs)
    if failed:
        notes.append(f"{failed} prompts were answered by no host; their rounds have no ratio.")
    kinds = Counter(attempt.kind for run in runs for attempt in run.failed_attempts)
    if kinds[BUSY]:
        notes.append(
            f"{kinds[BUSY]} times a host was too busy to take a request (429 or 503), which was sent again later; that "
            "time is in the makespans. A sweep, or --limits=adaptive, finds out how many at once it takes."
        )
    retried = sum(count for kind, count in kinds.items() if kind not in (*HARMLESS, BUSY))
    if retried:
        notes.append(f"{retried} attempts failed and were made again; the time they took is in the makespans.")
    if kinds[OWN]:
        notes.append(
            f"{kinds[OWN]} of these failed on the machine that outpace runs on, which had no means left for a "
            "connection."
        )
    spent_ms = [attempt.wall_ms for run in runs for attempt in run.failed_attempts if attempt.kind == "spent"]
    if spent_ms:
        notes.append(
            f"Copies of stragglers that were sent to a second host: {len(spent_ms)}. The attempts that lost took "
            f"{sum(spent_ms):.0f} ms of hosts' time."
        )
    gone = Counter(host for each in rounds for host in _gone(each.run))
    notes += [
        f"{host} failed, and answered nothing, in {times} of {len(rounds)} rounds." for host, times in gone.items()
    ]
    loads = [load for run in runs for request in run.requests if (load := request.load_ms or 0.0) > COLD_LOAD_MS]
    if loads:
        notes.append(
            f"A model was loaded inside a round {len(loads)} times; the slowest load took {max(loads):.0f} ms."
        )
    notes += [
        f"{host} told server times longer than its requests took, which cannot be: its added latency means nothing."
        for host in dict.fromkeys(request.host for run in runs for request in run.requests if _impossible(request))
    ]
    cached = sum(request.cached_tokens or 0 for run in runs for request in run.requests)
    if cached:
        notes.append(f"{cached} prompt tokens came out of an engine's cache.")
    return notes
