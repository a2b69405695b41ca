"""Schedules to hold the lower bound against: every assignment, good ones, simulated execution; and what to draw."""

import math
import random
from itertools import product

from hypothesis import strategies as st

from outpace.judge.bounds import EXACT_UP_TO, Machine

CLOSE = 1e-9

works_of = st.one_of(st.integers(0, 5), st.floats(0.1, 100.0), st.sampled_from([1.0, 2.5, 1e-6]))
machines_of = st.builds(
    Machine,
    st.one_of(st.sampled_from([1.0, 2.0]), st.floats(0.1, 10.0)),
    st.one_of(st.just(1.0), st.floats(1.0, 4.0)),
    st.one_of(st.just(0.0), st.floats(0.0, 50.0)),
)
some_works = st.lists(works_of, min_size=1, max_size=EXACT_UP_TO + 8)
some_machines = st.lists(machines_of, min_size=1, max_size=6)


def time_ms(machine, works):
    """What the module's docstring says a host takes, at least, for these prompts."""
    if not works:
        return 0.0
    alone, together = max(works) / machine.speed, sum(works) / (machine.speed * machine.gain)
    return machine.trip_ms + max(alone, together)


def makespan_ms(machines, shares):
    return max(time_ms(machine, share) for machine, share in zip(machines, shares, strict=True))


def all_makespans(works, machines):
    """The makespan of every assignment that there is."""
    for hosts in product(range(len(machines)), repeat=len(works)):
        shares = [[w for w, at in zip(works, hosts, strict=True) if at == i] for i in range(len(machines))]
        yield makespan_ms(machines, shares)


def optimum_ms(works, machines):
    return min(all_makespans(works, machines))


def longest_first(works, machines):
    """LPT: each prompt to the host that would then be done first."""
    shares = [[] for _ in machines]
    for work in sorted(works, reverse=True):
        pairs = zip(machines, shares, strict=True)
        done = [time_ms(machine, [*share[:1], sum(share[1:]) + work] if share else [work]) for machine, share in pairs]
        shares[done.index(min(done))].append(work)
    return shares


def improved_ms(works, machines):
    """The makespan of LPT after local search: a prompt moves off the busiest host, or is swapped, while that helps."""
    shares = longest_first(works, machines)
    times = [time_ms(machine, share) for machine, share in zip(machines, shares, strict=True)]
    for _ in range(30):
        busiest = times.index(max(times))
        best = None
        for work in set(shares[busiest]):
            left = shares[busiest].copy()
            left.remove(work)
            for other in range(len(machines)):
                if other == busiest:
                    continue
                for back in [
                    None,
                    *{min(shares[other], default=0.0), max(shares[other], default=0.0)} & {*shares[other]},
                ]:
                    theirs = [*shares[other], work]
                    mine = left if back is None else [*left, back]
                    if back is not None:
                        theirs.remove(back)
                    after = max(time_ms(machines[busiest], mine), time_ms(machines[other], theirs))
                    if after < times[busiest] and (best is None or after < best[0]):
                        best = after, other, mine, theirs
        if best is None:
            break
        _, other, shares[busiest], shares[other] = best
        for host in (busiest, other):
            times[host] = time_ms(machines[host], shares[host])
    return max(times)


def simulated_ms(works, machines, at_once, throughput):
    """Makespan of hosts that take the next prompt of a common queue whenever fewer than ``at_once`` are under way.

    A request takes half a trip there and half a trip back; k in work on a host progress at ``throughput[host][k - 1]``
    times its speed, together, shared evenly.
    """
    queue, now = list(works), 0.0
    in_work = [[] for _ in machines]
    away = []  # (when, host, work on its way there or None on its way back)
    under_way = [0] * len(machines)
    while True:
        for host, machine in enumerate(machines):
            while queue and under_way[host] < at_once[host]:
                under_way[host] += 1
                away.append((now + machine.trip_ms / 2, host, queue.pop(0)))
        rates = [
            machine.speed * throughput[host][len(in_work[host]) - 1] / len(in_work[host]) if in_work[host] else 0.0
            for host, machine in enumerate(machines)
        ]
        ends = [now + min(in_work[host]) / rate for host, rate in enumerate(rates) if rate]
        if not ends and not away:
            return now
        then = min([*ends, *(when for when, _, _ in away)])
        for host, rate in enumerate(rates):
            left = [work - rate * (then - now) for work in in_work[host]]
            in_work[host] = [work for work in left if work > 1e-9 * max(works)]
            away += [(then + machines[host].trip_ms / 2, host, None)] * (len(left) - len(in_work[host]))
        now = then
        for when, host, work in [arrival for arrival in away if arrival[0] <= now]:
            away.remove((when, host, work))
            if work is None:
                under_way[host] -= 1
            else:
                in_work[host].append(work)


def instance(seed, hosts=64, prompts=200):
    """Works and machines of some size, kind and spread, the same for the same seed."""
    chance = random.Random(seed)
    n, m = round(2 ** chance.uniform(3, math.log2(prompts))), round(2 ** chance.uniform(1, math.log2(hosts)))
    length = chance.choice(
        [lambda: 100.0, lambda: chance.uniform(100, 400), lambda: 100 * chance.lognormvariate(0, 0.8)]
    )
    spread, batches = chance.choice([1.0, 3.0, 10.0]), chance.random() < 0.5
    machines = [
        Machine(spread ** chance.random(), chance.uniform(1, 4) if batches else 1.0, chance.uniform(0, 60) * batches)
        for _ in range(m)
    ]
    return [length() for _ in range(n)], machines
