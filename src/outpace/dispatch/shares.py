"""Which prompts are meant for which host before anything is known of the run: two old rules for hosts of unequal speed.

Longest processing time first gives the prompts, longest first, each to the host that would finish it first (R. L.
Graham, "Bounds on multiprocessing timing anomalies", 1969; T. Gonzalez, O. H. Ibarra and S. Sahni, "Bounds for LPT
schedules on uniform processors", 1977). Multifit looks for the earliest deadline by which they fit, each on the
slowest host where it does (E. G. Coffman, M. R. Garey and D. S. Johnson, "An application of bin-packing to
multiprocessor scheduling", 1978; D. K. Friesen and M. A. Langston, "Bounds for multifit scheduling on uniform
processors", 1983); where they are few, other places are tried too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from heapq import heapify, heapreplace

from outpace.dispatch.expectation import Expectation
from outpace.dispatch.packing import pack
from outpace.workload.prompts import Prompt

FITS_UP_TO = 16_384
"""With more prompts times hosts than this, trying deadlines takes longer than it can win."""
PACKED_UP_TO = 64
"""With more prompts than this, other places are not tried: what they could win is little, and it takes long."""
EACH_UP_TO = 64
"""With more hosts than this, a choice does not look at each of them, but at one of each class by speed."""
CLASS_WIDTH = 1.3
"""The fastest host of a class is so many times as fast as the slowest may be."""
DEADLINES, NEAR = 12, 0.0005
"""So many deadlines are tried, or until what is left to win is less than that share."""
WORTH_S = 1e-9

Meant = tuple[float, Prompt]
"""A prompt that is meant for a host, and its work."""
Shares = Mapping[str, list[Meant]]


def are_few(hosts: Sequence[str]) -> bool:
    """Whether each of ``hosts`` may be looked at for a choice."""
    return len(hosts) <= EACH_UP_TO


def class_of(rate: float) -> int:
    """Which class by speed a host of this ``rate`` belongs to."""
    return math.floor(math.log(rate, CLASS_WIDTH))


def classes_of(hosts: Sequence[str], expect: Expectation) -> list[list[str]]:
    """The ``hosts`` in classes by speed, in their order; each in one of its own where they are few."""
    if are_few(hosts):
        return [[host] for host in hosts]
    found: dict[int, list[str]] = {}
    for host in hosts:
        found.setdefault(class_of(expect.rate(host)), []).append(host)
    return list(found.values())


def shared(longest_first: Sequence[Meant], hosts: Sequence[str], expect: Expectation) -> Shares:
    """The better of the two rules' shares, by host; multifit is tried where prompts and hosts are few enough for it."""
    shares = give_to_who_finishes_first(longest_first, hosts, expect)
    if len(longest_first) * len(hosts) <= FITS_UP_TO:
        return fit_by_the_earliest_deadline(longest_first, hosts, expect, shares)
    return shares


def give_to_who_finishes_first(longest_first: Sequence[Meant], hosts: Sequence[str], expect: Expectation) -> Shares:
    """Longest processing time first. Of a class of many hosts, the one that would be free first is looked at."""
    shares: dict[str, list[Meant]] = {host: [] for host in hosts}
    free: list[list[tuple[float, int, str, float, float, float]]] = []
    """By class: when a host is free, its place, name, work so far, rate, and seconds that a work takes alone."""
    places = {host: place for place, host in enumerate(hosts)}
    for names in classes_of(hosts, expect):
        free.append([(0.0, places[n], n, 0.0, expect.rate(n), expect.alone_s(n, 1.0)) for n in names])
        heapify(free[-1])
    for meant in longest_first:
        work = meant[0]
        earliest, best = math.inf, free[0]
        for each in free:
            _, _, _, queued, rate, alone_s = each[0]
            ends = max((queued + work) / rate, work * alone_s)
            if ends < earliest:
                earliest, best = ends, each
        _, place, host, queued, rate, alone_s = best[0]
        queued += work
        heapreplace(best, (queued / rate, place, host, queued, rate, alone_s))
        shares[host].append(meant)
    return shares


def fit_by_the_earliest_deadline(
    longest_first: Sequence[Meant], hosts: Sequence[str], expect: Expectation, best: Shares
) -> Shares:
    """Multifit, begun with the shares that are the ``best`` so far."""
    slowest_first = sorted(hosts, key=expect.rate)
    late = _ends(best, expect)
    early = sum(work for work, _ in longest_first) / sum(map(expect.rate, hosts))
    for _ in range(DEADLINES):
        if late - early < NEAR * late:
            break
        deadline = (early + late) / 2
        by = deadline + WORTH_S
        fits = _fit(longest_first, slowest_first, expect, by) or _pack(longest_first, slowest_first, expect, by)
        if fits is None:
            early = deadline
        else:
            best, late = fits, _ends(fits, expect)
    return best


def _ends(shares: Shares, expect: Expectation) -> float:
    return max(sum(work for work, _ in share) / expect.rate(host) for host, share in shares.items())


def _fit(longest_first: Sequence[Meant], slowest_first: Sequence[str], expect: Expectation, by: float) -> Shares | None:
    shares: dict[str, list[Meant]] = {host: [] for host in slowest_first}
    rates = [(host, expect.rate(host), expect.alone_s(host, 1.0)) for host in slowest_first]
    queued = dict.fromkeys(slowest_first, 0.0)
    for meant in longest_first:
        work = meant[0]
        for host, rate, alone_s in rates:
            if max((queued[host] + work) / rate, work * alone_s) <= by:
                shares[host].append(meant)
                queued[host] += work
                break
        else:
            return None
    return shares


def _pack(
    longest_first: Sequence[Meant], slowest_first: Sequence[str], expect: Expectation, by: float
) -> Shares | None:
    """As ``_fit``, with other places tried where few prompts are to be given."""
    if len(longest_first) > PACKED_UP_TO:
        return None
    places = pack(
        [work for work, _ in longest_first],
        [by * expect.rate(host) for host in slowest_first],
        [by / expect.alone_s(host, 1.0) for host in slowest_first],
    )
    if places is None:
        return None
    shares: dict[str, list[Meant]] = {host: [] for host in slowest_first}
    for meant, place in zip(longest_first, places, strict=True):
        shares[slowest_first[place]].append(meant)
    return shares
