"""What cannot be: runs that the hosts' work does not explain. Somebody else did it, such as a cache of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from outpace.ground.records import RequestRecord, Round, Run
from outpace.judge.capacity import Capacity, told_its_story
from outpace.judge.efficiency import BOUND_ERROR
from outpace.judge.fairness import Check

POSSIBLE, NO_FASTER, NO_SOONER, NOT_FROM_MEMORY = (
    "no run quicker than its hosts can be",
    "no more tokens a second than the sweep saw",
    "no answer before a round trip",
    "no answer from memory",
)
IMPOSSIBLE = frozenset((POSSIBLE, NO_FASTER, NO_SOONER, NOT_FROM_MEMORY))
"""Where one of these does not hold somebody else did the work, and no figure of the rounds says anything of hosts."""
FEW_ROUNDS, ERROR_OF_FEW = 3, 0.5
"""Where rounds are fewer, hosts may be so much faster than their baselines show: the same work takes up to 40 % more or
less from one minute to the next on a shared machine."""
TIMES_THE_USUAL = 3.0
"""Of few rounds a token of an answer may take so many times as long as usual: longer is a pause of this machine."""
TIMES_THE_SWEEP = 2.0
"""The sweep sends some of the prompts, and prompts differ in what a token of their answers takes."""
TIMES_THE_FIRST = 4.0
"""A model that has just been loaded may be slow at first, and no quarter as fast."""
TRIPS_DIFFER, FEW_TRIPS = 2.0, 5
"""What answers a cheap request works a little too, and of a few round trips none may be quick."""
NOISE_MS = 50.0
"""Less than this no answer of a model is told apart from the pauses of a machine that has other things to do."""


class Most(NamedTuple):
    """The most that the sweep of a host saw: its throughput / that of one request alone, and tokens a second."""

    gain: float
    tokens_per_s: float


@dataclass(frozen=True)
class HostSeen:
    """What a session saw of one host, and holds its rounds against.

    ``speed`` of one request alone is in any unit that is the same for all hosts. ``most`` is None where it was not
    swept. ``trip_ms`` is the quickest of its cheap requests, ``first`` the first whole answers that it gave.
    """

    speed: float
    most: Most | None = None
    trip_ms: float | None = None
    first: Sequence[RequestRecord] = ()


def most(capacity: Capacity, prompts: int) -> Most | None:
    """The highest gain of any moment of a sweep, and the highest tokens a second of its levels.

    None where it ended, as when it takes too long, while more in flight still gave more, and so many ``prompts`` may
    be: then it tells nothing of the most.
    """
    if not told_its_story(capacity.levels) and capacity.levels[-1].in_flight < prompts:
        return None
    gains = [gain for level in capacity.levels for gain in level.gains]
    return Most(max(1.0, capacity.gain, *gains), max(level.tokens_per_s for level in capacity.levels))


def checks(
    rounds: Sequence[Round],
    hosts: Mapping[str, HostSeen],
    trips_ms: Mapping[str, Sequence[float]],
    kept: Mapping[str, int] | None = None,
) -> list[Check]:
    """Hold ``rounds`` against what was seen of ``hosts``, and against round trips to them and to routers.

    ``kept`` counts the answers of hosts and routers that came, as they say, out of a cache of answers.
    """
    runs = [run for each in rounds for run in each.runs if not run.failed and run.makespan_ms]
    return [
        _possible(rounds, hosts),
        _no_faster(runs, hosts),
        _no_sooner(runs, trips_ms),
        _not_from_memory(runs, hosts, kept or {}),
    ]


def least_makespan_ms(run: Run, alone: Mapping[int, RequestRecord], hosts: Mapping[str, HostSeen], whose: str) -> float:
    """Milliseconds below which ``hosts`` together cannot do what ``run`` did.

    ``alone`` are the quickest answers of the host ``whose`` to its prompts, one at a time. No request is quicker than
    alone on the fastest host, and all of them together not than all hosts at their highest throughput. Of a host that
    was not swept nothing is known but that it does no more than all requests at once, each as if alone.
    """
    trip_ms = hosts[whose].trip_ms or 0.0
    works = [
        max(alone[each.prompt].wall_ms - trip_ms, 0.0) * _length(each, alone[each.prompt]) for each in run.requests
    ]
    speeds = {name: host.speed / hosts[whose].speed for name, host in hosts.items()}
    together = sum(
        speed * (swept.gain if (swept := hosts[name].most) else len(works)) for name, speed in speeds.items()
    )
    return max(max(works) / max(speeds.values()), sum(works) / together)


def _length(answer: RequestRecord, other: RequestRecord) -> float:
    """How long an answer is, as a share of another's, where both tell it; 1 at most, for reading takes time too."""
    return min(1.0, answer.output_tokens / other.output_tokens) if answer.output_tokens and other.output_tokens else 1.0


