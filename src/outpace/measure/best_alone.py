"""The best alone: which host does the whole workload soonest by itself, and with how many requests in flight.

The fastest host one by one need not be the fastest at its best: one that batches may be slower alone and much faster
with several at once. Which it is, is measured. Where all hosts were swept, only those that come near to each other at
their best are tried, with the whole workload; else every host is, with more and more in flight.

Strategies may send the longest prompts first, and what comes of an order is no merit of other machines: the best alone
has them in that order, too, where the lengths may be known and it is done sooner so.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from outpace.ground.records import BestAlone
from outpace.judge.capacity import TOLERANCE, Capacity
from outpace.measure.session import ALONE, LONGEST_FIRST, Session
from outpace.measure.sweep import LEVELS

CLOSE = 1.25
"""Hosts whose times at their best differ by less than this factor are tried against each other."""
MOST_TRIED = 3
TRIES = 3
"""So many hosts, the nearest ones, do the whole workload so often each."""
NO_RISES = 2
"""So many levels in a row that are no quicker end the search on a host."""
ORDER_MATTERS = 0.01
"""By less than this share of the makespan an order does not matter."""

FORECAST = "forecast from the host model, for the recording holds no run of the best alone"
RECORDED = "as in the recording: "


class Candidate(NamedTuple):
    """One host with so many in flight, the prompts in their order or the longest first."""

    host: str
    in_flight: int
    strategy: str = ALONE


def find_best_alone(session: Session) -> BestAlone:
    """The best single machine of ``session``, found by measuring; the recorded one where a recording tells it.

    Where the baseline's host cannot be told from the best, it is that one, and the baseline itself where one at a time
    is as good there.
    """
    recording = session.settings.recording
    if recording is not None and recording.best_alone is not None:
        told = recording.best_alone
        return told if told.found.startswith(RECORDED) else replace(told, found=RECORDED + told.found)
    trials = _Trials(session)
    swept = all(host in session.knowledge.capacities for host in session.ordered)
    chosen = _chosen(trials, _expected(session) if swept else _in_passing(trials))
    how = "found by a sweep of each host" if swept else "found by trial, for there was no sweep"
    chosen = _in_the_better_order(trials, chosen)
    if trials.runs:
        how += f"{' and' if swept else ':'} {trials.runs} run{'' if trials.runs == 1 else 's'} of the workload"
    how = how if recording is None else FORECAST
    return BestAlone(chosen.host, chosen.in_flight, how, chosen.strategy == LONGEST_FIRST)


class _Trials:
    """Runs of the whole workload on single hosts, and what they took."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.baseline = Candidate(session.baseline_host, 1)
        self.prompts = len(session.settings.workload.prompts)
        self._took_ms: defaultdict[Candidate, list[float]] = defaultdict(list)

    @property
    def runs(self) -> int:
        """How many there were."""
        return sum(map(len, self._took_ms.values()))

    def run(self, each: Candidate) -> float:
        """One more; gives the median of what they took, in ms, without end where prompts were left unanswered."""
        took_ms = self._took_ms[each]
        took_ms.append(self.session.run_alone(each.host, each.in_flight, len(took_ms), each.strategy))
        return median(took_ms)

    def made(self, each: Candidate) -> int:
        """How many there were of ``each``."""
        return len(self._took_ms[each])


def _expected(session: Session) -> dict[Candidate, float]:
    """How long each host is expected to take at its best, by its speed and its sweep, in a unit that all share."""
    prompts = len(session.settings.workload.prompts)
    found = {}
    for host in session.ordered:
        capacity = session.knowledge.capacities[host]
        in_flight = min(capacity.limit, prompts)
        found[Candidate(host, in_flight)] = _waves(prompts, in_flight, capacity) / session.knowledge.speeds[host]
    return found


def _waves(prompts: int, in_flight: int, capacity: Capacity) -> float:
    """How long equal prompts take, each 1 by itself, so many at once as long as there are as many."""
    waves, rest = divmod(prompts, in_flight)
    took = waves * in_flight / capacity.gain_at(in_flight)
    return took + (rest / capacity.gain_at(rest) if rest else 0.0)


