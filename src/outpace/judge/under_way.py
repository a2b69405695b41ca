"""A load while it is under way: whether its SLO is seen to be kept or broken already, and whether its queue grows.

One looks again and again, so each look is held to more than a single one at the end would be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outpace.ground.records import RequestRecord
from outpace.judge import quantiles, steadiness
from outpace.judge.slo import Kept, Latency, Objective, judged_together, latency_of

OVERLOAD = "the queue grew"
"""Why a run is ended early in which requests pile up."""
FIRST_LOOK = 10
LOOKS_APART = 1.3
"""Each look has so many times as many requests as the one before: there are few of them, and none comes late."""
CONFIDENCE = 0.998
"""Of one look, tested on both sides. Where an SLO is just kept, and none of its looks should tell, a run of a thousand
requests is called kept in 5 % of runs, and broken in 0.5 %: tests/studies/rate_search.py."""
START_SHARE = 10
"""One request in so many, the first ones, met hosts that had nothing to do yet, and is left out."""
GROWTH_DEVIATIONS = 5.0
"""A queue that is found to grow while one looks again and again; at its end a run is held to half of that."""


@dataclass(frozen=True)
class Look:
    """What a load shows so far: the answer on its SLO, of how many requests, and the share that kept all of it.

    ``kept`` is the share for each objective.
    """

    answer: Kept
    requests: int
    share: float
    kept: tuple[quantiles.Kept, ...] = ()
    overload: bool = False


def look(
    objectives: Sequence[Objective],
    finished: Iterable[RequestRecord],
    waiting: Sequence[tuple[float, bool]],
    now: float,
) -> Look:
    """Look at a load ``now``, in ms since it began: what has ``finished``, and when each that is ``waiting`` was due.

    Those who wait tell, too, whether a host was tried with them. An overload breaks the SLO, whatever it promises.
    """
    finished = sorted(finished, key=lambda each: each.due_ms)
    found = decided(objectives, [latency_of(each) for each in finished], waiting, now)
    counted = found[len(found) // START_SHARE :]
    share = sum(all(one.within(each) for one in objectives) for each in counted) / len(counted) if counted else 0.0
    kept = tuple(one.share_of(counted) for one in objectives)
    if grows(finished, waiting, now):
        return Look("breaks", len(counted), share, kept, overload=True)
    return Look(judged_together(objectives, kept, CONFIDENCE), len(counted), share, kept)


def decided(
    objectives: Sequence[Objective], finished: Iterable[Latency], waiting: Iterable[tuple[float, bool]], now: float
) -> list[Latency]:
    """The latencies, in the order of the due times, up to the first request of which it cannot be told yet.

    Who waits for longer than is promised has broken the promise, whenever the answer comes; without that, those with
    the longest latencies would be the last that are heard of.
    """
    open_ = [(due_ms, _so_far(objectives, due_ms, now - due_ms, tried=tried)) for due_ms, tried in waiting]
    unclear = min((due_ms for due_ms, told in open_ if told is None), default=math.inf)
    told = [*finished, *(each for _, each in open_ if each is not None)]
    return sorted((each for each in told if each.due_ms < unclear), key=lambda each: each.due_ms)


def _so_far(objectives: Sequence[Objective], due_ms: float, age_ms: float, *, tried: bool) -> Latency | None:
    """What is known of a request without an answer: which limits it has exceeded; None where that settles nothing.

    A host that was tried may have begun to answer, so only who was never sent is known to lack a first token.
    """
    late = {one.figure for one in objectives if age_ms >= one.limit_ms}
    ttft_ms = math.inf if "ttft" in late and not tried else None
    if ttft_ms is None and "e2e" not in late:
        return None
    return Latency(due_ms, ttft_ms, None, math.inf if "e2e" in late else 0.0)


def grows(finished: Sequence[RequestRecord], waiting: Iterable[tuple[float, bool]], now: float) -> bool:
    """Whether requests pile up, by more than chance does to whoever looks again and again; ``now`` is in ms."""
    done = [(each.due_ms, each.start_ms + each.wall_ms) for each in finished if each.start_ms is not None]
    done += [(due_ms, now + 1) for due_ms, _ in waiting]  # it ends later than now, whenever that is
    if not finished:
        return False
    return steadiness.grows([due for due, _ in done], [end for _, end in done], GROWTH_DEVIATIONS)