def _possible(rounds: Sequence[Round], hosts: Mapping[str, HostSeen]) -> Check:
    told = [each for each in rounds if each.finished and each.run.makespan_ms]
    answers = [request for each in told for request in each.baseline.requests]
    whose = {str(request.host) for request in answers}
    if len(whose) != 1 or not whose <= set(hosts):
        return Check(POSSIBLE, None, "the baseline does not tell what its prompts take")
    alone: dict[int, RequestRecord] = {}
    for request in answers:
        alone[request.prompt] = min(alone.get(request.prompt, request), request, key=lambda each: each.wall_ms)
    if len(told) < FEW_ROUNDS:
        usual_ms = median(map(_pace, alone.values()))
        alone = {prompt: _without_pause(each, usual_ms) for prompt, each in alone.items()}
    (host,) = whose
    least = [(least_makespan_ms(each.run, alone, hosts, host), each.run.makespan_ms) for each in told]
    error = BOUND_ERROR if len(told) >= FEW_ROUNDS else ERROR_OF_FEW
    beyond = [(bound, took) for bound, took in least if took * (1 + error) < bound - NOISE_MS]
    if not beyond:
        bound, took = max(least, key=lambda each: each[0] / each[1])
        return Check(POSSIBLE, True, f"the quickest took {took:.0f} ms, and its hosts take {bound:.0f} ms at least")
    bound, took = max(beyond, key=lambda each: each[0] / each[1])
    return Check(
        POSSIBLE,
        False,
        f"{len(beyond)} of {len(told)} were, one took {took:.0f} ms and its hosts take {bound:.0f} ms at least: "
        "somebody else did the work, such as a cache of answers",
    )


def _without_pause(request: RequestRecord, usual_ms: float) -> RequestRecord:
    """``request`` with a wall time no longer than its tokens explain, each of which takes ``usual_ms``."""
    most_ms = TIMES_THE_USUAL * usual_ms * (request.output_tokens or 1)
    return request._replace(wall_ms=min(request.wall_ms, most_ms))


def _no_faster(runs: Sequence[Run], hosts: Mapping[str, HostSeen]) -> Check:
    shares = []
    for run in runs:
        on = [name for name in run.hosts if name in hosts] or list(hosts)  # a router stands for all of them
        rates = [swept.tokens_per_s for name in on if (swept := hosts[name].most)]
        if run.output_tokens and len(rates) == len(on) and sum(rates):
            shares.append(run.output_tokens / run.makespan_ms * 1000 / sum(rates))
    if not shares:
        return Check(NO_FASTER, None, "there was no whole sweep of these hosts, or the engines tell no tokens")
    return Check(NO_FASTER, max(shares) <= TIMES_THE_SWEEP, f"{max(shares):.2f} times as many at most")


def _no_sooner(runs: Sequence[Run], trips_ms: Mapping[str, Sequence[float]]) -> Check:
    least_ms = {host: min(timed) for host, timed in trips_ms.items() if len(timed) >= FEW_TRIPS}
    requests = [request for run in runs for request in run.requests]
    answers = [(each, least_ms[str(each.host)]) for each in requests if each.host in least_ms]
    if not answers:
        return Check(NO_SOONER, None, f"fewer than {FEW_TRIPS} round trips were timed")
    soonest, trip_ms = min(answers, key=lambda each: each[0].wall_ms / max(each[1], 1e-9))
    said = f"the soonest came from {soonest.host} after {soonest.wall_ms:.1f} ms, where a cheap request takes "
    return Check(NO_SOONER, TRIPS_DIFFER * soonest.wall_ms >= trip_ms, f"{said}{trip_ms:.1f} ms at least")


def _not_from_memory(runs: Sequence[Run], hosts: Mapping[str, HostSeen], kept: Mapping[str, int]) -> Check:
    """That no host says so, nor answered all of the prompts that it was asked first so much quicker later on."""
    if said_so := [f"{count} answers of {name}" for name, count in kept.items() if count]:
        return Check(NOT_FROM_MEMORY, False, f"{' and '.join(said_so)} came out of a cache, as their headers say")
    later: dict[tuple[str | None, int], RequestRecord] = {}
    for each in (request for run in runs for request in run.requests):
        later[each.host, each.prompt] = min(later.get((each.host, each.prompt), each), each, key=_pace)
    times = {}
    for name, host in hosts.items():
        pairs = [(each, later[name, each.prompt]) for each in host.first if (name, each.prompt) in later]
        quicker = [_pace(first) / _pace(again) for first, again in pairs if again.wall_ms + NOISE_MS < first.wall_ms]
        quicker += [1.0] * (len(pairs) - len(quicker))
        if len(quicker) > 1:  # the very first answer may have waited for what is made but once
            times[name] = min(quicker)
    if not times:
        return Check(NOT_FROM_MEMORY, None, "no host was asked a prompt again that it was asked first")
    name = max(times, key=lambda name: times[name])
    said = f"{name} answered {times[name]:.1f} times as fast as when it was first asked"
    return Check(NOT_FROM_MEMORY, times[name] < TIMES_THE_FIRST, said)


def _pace(request: RequestRecord) -> float:
    """Milliseconds a token of the answer; of the answer where tokens are not told."""
    return max(request.wall_ms, 1e-6) / (request.output_tokens or 1)
