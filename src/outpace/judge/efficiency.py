"""How near to the physical limit a run came: the lower bound of its makespan or mean latency on its session's hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from outpace.ground.records import RequestRecord, Run, overlap
from outpace.judge.bounds import Machine, lower_bound_ms
from outpace.judge.latency_bound import least_mean_ms

SHORTEST_MS = 1e-3
BOUND_ERROR = 0.25
"""By so much a bound may lie above the makespan: machines drift from the runs that tell their speeds to the others."""


@dataclass(frozen=True)
class HostSpeed:
    """What is known of a host beside the run: ``speed`` alone, in any unit; highest ``gain``; round trip in ms."""

    speed: float
    gain: float = 1.0
    trip_ms: float = 0.0


def with_lower_bound(run: Run, baseline: Run, hosts: Mapping[str, HostSpeed]) -> Run:
    """``run`` with the least time in which ``hosts`` could have done its work; unchanged where that is not known.

    The work of a prompt is the time that it took in ``baseline``, one after another on the fastest host. A host's speed
    is read off the run, where it had one request at a time: machines drift from one run to the next. Elsewhere it is
    that in ``hosts``. No run can be quicker than it was, so a bound above the makespan is the makespan; one that lies
    above it by more than its error is none, for then the hosts are not known, or somebody else did the work.
    """
    works = _works(baseline, hosts)
    if run.failed or not run.makespan_ms or not works:
        return run
    fastest = hosts[str(baseline.requests[0].host)]
    machines = []
    for name, host in hosts.items():
        mine = [request for request in run.requests if request.host == name]
        machine = Machine(host.speed / fastest.speed, host.gain, host.trip_ms)
        machines.append(_as_seen(machine, mine, works) if mine else machine)
    bound_ms = lower_bound_ms([works[request.prompt] for request in run.requests], machines)
    if bound_ms > run.makespan_ms * (1 + BOUND_ERROR):
        return run
    return replace(run, lower_bound_ms=min(bound_ms, run.makespan_ms))


def latency_efficiency(run: Run, baseline: Run, hosts: Mapping[str, HostSpeed]) -> float | None:
    """The least mean latency that ``hosts`` could have given the requests of ``run``, which arrived, over theirs.

    The prompts of ``baseline`` come in ``run`` again and again, and what they took there is their work. Machines drift,
    so what is above 1 counts as 1. None where not all were answered, or the baseline does not tell.
    """
    works = _works(baseline, hosts)
    if run.failed or not works:
        return None
    fastest = hosts[str(baseline.requests[0].host)]
    machines = [Machine(host.speed / fastest.speed, host.gain, host.trip_ms) for host in hosts.values()]
    least_ms = least_mean_ms(((each.due_ms, works[each.prompt % len(works)]) for each in run.requests), machines)
    return min(1.0, least_ms / fmean(_start(each) + each.wall_ms - each.due_ms for each in run.requests))


def seen_speeds(run: Run, baseline: Run, hosts: Mapping[str, HostSpeed]) -> dict[str, float]:
    """Speed of each host that had one request at a time in ``run``, relative to the fastest in ``baseline``."""
    works = _works(baseline, hosts)
    if run.failed or not works:
        return {}
    mine = {name: [request for request in run.requests if request.host == name] for name in hosts}
    return {
        name: sum(works[each.prompt] for each in requests) / sum(_least_ms(requests, hosts[name].trip_ms).values())
        for name, requests in mine.items()
        if requests and not overlap(requests)
    }


def _works(baseline: Run, hosts: Mapping[str, HostSpeed]) -> dict[int, float]:
    """Each prompt's time on the fastest host, without the round trip; empty where the baseline does not tell it."""
    on = {request.host for request in baseline.requests}
    if baseline.failed or len(on) != 1 or not on <= set(hosts):
        return {}
    return _least_ms(baseline.requests, hosts[str(baseline.requests[0].host)].trip_ms)


def _as_seen(machine: Machine, requests: Sequence[RequestRecord], works: dict[int, float]) -> Machine:
    """``machine`` as fast as ``requests`` show it; those that it had to itself show their own work in ``works`` too."""
    least_ms = _least_ms(requests, machine.trip_ms)
    total = sum(works[each.prompt] for each in requests)
    if not overlap(requests):
        speed = total / sum(least_ms.values())
        works.update({prompt: ms * speed for prompt, ms in least_ms.items()})
        return replace(machine, speed=speed)
    speed = max(machine.speed, *(works[prompt] / ms for prompt, ms in least_ms.items()))
    first_ms, last_ms = min(map(_start, requests)), max(_start(each) + each.wall_ms for each in requests)
    busy_ms = max(last_ms - first_ms - machine.trip_ms, SHORTEST_MS)
    return replace(machine, speed=speed, gain=max(machine.gain, total / speed / busy_ms))


def _least_ms(requests: Sequence[RequestRecord], trip_ms: float) -> dict[int, float]:
    """What each request took beyond the round trip, by prompt."""
    return {each.prompt: max(each.wall_ms - trip_ms, SHORTEST_MS) for each in requests}


def _start(request: RequestRecord) -> float:
    return request.start_ms or 0.0
