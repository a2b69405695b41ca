"""How evenly a run used its hosts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from outpace.ground.records import FailedAttempt, RequestRecord, Run


def busy_ms(run: Run) -> dict[str, float]:
    """For how long each host had a request in flight, in milliseconds, answered or not."""
    spans: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    attempts: list[RequestRecord | FailedAttempt] = [*run.requests, *run.failed_attempts]
    for each in attempts:
        if each.host is not None and each.start_ms is not None:
            spans[each.host].append((each.start_ms, each.start_ms + each.wall_ms))
    found = dict.fromkeys(run.hosts, 0.0)
    for host, mine in spans.items():
        until_ms = 0.0
        for start_ms, end_ms in sorted(mine):
            found[host] = found.get(host, 0.0) + max(0.0, end_ms - max(start_ms, until_ms))
            until_ms = max(until_ms, end_ms)
    return found


def evenness(run: Run) -> float | None:
    """Jain's index of how long hosts were busy: 1 where all were equally, 1 / n where one of n did everything.

    (sum of x) squared / (n times the sum of x squared): R. Jain, D.-M. Chiu and W. R. Hawe, "A quantitative measure of
    fairness and discrimination for resource allocation in shared computer systems", 1984. None where none was busy.
    """
    return jain(list(busy_ms(run).values()))


def jain(values: Sequence[float]) -> float | None:
    """Jain's index of ``values``, as ``evenness`` gives it; None where all are 0."""
    squares = sum(value**2 for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else None
