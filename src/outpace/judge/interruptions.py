"""When the way to a host carried nothing for a while: what it cost, and whether it was this machine's own network.

An answer comes late by more than the usual where the way was back in time; an attempt is lost where it was not. Where
all hosts fell silent at the same time, it is far more likely that the one machine which they share was cut off: the
coordinator's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median_low

from outpace.ground.records import RequestRecord, Round, Run, overlap

LOST = ("path", "own-network")
"""Kinds of attempts that a way cost which carried nothing."""
LATE_MS, LATE_TIMES = 1000.0, 10.0
"""An answer is late where it took so much longer than its engine worked, and so many times what is usual."""


@dataclass(frozen=True)
class Interruption:
    """The way to ``host`` carried nothing, in ms of the run.

    ``cost_ms`` is how long a ``lost`` attempt took, or by how much an answer was late.
    """

    host: str
    start_ms: float
    end_ms: float
    cost_ms: float
    lost: bool


def interruptions(run: Run, usual_ms: Mapping[str, float]) -> list[Interruption]:
    """Every interruption that shows in ``run``; ``usual_ms`` is what answers take beyond server time, by host.

    An answer is late only where the run let each request have its host to itself: others wait for each other, too.
    """
    found = [
        Interruption(each.host, each.start_ms, each.start_ms + each.wall_ms, each.wall_ms, lost=True)
        for each in run.failed_attempts
        if each.kind in LOST
    ]
    for host in run.hosts:
        answers = [each for each in run.requests if each.host == host and each.error is None]
        if host in usual_ms and not overlap(answers):
            found += _late(host, answers, usual_ms[host])
    return sorted(found, key=lambda each: each.start_ms)


def _late(host: str, answers: Sequence[RequestRecord], usual_ms: float) -> Iterator[Interruption]:
    for each in answers:
        late_ms = (each.overhead_ms or 0.0) - usual_ms
        if each.start_ms is not None and late_ms > max(LATE_MS, LATE_TIMES * usual_ms):
            yield Interruption(host, each.start_ms, each.start_ms + each.wall_ms, late_ms, lost=False)


def at_once(run: Run, found: Sequence[Interruption]) -> tuple[float, float] | None:
    """From when to when (ms) all hosts of ``run`` were silent at once; None where there was no such time.

    One host alone is no set, and of a time in which any host answered it is not true.
    """
    if len(run.hosts) < 2:
        return None
    for start_ms in (each.start_ms for each in reversed(found)):
        silent = [each for each in found if each.start_ms <= start_ms < each.end_ms]
        end_ms = min((each.end_ms for each in silent), default=start_ms)
        answered = any(
            each.error is None and each.start_ms is not None and start_ms < each.start_ms + each.wall_ms < end_ms
            for each in run.requests
        )
        if {each.host for each in silent} == set(run.hosts) and not answered:
            return start_ms, end_ms
    return None


def notes(rounds: Sequence[Round]) -> list[str]:
    """What interruptions there were in ``rounds``, in words: whose they were, and what they cost."""
    runs = [run for each in rounds for run in each.runs]
    usual_ms = _usual_ms(runs)
    own: list[float] = []
    others: list[Interruption] = []
    for run in runs:
        found = interruptions(run, usual_ms)
        common = at_once(run, found)
        if common is not None:
            own.append(common[1] - common[0])
            found = [each for each in found if not (each.start_ms < common[1] and common[0] < each.end_ms)]
        others += found
    said = []
    if own:
        said.append(
            f"All hosts fell silent at the same time, for {_seconds(max(own))}{_at_most(own)}: that is this machine's "
            "own network, more likely than those of all of them."
        )
    for (host, lost), group in groupby(sorted(others, key=lambda each: (each.host, each.lost)), _kind):
        costs_ms = [each.cost_ms for each in group]
        if lost:
            said.append(
                f"The way to {host} was lost {_times(len(costs_ms))}; {_seconds(sum(costs_ms))} went by until that was "
                "known, and what was under way was sent again."
            )
        else:
            said.append(
                f"The way to {host} was interrupted: {_answers(len(costs_ms))} came later than the engine was done, by "
                f"{_seconds(max(costs_ms))}{_at_most(costs_ms)}, where {usual_ms[host]:.0f} ms are usual."
            )
    return said


def _kind(found: Interruption) -> tuple[str, bool]:
    return found.host, found.lost


def _usual_ms(runs: Sequence[Run]) -> dict[str, float]:
    taken: dict[str, list[float]] = {}
    for run in runs:
        for each in run.requests:
            if each.host is not None and each.error is None and each.overhead_ms is not None:
                taken.setdefault(each.host, []).append(each.overhead_ms)
    return {host: max(median_low(found), 0.0) for host, found in taken.items()}


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.1f} s"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _answers(count: int) -> str:
    return "an answer" if count == 1 else f"{count} answers"


def _at_most(found: Sequence[float]) -> str:
    return " at most" if len(found) > 1 else ""
