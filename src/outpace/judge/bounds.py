"""Lower bound of the makespan of a workload on hosts of unequal speed: what no dispatch strategy can beat.

The problem is Q||Cmax, uniform machines without preemption (M. Pinedo, "Scheduling: Theory, Algorithms, and
Systems"), with two additions: a host may batch, and has a round trip. A host that is given the prompts S takes at least

    trip + max(longest of S / speed, sum of S / (speed * gain))

for no request is quicker than alone, and together they do not go above the highest throughput. The bound is the least
makespan of any assignment. A few prompts are solved exactly, by branch and bound; more are bounded by relaxations.

A relaxation values the prompts and says what a host can hold of value by a deadline. Where, for any length, the prompts
above it are worth more than the hosts quick enough for them can hold, the deadline is too early; the earliest that is
not is a bound, and the best of them counts. The values are work (the area), numbers (counting), rounded work, and work
split into small, middle and big. The latter two bring dual feasible functions of bin packing to hosts of unequal size:
mixed-integer rounding, and one after S. Martello and P. Toth, "Lower bounds and reduction procedures for the bin
packing problem", Discrete Applied Mathematics 28, 1990. Such functions are surveyed by F. Clautiaux, C. Alves and
J. Valério de Carvalho, Annals of Operations Research 179, 2010; why they hold here stands at each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, zip_longest
from typing import NamedTuple

import numpy
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[numpy.float64]

EXACT_UP_TO = 12
NODES = 50_000  # placements that branch and bound may try before the proven bound must do: a third of a second
AT_FIRST = 500  # placements tried before relaxations are: they take as long
EFFORT = 1_000_000  # prompts and hosts that all relaxations together may look at: a third of a second, too
SLACK = 1e-11  # every test grants, relatively, so much more than is due that rounding lifts no bound above the truth


@dataclass(frozen=True)
class Machine:
    """One host as the bound sees it.

    ``speed`` is work a millisecond for one request alone; ``gain`` >= 1 the highest throughput that it reaches with
    several at once, relative to one alone; ``trip_ms`` the network's round trip.
    """

    speed: float
    gain: float = 1.0
    trip_ms: float = 0.0

    def time_ms(self, longest: float, total: float) -> float:
        """Least time for prompts of ``total`` work, the longest of them ``longest``."""
        return self.trip_ms + max(longest / self.speed, total / (self.speed * self.gain))


class _Relaxation(NamedTuple):
    """``worth[k]`` is the value of the k longest prompts; ``most`` no less than that of any of a longest and a sum.

    It takes and gives one figure a host.
    """

    worth: Floats
    most: Callable[[Floats, Floats], Floats]


def lower_bound_ms(works: Sequence[float], machines: Sequence[Machine]) -> float:
    """Makespan in milliseconds below which no assignment of prompts of these ``works`` to ``machines`` can go.

    Up to ``EXACT_UP_TO`` prompts it is the least makespan; beyond, or where the search for that would take too long,
    the best of the relaxations and of the longest prompts' own least makespan. For rounding it is up to a relative
    1e-10 below that, never above. Raises ``ValueError`` for no works, no machines, or numbers that none can have.
    """
    if not works or not machines:
        raise ValueError("no machines" if works else "no works")
    if not all(0 <= work < math.inf for work in works):
        raise ValueError("a work is negative or not finite")
    for host in machines:
        if not (0 < host.speed < math.inf and 1 <= host.gain < math.inf and 0 <= host.trip_ms < math.inf):
            raise ValueError(f"a speed must be above 0, a gain at least 1, a trip at least 0, all finite: {host}")
    ordered = sorted(map(float, works), reverse=True)
    few = ordered[:EXACT_UP_TO]
    bound = _proven_ms(ordered, machines) if ordered != few else 0.0
    return max(bound, _least_ms(few, machines)) if _longest_first_ms(few, machines) > bound else bound


def _proven_ms(works: Sequence[float], machines: Sequence[Machine]) -> float:
    """The best bound of all relaxations of ``works``, which are given longest first."""
    longest_first = numpy.array(works)
    speeds, gains, trips_ms = numpy.array([(host.speed, host.gain, host.trip_ms) for host in machines]).T

    def rooms_at(deadline: float) -> tuple[Floats, Floats, NDArray[numpy.intp]]:
        """A host's longest prompt and sum, and how many prompts need it or one before; longest first."""
        late = deadline * (1 + SLACK)
        quick = trips_ms <= late
        longest, gain = ((late - trips_ms) * speeds)[quick], gains[quick]
        order = numpy.lexsort((gain, longest))[::-1]
        longest, gain = longest[order], gain[order]
        prompts = len(works) - numpy.searchsorted(longest_first[::-1], longest[1:], "right")
        return longest, longest * gain, numpy.append(prompts, len(works))[: len(longest)]

    def holds(relaxation: _Relaxation, rooms: tuple[Floats, Floats, NDArray[numpy.intp]]) -> bool:
        longest, area, prompts = rooms
        if not len(longest) or longest[0] < works[0]:
            return False
        held = numpy.cumsum(relaxation.most(longest, area))
        return not (numpy.take(relaxation.worth, prompts) * (1 - SLACK) > held).any()

    bound, rooms = 0.0, rooms_at(0.0)
    total = math.fsum(works)
    for relaxation in _relaxations(longest_first, 1 + EFFORT // (len(works) + len(machines))):
        if holds(relaxation, rooms):
            continue
        enough = min(host.time_ms(works[0], total) for host in machines)
        while bound < (middle := (bound + enough) / 2) < enough * (1 - SLACK):
            if holds(relaxation, rooms_at(middle)):
                enough = middle
            else:
                bound = middle
        rooms = rooms_at(bound * (1 + 3 * SLACK))
    return bound


def _relaxations(works: Floats, at_most: int) -> Iterator[_Relaxation]:
    """The area, then one of each other family in turn, spread evenly where ``at_most`` are too few for all.

    They depend on the prompts alone, and another prompt only adds to them: so a better host never raises the bound,
    and, while all are taken, another prompt never lowers it.
    """
    yield _Relaxation(_sums(works), lambda _, area: area)
    lengths = numpy.unique(works[works > max(works[0] * SLACK, 1e-290)]).tolist()
    n = len(lengths)
    families: list[Iterator[_Relaxation]] = [
        (_counting(works, lengths[i]) for i in _spread(n)),
        (_rounding(works, lengths[i // 9] / (1 + i // 3 % 3), (0.5, 0.8, 1.0)[i % 3]) for i in _spread(9 * n)),
        (_splitting(works, lengths[i // n], lengths[i % n]) for i in _spread(n * n)),
    ]
    yield from islice((one for turn in zip_longest(*families) for one in turn if one is not None), at_most)


def _sums(values: Floats) -> Floats:
    """The sums of the first none, one, two of ``values`` and so on."""
    return numpy.concatenate(([0.0], numpy.cumsum(values)))


def _spread(size: int) -> Iterator[int]:
    """All numbers below ``size``, each the golden ratio away from the one before: the first few are a fair sample."""
    step = max(1, round(size * 0.618))
    while math.gcd(step, size) > 1:
        step += 1
    return (i * step % size for i in range(size))


def _counting(works: ArrayLike, length: float) -> _Relaxation:
    """Prompts from ``length`` on are worth 1 each; a host holds no more of them than of the shortest of them."""
    shortest_first = numpy.asarray(works)[::-1]
    shortest_first = shortest_first[numpy.searchsorted(shortest_first, length) :]
    count, sums = len(shortest_first), _sums(shortest_first)
    unsure = sums[-1] * count * 2**-52

    def most(longest: Floats, area: Floats) -> Floats:
        by_sum = numpy.searchsorted(sums, area + unsure, "right") - 1
        held: Floats = numpy.minimum(numpy.searchsorted(shortest_first, longest, "right"), by_sum)
        return held

    return _Relaxation(numpy.minimum(numpy.arange(len(numpy.asarray(works)) + 1.0), count), most)


def _rounding(works: ArrayLike, unit: float, cut: float) -> _Relaxation:
    """Work in units; of a broken one the share ``cut`` is worth nothing, and the rest grows to fill its place.

    That is superadditive: a sum is worth no less than its parts.
    """

    def value(work: Floats) -> Floats:
        units = work / unit
        whole = numpy.floor(units)
        grown: Floats = whole + numpy.maximum(units - whole - cut, 0.0) / (1 - cut or 1.0)
        return grown

    return _Relaxation(_sums(value(numpy.asarray(works) * (1 + SLACK / 9))), lambda _, area: value(area))


def _splitting(works: ArrayLike, one: float, other: float) -> _Relaxation:
    """Prompts below the shorter length are worth nothing, and big ones, from the longer on, both lengths together.

    (Half of the shorter where ``one`` is the longer.) For a big one may leave too little to be of use. By how many big
    ones a host holds, its value is highest at the most there can be, or at the most that leave enough for others.
    """
    small, big = min(one, other), max(one, other)
    worth = big + (small if one <= other else small / 2)
    each = numpy.asarray(works)

    def most(longest: Floats, area: Floats) -> Floats:
        packed, fewer = area // big, (area - small) // big
        with_big = numpy.maximum(packed * worth, fewer * worth + area - fewer * big)
        return numpy.where(longest < big, numpy.where(longest < small, 0.0, area), with_big)

    return _Relaxation(_sums(numpy.where(each < small, 0.0, numpy.where(each < big, each, worth))), most)


def _least_ms(works: Sequence[float], machines: Sequence[Machine]) -> float:
    """Least makespan of ``works``, longest first; their proven bound where ``NODES`` are too few to find it.

    Mostly the search is over before relaxations could tell that it need not begin.
    """
    hosts = _worth_trying(machines, len(works))
    best, is_least = _searched_ms(works, hosts, AT_FIRST)
    if is_least:
        return best * (1 - SLACK)
    bound = _proven_ms(works, hosts)
    if best * (1 - 8 * SLACK) <= bound:
        return bound
    best, is_least = _searched_ms(works, hosts, NODES)
    return max(bound, best * (1 - SLACK)) if is_least else bound


def _searched_ms(works: Sequence[float], hosts: Sequence[Machine], nodes: int) -> tuple[float, bool]:
    """The least makespan of ``works``, longest first, that so many ``nodes`` find, and whether there is no lesser one.

    Depth first, each prompt to the host that would be done first before all others. Of hosts alike in all respects
    only one is tried, and equal prompts go to hosts in order: what that leaves out is the same under other names.
    """
    best = _longest_first_ms(works, hosts)
    remaining = [*accumulate(reversed(works))][::-1]
    totals, longest, done = ([0.0] * len(hosts) for _ in range(3))

    def place(prompt: int, from_host: int) -> None:
        nonlocal best, nodes
        if prompt == len(works):
            best = max(done)
            return
        work, space = works[prompt], 0.0
        choices: dict[tuple[Machine, float, float], tuple[float, int]] = {}
        for i, host in enumerate(hosts):
            size = (best - host.trip_ms) * host.speed
            if size >= works[-1]:
                space += max(0.0, size * host.gain - totals[i])
            if i >= from_host:
                after = host.time_ms(longest[i] or work, totals[i] + work)
                choices.setdefault((host, totals[i], longest[i]), (after, i))
        if remaining[prompt] * (1 - SLACK) > space:
            return
        for after, i in sorted(choices.values()):
            if after >= best * (1 - SLACK) or nodes == 0:
                return
            nodes -= 1
            before = totals[i], longest[i], done[i]
            totals[i], longest[i], done[i] = totals[i] + work, longest[i] or work, after
            place(prompt + 1, i if works[prompt + 1 : prompt + 2] == [work] else 0)
            totals[i], longest[i], done[i] = before

    place(0, 0)
    return best, nodes > 0


def _worth_trying(machines: Sequence[Machine], prompts: int) -> list[Machine]:
    """Those that have fewer than ``prompts`` others before them which take no longer, whatever they are given.

    Where there are as many, one of them is idle whenever the host has work, and could do it instead.
    """
    kept: list[tuple[float, float, Machine]] = []
    for host in sorted(machines, key=lambda host: (-host.speed, -host.gain, host.trip_ms)):
        rate = host.speed * host.gain
        if sum(other >= rate and trip <= host.trip_ms for other, trip, _ in kept) < prompts:
            kept.append((rate, host.trip_ms, host))
    return [host for _, _, host in kept]


def _longest_first_ms(works: Sequence[float], machines: Sequence[Machine]) -> float:
    """Makespan where each of ``works`` goes to the host that would then be done first (LPT: R. L. Graham, 1969)."""
    totals, longest, makespan = [0.0] * len(machines), [0.0] * len(machines), 0.0
    for work in works:
        done, i = min((host.time_ms(longest[i] or work, totals[i] + work), i) for i, host in enumerate(machines))
        totals[i], longest[i], makespan = totals[i] + work, longest[i] or work, max(makespan, done)
    return makespan
