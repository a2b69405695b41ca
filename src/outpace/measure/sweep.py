"""The sweep of a host's capacity: more and more requests at once, until throughput has told its story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
MOST_S = 180.0
"""No level is begun that would keep a sweep busy for longer."""


def sweep(session: Session, host: str) -> Capacity:
    """Measure what concurrency does to ``host``, and keep it in the session.

    It ends where throughput has told its story, with as many in flight as there are prompts, for no strategy has more,
    and before a level that would take too long. Raises ``Unfinished`` where the host leaves a prompt unanswered.
    """
    began_s = session.now()
    levels: tuple[Level, ...] = ()
    for levels in levels_of(session, host, _blocks):
        spent_s = session.now() - began_s
        if told_its_story(levels) or spent_s + _next_s(levels) > MOST_S:
            break
    session.knowledge.capacities[host] = classify(levels)
    return session.knowledge.capacities[host]


def levels_of(session: Session, host: str, blocks_of: Callable[[int], int]) -> Iterator[tuple[Level, ...]]:
    """Measure ``host`` with more and more in flight, in so many blocks a level; gives all levels after each.

    Each level is measured beside requests that have the host to themselves, because machines drift. The last is the
    first that has all prompts in flight. Raises ``Unfinished`` where the host leaves a prompt unanswered.
    """
    alone: list[Run] = []
    levels: list[Level] = []
    for in_flight in LEVELS:
        together: list[Run] = []
        blocks = blocks_of(in_flight)
        began_s = session.now()
        for block in range(blocks):
            alone.append(_measured(session, host, 1, block))
            together.append(_measured(session, host, in_flight, block))
        gains = tuple(
            tokens_per_s(several) / tokens_per_s(one) for several, one in zip(together, alone[-blocks:], strict=True)
        )
        levels.append(_level(in_flight, together, gains, (session.now() - began_s) * 1000))
        yield _level(1, alone), *levels
        if in_flight >= len(session.settings.workload.prompts):
            return


def _blocks(in_flight: int) -> int:
    return max(FEWEST_BLOCKS, min(MOST_BLOCKS, REQUESTS // in_flight))


def _next_s(levels: tuple[Level, ...]) -> float:
    """What the next level will take, if throughput stays what it is."""
    last = levels[-1]
    alone_ms, together_ms = levels[0].mean_ms, 2 * last.mean_ms
    return _blocks(2 * last.in_flight) * (alone_ms + together_ms) / 1000


def _measured(session: Session, host: str, in_flight: int, block: int) -> Run:
    run = session.load(host, in_flight, first=block)
    if run.failed:
        first = run.failed[0]
        raise Unfinished(f"{host} left prompt {first.prompt} unanswered with {in_flight} in flight: {first.error}")
    return run


def _level(in_flight: int, runs: list[Run], gains: tuple[float, ...] = (), took_ms: float | None = None) -> Level:
    walls_ms = [request.wall_ms for run in runs for request in run.requests]
    return Level(in_flight, fmean(tokens_per_s(run) for run in runs), fmean(walls_ms), gains, took_ms)


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
