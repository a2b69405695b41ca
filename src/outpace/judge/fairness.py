"""Fairness: what must hold for a ratio to mean what it says, each of it held, broken, or not told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from outpace.ground.records import RequestRecord, Round, Run
from outpace.judge.comparison import COLD_LOAD_MS, SAME_WORK_TOLERANCE

LARGEST_LAG = 0.01
"""Of the makespan: so much time the coordinator may take for itself."""
SAME_TOKENS, NO_CACHE, NO_LOAD = (
    "same output tokens in both runs of a round",
    "no prompt tokens from a cache",
    "no model loaded inside a round",
)
NOTED = (SAME_TOKENS, NO_CACHE, NO_LOAD)
"""A comparison has a note of its own where one of these is broken."""
IDLE_QUEUE_MS = 50.0
"""The first request that a host gets in a run waits no longer than this, or others keep it busy."""


@dataclass(frozen=True)
class Check:
    """One condition; ``held`` is None where nothing tells it. ``said`` gives the figure, in words."""

    name: str
    held: bool | None
    said: str


@dataclass(frozen=True)
class ServedModel:
    """What a host serves: the name of the model and its digest, None where the engine tells none."""

    model: str
    digest: str | None


def check(
    rounds: Sequence[Round],
    served: Sequence[ServedModel],
    *,
    clock_off_s: float | None = None,
    in_work: int | None = None,
    traced_by: str | None = None,
) -> list[Check]:
    """Hold ``rounds`` against every condition.

    ``clock_off_s`` is by how much the clock that measures and the calendar's went apart in the session, in seconds;
    None where there is no calendar's, as in a replay. ``in_work`` is how many requests the hosts told before a run that
    they were at, at most; None where none tells. ``traced_by`` is what followed every step of the coordinator, if
    anything did.
    """
    runs = [run for each in rounds for run in each.runs]
    requests = [request for run in runs for request in run.requests if request.error is None]
    return [
        _same_tokens(rounds),
        _none(requests, NO_CACHE, lambda each: each.cached_tokens, 0.0, "tokens of a prompt"),
        _same_model(served),
        _none(requests, NO_LOAD, lambda each: each.load_ms, COLD_LOAD_MS, "ms of load"),
        _idle(runs, in_work),
        _lag(runs),
        Check("nothing traces the coordinator", traced_by is None, f"{traced_by or 'nothing'} does"),
        _clock(clock_off_s),
    ]


def _same_tokens(rounds: Sequence[Round]) -> Check:
    off = [difference for each in rounds if (difference := each.token_difference) is not None]
    if not off:
        return Check(SAME_TOKENS, None, "the engines do not tell them")
    return Check(SAME_TOKENS, max(off) <= SAME_WORK_TOLERANCE, f"they differ by {max(off):.1%} at most")


def _none(
    requests: Iterable[RequestRecord], name: str, of: Callable[[RequestRecord], float | None], most: float, what: str
) -> Check:
    """That no request told more than ``most`` of something."""
    told = [value for request in requests if (value := of(request)) is not None]
    if not told:
        return Check(name, None, "the engines do not tell it")
    return Check(name, max(told) <= most, f"at most {max(told):.0f} {what}")


def _same_model(served: Sequence[ServedModel]) -> Check:
    name = "the same model on all hosts"
    models, digests = {each.model for each in served}, {each.digest for each in served}
    if len(models) > 1 or len(digests - {None}) > 1:
        return Check(name, False, f"{len(models)} names and {len(digests - {None})} digests among {len(served)} hosts")
    if None in digests:
        return Check(name, None, "the same name; not every engine tells a digest")
    return Check(name, True, "the same name and digest")


def _idle(runs: Sequence[Run], in_work: int | None) -> Check:
    """That nobody else kept a host busy: it told no request that it was at before a run, and the first did not wait."""
    name = "hosts idle before each run"
    waits = []
    for run in runs:
        first: dict[str, RequestRecord] = {}
        for request in sorted(run.requests, key=lambda each: each.start_ms or 0.0):
            if request.host is not None and request.error is None:
                first.setdefault(request.host, request)
        alone = [each for each in first.values() if _nothing_beside(each, run)]
        waits += [each.queue_ms for each in alone if each.queue_ms is not None]
    told = [f"a first request waited {max(waits):.0f} ms at most"] if waits else []
    if in_work is not None:
        told.append(f"before a run hosts were at {in_work} requests at most")
    if not told:
        return Check(name, None, "no engine tells what it is at, or how long requests waited")
    return Check(name, not in_work and max(waits, default=0.0) <= IDLE_QUEUE_MS, "; ".join(told))


def _nothing_beside(request: RequestRecord, run: Run) -> bool:
    others = [each for each in run.requests if each.host == request.host and each is not request]
    return all((each.start_ms or 0.0) > (request.start_ms or 0.0) for each in others)


def _lag(runs: Sequence[Run]) -> Check:
    name = f"the coordinator itself below {LARGEST_LAG:.0%} of the makespan"
    told = [run.lag_ms / run.makespan_ms for run in runs if run.lag_ms is not None and run.makespan_ms]
    if not told:
        return Check(name, None, "not measured")
    return Check(name, max(told) < LARGEST_LAG, f"it lagged by {max(told):.2%} at most")


def _clock(off_s: float | None) -> Check:
    name = "the clock ran evenly"
    if off_s is None:
        return Check(name, True, "a virtual clock does")
    # A machine that sleeps, or whose clock is set, shows in the calendar's clock alone.
    return Check(name, abs(off_s) < 1.0, f"clock and calendar went {abs(off_s):.1f} s apart")
