"""The sweep of a host's capacity: more and more requests at once, until throughput has told its story."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from outpace.ground.errors import Unfinished
from outpace.ground.records import Run
from outpace.judge import capacity
from outpace.judge.capacity import Capacity, HostCapacity, Level, classify, told_its_story
from outpace.measure.session import Session

LEVELS = tuple(2**doubled for doubled in range(1, 8))
MOST_BLOCKS, FEWEST_BLOCKS, REQUESTS = 5, 3, 12
"""So often are as many requests as a level means sent at once, each time beside one that has the host to itself: five
times, for an interval, or about twelve requests in all, as a block of many is a mean already."""


def sweep(session: Session, host: str) -> Capacity:
    """Measure what concurrency does to ``host``, and keep it in the session.

    Each level is measured beside requests that have the host to themselves, because machines drift. Raises
    ``Unfinished`` where the host leaves a prompt unanswered.
    """
    alone: list[Run] = []
    levels: list[Level] = []
    for in_flight in LEVELS:
        together: list[Run] = []
        blocks = max(FEWEST_BLOCKS, min(MOST_BLOCKS, REQUESTS // in_flight))
        for block in range(blocks):
            alone.append(_measured(session, host, 1, block))
            together.append(_measured(session, host, in_flight, block))
        gains = tuple(
            tokens_per_s(several) / tokens_per_s(one) for several, one in zip(together, alone[-blocks:], strict=True)
        )
        levels.append(_level(in_flight, together, gains))
        if told_its_story([_level(1, alone), *levels]):
            break
    session.knowledge.capacities[host] = classify([_level(1, alone), *levels])
    return session.knowledge.capacities[host]


def _measured(session: Session, host: str, in_flight: int, block: int) -> Run:
    run = session.load(host, in_flight, first=block)
    if run.failed:
        first = run.failed[0]
        raise Unfinished(f"{host} left prompt {first.prompt} unanswered with {in_flight} in flight: {first.error}")
    return run


def _level(in_flight: int, runs: list[Run], gains: tuple[float, ...] = ()) -> Level:
    walls_ms = [request.wall_ms for run in runs for request in run.requests]
    return Level(in_flight, fmean(tokens_per_s(run) for run in runs), fmean(walls_ms), gains)


def tokens_per_s(run: Run) -> float:
    """Throughput of a run; answers count where the engine tells no tokens."""
    done = len(run.requests) if run.output_tokens is None else run.output_tokens
    return done / run.makespan_ms * 1000


def write_capacities(session: Session, path: Path) -> None:
    """Keep what is known of the hosts' capacities at ``path``; raises ``OSError``."""
    origin = session.origin
    found = session.knowledge.capacities
    hosts = [
        HostCapacity(host.name, host.url, host.engine, host.engine_version, host.model, found[host.name])
        for host in origin.hosts
        if host.name in found
    ]
    capacity.write(path, capacity.to_document(origin.created, origin.source, hosts))
