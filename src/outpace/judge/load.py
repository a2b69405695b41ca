"""What a run under arrivals shows: latencies from the due time, goodput, a steady state, and the verdict on an SLO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from outpace.ground.records import CALLED_OFF, RequestRecord, Run
from outpace.judge import quantiles, steadiness
from outpace.judge.gate import Word
from outpace.judge.quantiles import Estimate
from outpace.judge.slo import Kept, Latency, Objective, goodput_per_s, latency_of
from outpace.judge.under_way import OVERLOAD

PERCENTS = (50, 90, 95, 99)
MOST_LATE = 0.01
"""A client that is later than this share of the median latency measures itself."""
LATE_QUANTILE = 0.99

State = Literal["steady", "overload", "unsettled"]
WORDS: dict[Kept, Word] = {"keeps": "pass", "breaks": "fail", "open": "inconclusive"}


@dataclass(frozen=True)
class Lateness:
    """How much later than due the client took note of requests, in ms."""

    mean_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True)
class LoadFigures:
    """What a run under arrivals shows, after ``warm_up`` requests at its beginning.

    ``latencies`` holds for "ttft_ms", "tpot_ms" and "e2e_ms" the ``mean`` and each quantile ("p95") of the answered
    requests whose engine tells it; ``unanswered`` are those that were refused or failed. ``rate_per_s`` is that of the
    arrivals, ``goodput_per_s`` that of the answers that kept every objective, None without one. ``void`` says why the
    run tells nothing of its hosts, if it does not.
    """

    requests: int
    unanswered: int
    warm_up: int
    steady: State
    latencies: dict[str, dict[str, Estimate]]
    rate_per_s: float
    goodput_per_s: float | None
    lateness: Lateness
    kept: tuple[tuple[Objective, Kept], ...]
    at_objectives: tuple[float | None, ...]
    """The quantile of each objective as it is in these requests, in ms, None where no engine tells it."""
    void: str | None

    def verdict(self) -> tuple[Word, str]:
        """Whether the objectives are kept, and why: an overload breaks them, a run that is void tells nothing."""
        if self.void is not None:
            return "inconclusive", self.void
        broken = [one for one, kept in self.kept if kept == "breaks"]
        if broken:
            return "fail", f"Broken: {_in_words(broken)}."
        if self.steady == "overload":
            return "fail", "Overload: the queue grows, so no latency can be promised at this rate."
        unclear = [one for one, kept in self.kept if kept == "open"]
        if unclear:
            few = [quantiles.requests_needed(one.quantile) for one in unclear]
            least = f" It takes {max(few)} requests at the least." if max(few) > self.requests else ""
            return "inconclusive", f"{self.requests} requests cannot tell: {_in_words(unclear)}.{least}"
        if self.steady == "unsettled":
            return "inconclusive", "No steady state was reached: let requests arrive for longer."
        return "pass", f"Kept: {_in_words([one for one, _ in self.kept])}."


def figures(run: Run, objectives: Sequence[Objective]) -> LoadFigures:
    """What ``run``, whose requests arrived, shows of ``objectives`` and of its latencies.

    Where it was ended early, those that were called off are left out.
    """
    heard_of = [each for each in run.requests if not (each.error or "").startswith(CALLED_OFF)]
    arrived = sorted(heard_of or run.requests, key=lambda request: request.due_ms)
    latencies = [latency_of(request) for request in arrived]
    left_out = steadiness.warm_up([each.e2e_ms for each in latencies if each.e2e_ms is not None])
    counted = latencies[_place(latencies, left_out or 0) :]
    span_ms = _span_ms(counted)
    late = _lateness(arrived)
    return LoadFigures(
        requests=len(counted),
        unanswered=sum(not each.answered for each in counted),
        warm_up=len(latencies) - len(counted),
        steady="overload" if run.ended == OVERLOAD else _state(arrived, left_out),
        latencies={name: _estimates(counted, name) for name in ("ttft_ms", "tpot_ms", "e2e_ms")},
        rate_per_s=len(counted) / span_ms * 1000,
        goodput_per_s=goodput_per_s(objectives, counted, span_ms) if objectives else None,
        lateness=late,
        kept=tuple((one, one.kept(counted)) for one in objectives),
        at_objectives=tuple(_at(one, counted) for one in objectives),
        void=_void(late, latencies),
    )


def _place(latencies: Sequence[Latency], answers: int) -> int:
    """Behind which of ``latencies`` so many were answered."""
    for place, each in enumerate(latencies):
        if not answers:
            return place
        answers -= each.answered
    return len(latencies)


def _span_ms(latencies: Sequence[Latency]) -> float:
    """How long so many requests took to arrive: with the gap, as it is on average, behind the last one."""
    span_ms = latencies[-1].due_ms - latencies[0].due_ms
    gaps = len(latencies) - 1
    return span_ms * (gaps + 1) / gaps if gaps and span_ms else 1000.0


def _state(arrived: Sequence[RequestRecord], left_out: int | None) -> State:
    done = [(each.due_ms, each.start_ms + each.wall_ms) for each in arrived if each.start_ms is not None]
    if done and steadiness.grows([due for due, _ in done], [over for _, over in done]):
        return "overload"
    return "unsettled" if left_out is None else "steady"


def _estimates(latencies: Sequence[Latency], name: str) -> dict[str, Estimate]:
    told = [value for each in latencies if (value := getattr(each, name)) is not None]
    return {"mean": quantiles.mean(told)} | {f"p{each}": quantiles.quantile(told, each / 100) for each in PERCENTS}


def _at(one: Objective, latencies: Sequence[Latency]) -> float | None:
    told = sorted(value for each in latencies if (value := getattr(each, f"{one.figure}_ms")) is not None)
    return told[min(len(told) - 1, int(one.quantile * len(told)))] if told else None


def _lateness(requests: Sequence[RequestRecord]) -> Lateness:
    late = sorted(request.late_ms for request in requests)
    return Lateness(fmean(late), late[min(len(late) - 1, int(LATE_QUANTILE * len(late)))], late[-1])


def _void(late: Lateness, latencies: Sequence[Latency]) -> str | None:
    answered = [each.e2e_ms for each in latencies if each.e2e_ms is not None]
    if not answered:
        return "No request was answered."
    middle_ms = median(answered)
    if late.p99_ms <= MOST_LATE * middle_ms:
        return None
    return (
        f"The run is void: the client itself was {late.p99_ms:.0f} ms late with the latest 1 % of its requests, which "
        f"is more than {MOST_LATE:.0%} of the median latency ({middle_ms:.0f} ms). Ask for fewer requests a second, or "
        "free the machine that outpace runs on."
    )


def _in_words(objectives: Sequence[Objective]) -> str:
    return ", ".join(one.in_words() for one in objectives)
