"""SLOs: what latency is promised, ``ttft:p95<2s``, whether requests show that it is kept, and the goodput."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from outpace.ground.errors import UsageError, quoted
from outpace.ground.hosts import parse_duration_ms
from outpace.ground.records import RequestRecord
from outpace.judge import quantiles

Figure = Literal["ttft", "tpot", "e2e"]
Kept = Literal["keeps", "breaks", "open"]

_FORM = re.compile(r"(?P<figure>ttft|tpot|e2e):p(?P<percent>[0-9]{1,2}(?:\.[0-9]{1,3})?)<(?P<limit>[0-9.]+m?s)")


@dataclass(frozen=True)
class Objective:
    """One promise: a share of ``quantile`` of all requests has ``figure`` below ``limit_ms``."""

    figure: Figure
    quantile: float
    limit_ms: float

    def within(self, latency: Latency) -> bool:
        """Whether a request kept it; one that was not answered did not, one whose figure nobody tells did."""
        if not latency.answered:
            return False
        value = getattr(latency, f"{self.figure}_ms")
        return value is None or value < self.limit_ms

    def kept(self, latencies: Sequence[Latency], confidence: float = 0.95) -> Kept:
        """Whether ``latencies``, in the order of their requests, show that it is kept, or broken, or neither yet."""
        return self.judged(self.share_of(latencies), confidence)

    def share_of(self, latencies: Sequence[Latency]) -> quantiles.Kept:
        """The share of ``latencies``, in the order of their requests, that keeps it."""
        told = [value for each in latencies if (value := getattr(each, f"{self.figure}_ms")) is not None]
        return quantiles.Kept.of([self.within(each) for each in latencies], told)

    def judged(self, kept: quantiles.Kept, confidence: float = 0.95) -> Kept:
        """Whether such a share shows that it is kept, or broken, or neither yet."""
        found = quantiles.share_beside(kept, self.quantile, confidence)
        return {"above": "keeps", "below": "breaks", "open": "open"}[found]  # type: ignore[return-value]

    def in_words(self) -> str:
        """As a person reads it: "95 % of first tokens within 2 s"."""
        whose = {"ttft": "of first tokens", "tpot": "of times an output token", "e2e": "of answers"}[self.figure]
        return f"{self.quantile * 100:g} % {whose} within {_duration(self.limit_ms)}"


@dataclass(frozen=True, slots=True)
class Latency:
    """One request's latencies in ms, from its due time; None where the engine does not tell, or has not answered."""

    due_ms: float
    ttft_ms: float | None
    tpot_ms: float | None
    e2e_ms: float | None

    @property
    def answered(self) -> bool:
        """Whether a host answered it."""
        return self.e2e_ms is not None


def latency_of(record: RequestRecord) -> Latency:
    """What ``record`` says from its due time on; TPOT is (E2E - TTFT) / (output tokens - 1)."""
    due_ms = record.due_ms
    if record.error is not None or record.start_ms is None:
        return Latency(due_ms, None, None, None)
    waited_ms = record.start_ms - due_ms
    first_ms, tokens = record.first_token_ms, record.output_tokens
    tpot_ms = (record.wall_ms - first_ms) / (tokens - 1) if first_ms is not None and tokens and tokens > 1 else None
    return Latency(due_ms, None if first_ms is None else waited_ms + first_ms, tpot_ms, waited_ms + record.wall_ms)


def parse_slo(text: str) -> tuple[Objective, ...]:
    """Read ``--slo``, such as ``ttft:p95<2s,e2e:p99<30s,tpot:p90<80ms``; raises ``UsageError``."""
    found = tuple(_objective(part.strip()) for part in text.split(",") if part.strip())
    if not found:
        raise UsageError("--slo promises nothing: write, for example, ttft:p95<2s.")
    return found


def _objective(text: str) -> Objective:
    match = _FORM.fullmatch(text)
    if match is None or not 0 < float(match["percent"]) < 100:
        raise UsageError(
            f"--slo: cannot read {quoted(text)}. Write FIGURE:pQUANTILE<LIMIT with ttft, tpot or e2e, a quantile above "
            "0 and below 100, and a limit such as 2s or 80ms, for example ttft:p95<2s,e2e:p99<30s."
        )
    figure: Figure = match["figure"]  # type: ignore[assignment]
    return Objective(figure, float(match["percent"]) / 100, parse_duration_ms(match["limit"], "--slo"))


def judged_together(objectives: Sequence[Objective], kept: Sequence[quantiles.Kept], confidence: float) -> Kept:
    """Whether all ``objectives`` are kept: one that is broken breaks them, one that is open leaves them open."""
    found = {one.judged(each, confidence) for one, each in zip(objectives, kept, strict=True)}
    return "breaks" if "breaks" in found else "open" if "open" in found else "keeps"


def goodput_per_s(objectives: Sequence[Objective], latencies: Iterable[Latency], span_ms: float) -> float:
    """Requests a second that kept every limit, over ``span_ms`` (Y. Zhong et al., "DistServe", OSDI 2024)."""
    good = sum(each.answered and all(one.within(each) for one in objectives) for each in latencies)
    return good / span_ms * 1000


def _duration(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"