def _in_passing(trials: _Trials) -> dict[Candidate, float]:
    """What the whole workload took on each host, once with each of more and more in flight.

    Hosts take turns, so that a machine that drifts is unfair to none. A host is left alone as soon as two levels are no
    quicker than one before, and as it could not win any more: twice as many in flight halve the time at best.
    """
    found: dict[Candidate, float] = {trials.baseline: trials.run(trials.baseline)}
    speeds = trials.session.knowledge.speeds
    flat = dict.fromkeys(trials.session.ordered, 0)
    quickest = {host: found[trials.baseline] * speeds[trials.baseline.host] / speeds[host] for host in flat}
    latest = dict(quickest)
    for before, in_flight in _levels(trials.prompts):
        for host in [host for host in flat if flat[host] < NO_RISES]:
            if latest[host] * before / trials.prompts >= min(found.values()):
                continue
            each = Candidate(host, in_flight)
            latest[host] = found[each] = trials.run(each)
            flat[host] = 0 if latest[host] * TOLERANCE < quickest[host] else flat[host] + 1
            quickest[host] = min(quickest[host], latest[host])
    return found


def _levels(prompts: int) -> Iterator[tuple[int, int]]:
    """How many in flight to try, each with the one before it; the last has all prompts in flight."""
    before = 1
    for level in LEVELS:
        in_flight = min(level, prompts)
        if in_flight > before:
            yield before, in_flight
        before = in_flight


def _chosen(trials: _Trials, took: dict[Candidate, float]) -> Candidate:
    """The quickest, the fewest in flight of those that are as good; hosts that come near are tried again."""
    best = min(took.values())
    by_host: dict[str, Candidate] = {}
    for each in sorted(took, key=lambda each: each.in_flight):
        other = by_host.get(each.host)
        if other is None or took[each] * TOLERANCE < took[other]:
            by_host[each.host] = each
    near = sorted((each for each in by_host.values() if took[each] <= CLOSE * best), key=lambda each: took[each])
    near = near[:MOST_TRIED]
    if len(near) > 1 and _quickest(trials, near, took) != trials.baseline:
        took = _tried(trials, near)
    return _quickest(trials, near, took)


def _quickest(trials: _Trials, near: Sequence[Candidate], took: dict[Candidate, float]) -> Candidate:
    """The quickest of ``near``; the one on the baseline's host where it is as good."""
    best = min(near, key=lambda each: took[each])
    home = [each for each in near if each.host == trials.baseline.host and took[each] <= TOLERANCE * took[best]]
    return home[0] if home else best


def _tried(trials: _Trials, near: Sequence[Candidate]) -> dict[Candidate, float]:
    """The median of what the whole workload takes on each of ``near``, which take turns."""
    took = {}
    while any(trials.made(each) < TRIES for each in near):
        for each in near:
            took[each] = trials.run(each)
    return took


def _in_the_better_order(trials: _Trials, chosen: Candidate) -> Candidate:
    """``chosen``, or its host with the longest first, where that is quicker.

    An engine that has more in flight than it works on, or all, takes them in an order of its own, so fewer are tried.
    """
    fewer = {each for each in (max(2, chosen.in_flight // 2), chosen.in_flight) if each < trials.prompts}
    if chosen.in_flight == 1 or not fewer or not trials.session.settings.know_lengths:
        return chosen
    if not trials.runs:  # which shows lengths
        trials.run(chosen)
    if not _order_matters(trials, chosen.in_flight):
        return chosen
    ways = [chosen, *(Candidate(chosen.host, in_flight, LONGEST_FIRST) for in_flight in sorted(fewer))]
    took = _tried(trials, ways)
    best = min(ways, key=lambda each: took[each])
    return best if took[best] < (1 - ORDER_MATTERS) * took[chosen] else chosen


def _order_matters(trials: _Trials, in_flight: int) -> bool:
    """Whether the longest first would be done at another time, be it so many or fewer that are worked on at once."""
    session = trials.session
    works = [work for each in session.settings.workload.prompts if (work := session.knowledge.work(each)) is not None]
    if len(works) < trials.prompts:  # the engine does not tell how long its answers are
        return False
    ordered = sorted(works, reverse=True)
    at_once = {in_flight, *(level for level in LEVELS if level < in_flight)}
    found = [_ends(ordered, slots) / _ends(works, slots) for slots in at_once]
    return max(abs(each - 1) for each in found) > ORDER_MATTERS


def _ends(works: Iterable[float], slots: int) -> float:
    """When the last of ``works`` is done, so many at once, each as fast as any other."""
    free = [0.0] * slots
    for work in works:
        heapq.heapreplace(free, free[0] + work)
    return max(free)
