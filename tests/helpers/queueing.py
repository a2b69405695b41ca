"""Queues whose waits theory knows, as a recursion over arrivals, and as a coordinator serves them in virtual time.

Loads are the share of the time in which a server works; work takes a second on average.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from virtual import NumberEngine, coordinate


def draws(load: float, servers: int, requests: int, *, fixed: bool, seed: int = 7) -> tuple[list[float], list[float]]:
    """When requests come, and how long each works: at chance times, and for a second, or for exponential times."""
    chance = random.Random(seed)
    due_s = list(accumulate(chance.expovariate(load * servers) for _ in range(requests)))
    return due_s, [1.0 if fixed else chance.expovariate(1.0) for _ in range(requests)]


def erlang_c(load: float, servers: int) -> float:
    """The share of requests that wait at all in an M/M/c queue (A. K. Erlang, 1917)."""
    busy = load * servers
    free = sum(busy**k / math.factorial(k) for k in range(servers))
    full = busy**servers / math.factorial(servers) / (1 - load)
    return full / (free + full)


def mean_wait(load: float, servers: int, *, fixed: bool) -> float:
    """The mean wait, in service times, of an M/D/c or an M/M/c queue.

    With one server it is F. Pollaczek's and A. Khinchine's, with exponential work Erlang's. With fixed work c servers
    are a Markov chain where one looks each service time: all in work then have ended, and those that came have not
    (C. D. Crommelin, "Delay probability formulae", 1932); its mean comes by J. D. C. Little's law.
    """
    if not fixed:
        return erlang_c(load, servers) / (servers * (1 - load))
    if servers == 1:
        return load / (2 * (1 - load))
    rate, states = load * servers, 20 * servers + int(12 / (1 - load))
    come = [math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) for k in range(states)]
    step = np.zeros((states, states))
    for now in range(states):
        left = max(0, now - servers)
        step[now, left:] = come[: states - left]
    step[:, -1] += 1 - step.sum(axis=1)  # what would be more than the last state holds
    equations = step.T - np.eye(states)
    equations[0] = 1.0  # the shares of all states are one
    found = np.linalg.solve(equations, [1.0] + [0.0] * (states - 1))
    return float(sum(max(0, now - servers) * found[now] for now in range(states))) / rate


def waits(due_s: Sequence[float], work_s: Sequence[float], servers: int) -> list[float]:
    """What each request waits where the first that comes gets the first server that is free (J. Kiefer and
    J. Wolfowitz, "On the theory of queues with many servers", 1955)."""
    free = [0.0] * servers
    found = []
    for due, work in zip(due_s, work_s, strict=True):
        begins = max(due, free[0])
        heapq.heapreplace(free, begins + work)
        found.append(begins - due)
    return found


def mean_waits(
    load: float, servers: int, *, fixed: bool, queues: int = 4_000, requests: int, seed: int = 7
) -> NDArray[np.float64]:
    """The mean wait in each of so many such queues, side by side: twenty million requests a second.

    The first tenth of the ``requests`` of a queue, which found it empty, is left out. As queues know nothing of each
    other, how far their means lie apart says how near that of all is to the truth.
    """
    chance = np.random.default_rng(seed)
    left, each, total = np.zeros((servers, queues)), np.arange(queues), np.zeros(queues)
    skipped = requests // 10
    for number in range(requests):
        left -= chance.exponential(1 / (load * servers), queues)
        np.maximum(left, 0, out=left)
        first = left.argmin(axis=0)
        wait = left[first, each]
        left[first, each] = wait + (1.0 if fixed else chance.exponential(1.0, queues))
        if number >= skipped:
            total += wait
    return total / (requests - skipped)


def coordinated(due_s: Sequence[float], work_s: Sequence[float], hosts: int, strategy: str = "pull") -> list[float]:
    """What each request waits, from its due time until a host works on it, where the coordinator shares them out."""
    engines = [NumberEngine(f"h{number}", work_s.__getitem__) for number in range(hosts)]
    outcome, _ = coordinate(engines, strategy, due_s=due_s, timeout_s=1e9)
    return [
        ((each.start_ms or 0.0) + each.wall_ms - each.due_ms) / 1000 - work_s[each.prompt]
        for each in outcome.run.requests
    ]
