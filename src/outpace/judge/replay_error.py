"""How far replays of requests that arrive are off what was recorded, in the quantiles that people look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outpace.judge.slo import Latency

QUANTILES = (0.5, 0.9)
LEAST_REQUESTS = 20
"""Of fewer, ninety percent are too few to tell."""


@dataclass(frozen=True)
class ReplayError:
    """By which ``share`` replays were off at most, and in which ``figure``, as "ttft p90", under which ``strategy``."""

    share: float
    figure: str
    strategy: str


def replay_error(recorded: Sequence[Latency], replayed: Sequence[Latency], strategy: str) -> ReplayError | None:
    """The worst of TTFT and E2E of the same requests; None where too few of them were answered in both."""
    errors = []
    for figure in ("ttft", "e2e"):
        pairs = [
            (ours, theirs)
            for one, other in zip(recorded, replayed, strict=True)
            if (ours := _of(one, figure)) is not None and (theirs := _of(other, figure)) is not None
        ]
        if len(pairs) < LEAST_REQUESTS:
            continue
        was, is_now = (sorted(each) for each in zip(*pairs, strict=True))
        for q in QUANTILES:
            rank = int(q * len(pairs))
            if was[rank] > 0:
                errors.append(ReplayError(abs(is_now[rank] / was[rank] - 1), f"{figure} p{100 * q:g}", strategy))
    return max(errors, key=lambda each: each.share, default=None)


def _of(latency: Latency, figure: str) -> float | None:
    return latency.ttft_ms if figure == "ttft" else latency.e2e_ms
