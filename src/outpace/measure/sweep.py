"""The sweep of a host's capacity: more and more requests at once, until throughput has told its story."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from outpace.ground.errors import EngineBusy, Unfinished
from outpace.ground.records import FailedAttempt, RequestRecord, Run
from outpace.judge import capacity
from outpace.judge.capacity import Capacity, HostCapacity, Level, classify, told_its_story
from outpace.measure.session import Session

LEVELS = tuple(2**doubled for doubled in range(1, 8))
MOST_BLOCKS, FEWEST_BLOCKS, REQUESTS = 5, 3, 12
"""So often are as many requests as a level means sent at once, each time beside one that has the host to itself: five
times, for an interval, or about twelve requests in all, as a block of many is a mean already."""
MOST_S = 180.0
"""No level, and no block of one, is begun that would keep a sweep busy for longer."""
MOST_ANSWER_S = MOST_S / (1 + LEVELS[0])
"""Of a host whose answers take longer not even the first block would be done by then."""
TRIES = 3
"""So often a host may be too busy for one request by itself."""


def sweep(session: Session, host: str) -> Capacity:
    """Measure what concurrency does to ``host``, and keep it in the session.

    It ends where throughput has told its story, with as many in flight as there are prompts, for no strategy has more,
    with as many as the host admits at once, and before what would take too long: a level, or more than one block of
    one. Raises ``Unfinished`` where the host leaves a prompt unanswered, or is too busy for a single one.
    """
    if (takes_s := answer_s(session, host)) > MOST_ANSWER_S:
        session.knowledge.capacities[host] = _unswept(session.knowledge.first[host], takes_s)
        return session.knowledge.capacities[host]
    began_s = session.now()
    levels: tuple[Level, ...] = ()
    refusals: list[Refusal] = []
    for levels in levels_of(session, host, blocks_in, began_s + MOST_S, refusals.append):
        spent_s = session.now() - began_s
        if told_its_story(levels) or spent_s + _next_s(levels) > MOST_S:
            break
    session.knowledge.capacities[host] = classify(levels, str(refusals[-1]) if refusals else None)
    return session.knowledge.capacities[host]


def answer_s(session: Session, host: str) -> float:
    """How long ``host`` took for its first answers on average, in seconds."""
    return fmean(each.wall_ms for each in session.knowledge.first[host]) / 1000


def _unswept(requests: Sequence[RequestRecord], takes_s: float) -> Capacity:
    """What the first answers show of a host of which a sweep would take too long."""
    tokens = fmean(1 if each.output_tokens is None else each.output_tokens for each in requests)
    found = classify([Level(1, tokens / takes_s, takes_s * 1000)])
    return replace(found, reason=f"Only one in flight was tried: a sweep of answers of {takes_s:.0f} s takes too long.")


class Refusal(Exception):
    """A host was busy, with a 429 or a 503, for what was more than ``admitted`` requests at once."""

    def __init__(self, admitted: int, said: str) -> None:
        super().__init__(f"more than {admitted} at once it refuses ({said})")
        self.admitted = admitted


def levels_of(
    session: Session,
    host: str,
    blocks_of: Callable[[int], int],
    until_s: float,
    refused: Callable[[Refusal], None] = lambda _: None,
) -> Iterator[tuple[Level, ...]]:
    """Measure ``host`` with more and more in flight, in so many blocks a level; gives all levels after each.

    Each level is measured beside requests that have the host to themselves, because machines drift; it has fewer
    blocks, one at least, where more would not be done by ``until_s`` of the session. The last is the first that has all
    prompts in flight, or, where a host has ``refused`` some of a level, has as many as it admitted of that. Raises
    ``Unfinished`` where the host leaves a prompt unanswered, or is too busy for a single one.
    """
    alone: list[Run] = []
    levels: list[Level] = []
    ahead = [*LEVELS]
    while ahead:
        in_flight = ahead.pop(0)
        try:
            levels.append(_measured_level(session, host, in_flight, blocks_of(in_flight), alone, until_s))
        except Refusal as refusal:
            refused(refusal)
            again = in_flight not in LEVELS
            most = max(level.in_flight for level in levels) if levels else 1
            ahead = [refusal.admitted] if refusal.admitted > most and not again else []
            if ahead:
                continue
        yield _level(1, alone), *levels
        if in_flight >= len(session.settings.workload.prompts):
            return


def _measured_level(
    session: Session, host: str, in_flight: int, blocks: int, alone: list[Run], until_s: float
) -> Level:
    """One level beside runs of one request, which are put to those ``alone``; raises ``Refusal``, ``Unfinished``."""
    together: list[Run] = []
    began_s = session.now()
    for block in range(blocks):
        now_s = session.now()
        if together and now_s + (now_s - began_s) / len(together) > until_s:
            break
        alone.append(_measured_alone(session, host, block))
        run = _measured(session, host, in_flight, block)
        if refusals := _refusals(run):
            admitted = in_flight - len({each.prompt for each in refusals})
            raise Refusal(max(1, admitted), refusals[0].error.partition(": ")[2])
        together.append(run)
    gains = tuple(
        tokens_per_s(several) / tokens_per_s(one)
        for several, one in zip(together, alone[-len(together) :], strict=True)
    )
    return _level(in_flight, together, gains, (session.now() - began_s) * 1000)


def blocks_in(in_flight: int) -> int:
    """How many blocks a level of so many in flight has."""
    return max(FEWEST_BLOCKS, min(MOST_BLOCKS, REQUESTS // in_flight))


def _next_s(levels: tuple[Level, ...]) -> float:
    """What the next level will take, if throughput stays what it is."""
    last = levels[-1]
    alone_ms, together_ms = levels[0].mean_ms, 2 * last.mean_ms
    return blocks_in(2 * last.in_flight) * (alone_ms + together_ms) / 1000


def _measured(session: Session, host: str, in_flight: int, block: int) -> Run:
    run = session.load(host, in_flight, first=block)
    if run.failed:
        first = run.failed[0]
        raise Unfinished(f"{host} left prompt {first.prompt} unanswered with {in_flight} in flight: {first.error}")
    return run


def _measured_alone(session: Session, host: str, block: int) -> Run:
    """A run of one request, made again where somebody else kept the host so busy that it did not take it at once."""
    for _ in range(TRIES):
        run = _measured(session, host, 1, block)
        if not (refusals := _refusals(run)):
            return run
    raise Unfinished(f"{host} takes not even one request at a time: {refusals[0].error}")


def _refusals(run: Run) -> list[FailedAttempt]:
    return [each for each in run.failed_attempts if each.kind == EngineBusy.kind]


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
