"""Lower bound of the mean latency of requests that arrive: what no rule and no queue can beat on these hosts.

As one machine that has all of their throughput, and works on whatever it likes, the hosts would do at least as well.
On one machine the mean is least where the request with the least left to do goes first, even before one that has begun
(L. Schrage, "A proof of the optimality of the shortest remaining processing time discipline", Operations Research 16,
1968). Nor is any request quicker than alone on the fastest host.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush, heapreplace
from statistics import fmean

from outpace.judge.bounds import Machine


def least_mean_ms(arrivals: Iterable[tuple[float, float]], machines: Sequence[Machine]) -> float:
    """The least mean latency, in ms, of ``arrivals`` on ``machines``: when each is due, in ms, and its work."""
    asked = sorted(arrivals)
    together = sum(machine.speed * machine.gain for machine in machines)
    alone_ms = fmean(work for _, work in asked) / max(machine.speed for machine in machines)
    left_ms: list[float] = []
    now_ms = latencies_ms = 0.0
    for due_ms, work in [*asked, (math.inf, 0.0)]:
        while left_ms and now_ms + left_ms[0] <= due_ms:
            now_ms += heappop(left_ms)
            latencies_ms += now_ms
        if due_ms < math.inf:
            if left_ms:
                heapreplace(left_ms, left_ms[0] - (due_ms - now_ms))
            heappush(left_ms, work / together)
            latencies_ms -= due_ms
            now_ms = due_ms
    return min(machine.trip_ms for machine in machines) + max(latencies_ms / len(asked), alone_ms)
