"""What was measured: plain frozen data in milliseconds, no behaviour beyond derived numbers.

``None`` stands for a number that the engine does not tell; it is never replaced by zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

ROUNDING_MS = 0.01
CALLED_OFF = "called off: "
"""So begins the error of a prompt that had come and was open when its run was ended early."""
BASELINE = "sequential"
"""The strategy of the baseline, which has the fastest host to itself."""


class RequestRecord(NamedTuple):
    """One prompt's journey in one run.

    ``start_ms`` counts from the start of the run, as does ``due_ms``, when it should be sent: latency counts from
    there. The coordinator took note of it ``late_ms`` after that; what lies between then and ``start_ms`` is its wait
    for a host. ``wall_ms``, and all that the engine told, belong to the attempt
    that answered, or to the last one where none did; ``attempts`` counts them all. ``error`` is None for an answer.
    """

    prompt: int
    host: str | None
    start_ms: float | None
    wall_ms: float
    server_ms: float | None = None
    queue_ms: float | None = None
    load_ms: float | None = None
    first_token_ms: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    attempts: int = 1
    error: str | None = None
    due_ms: float = 0.0
    late_ms: float = 0.0

    @property
    def overhead_ms(self) -> float | None:
        """Wall time that the engine did not account for: wall - server."""
        return None if self.server_ms is None else self.wall_ms - self.server_ms


def overlap(requests: Iterable[RequestRecord]) -> bool:
    """Whether two of ``requests``, which one host answered, were in flight at once."""
    spans = sorted(
        (request.start_ms, request.start_ms + request.wall_ms) for request in requests if request.start_ms is not None
    )
    return any(later[0] < earlier[1] - ROUNDING_MS for earlier, later in pairwise(spans))


class FailedAttempt(NamedTuple):
    """One attempt that gave no answer; its prompt may have been answered by a later one."""

    prompt: int
    host: str
    start_ms: float
    wall_ms: float
    error: str

    @property
    def kind(self) -> str:
        """The short name that an error begins with, such as "connect", "cut" or "timeout"."""
        return self.error.partition(":")[0]


@dataclass(frozen=True)
class Run:
    """One execution of the workload under one strategy; ``requests`` holds one record a prompt, in their order."""

    strategy: str
    hosts: tuple[str, ...]
    makespan_ms: float
    requests: tuple[RequestRecord, ...]
    failed_attempts: tuple[FailedAttempt, ...] = ()
    lower_bound_ms: float | None = None
    lag_ms: float | None = None
    """The longest that the coordinator's event loop was late; None where that was not measured."""
    ended: str | None = None
    """Why it ended before all had come that was to, if it did; ``requests`` are then those that had come."""

    @property
    def failed(self) -> tuple[RequestRecord, ...]:
        """The prompts that no host answered."""
        return tuple(request for request in self.requests if request.error is not None)

    @property
    def output_tokens(self) -> int | None:
        """Tokens of all answers together, or None where an engine does not tell them."""
        total = 0
        for request in self.requests:
            if request.error is None:
                if request.output_tokens is None:
                    return None
                total += request.output_tokens
        return total


@dataclass(frozen=True)
class BestAlone:
    """What the best single machine is: ``host``, with so many in flight; ``found`` says how that was found out.

    ``longest_first`` is whether it answers the longest prompts first, or all in the order in which they were given.
    """

    host: str
    in_flight: int
    found: str = ""
    longest_first: bool = False

    @property
    def order(self) -> str:
        """The order of its prompts, to follow how many it has in flight; nothing where that is the usual one."""
        return ", the longest first" if self.longest_first else ""


@dataclass(frozen=True)
class Round:
    """One baseline run, one strategy run and one of the best alone, side by side in time.

    ``alone`` is the baseline itself where that is the best alone, None where the best alone was not measured.
    """

    baseline: Run
    run: Run
    alone: Run | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that were made, each once."""
        if self.alone is None or self.alone is self.baseline:
            return (self.baseline, self.run)
        return (self.baseline, self.run, self.alone)

    @property
    def finished(self) -> bool:
        """Whether both runs answered every prompt."""
        return not self.baseline.failed and not self.run.failed

    @property
    def overhead_ratio(self) -> float | None:
        """Makespan of the run / makespan of its baseline; None where a prompt went unanswered."""
        if not self.finished or not self.baseline.makespan_ms:
            return None
        return self.run.makespan_ms / self.baseline.makespan_ms

    @property
    def set_gain(self) -> float | None:
        """Makespan of the best alone / makespan of the run.

        None where that was not measured, and where a prompt went unanswered.
        """
        if self.alone is None or self.alone.failed or self.run.failed or not self.run.makespan_ms:
            return None
        return self.alone.makespan_ms / self.run.makespan_ms

    @property
    def token_difference(self) -> float | None:
        """By what share the run's output tokens differ from its baseline's; None where they are not told."""
        return _token_difference(self.run, self.baseline)

    @property
    def token_difference_alone(self) -> float | None:
        """By what share the run's output tokens differ from the best alone's; None where they are not told."""
        return None if self.alone is None else _token_difference(self.run, self.alone)

    @property
    def overhead_ratio_per_token(self) -> float | None:
        """The overhead ratio with each makespan divided by its run's output tokens; None where they are not told."""
        ratio = self.overhead_ratio
        ours, theirs = self.run.output_tokens, self.baseline.output_tokens
        return None if ratio is None or not ours or not theirs else ratio * theirs / ours


def _token_difference(run: Run, other: Run) -> float | None:
    ours, theirs = run.output_tokens, other.output_tokens
    if run.failed or other.failed or ours is None or not theirs:
        return None
    return abs(ours - theirs) / theirs


def set_gains(rounds: Iterable[Round]) -> tuple[float, ...]:
    """The set gains of those of ``rounds`` that have one, in their order."""
    return tuple(gain for each in rounds if (gain := each.set_gain) is not None)


def overhead_ratios(rounds: Iterable[Round]) -> tuple[float, ...]:
    """The overhead ratios of those of ``rounds`` that have one, in their order."""
    return tuple(ratio for each in rounds if (ratio := each.overhead_ratio) is not None)
