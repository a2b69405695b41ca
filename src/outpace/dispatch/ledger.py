"""The ledger of one run: what became of each prompt, attempt by attempt."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from outpace.engines import Completion
from outpace.ground.errors import RequestFailed
from outpace.ground.records import CALLED_OFF, FailedAttempt, RequestRecord, Run
from outpace.workload.prompts import Prompt

Watcher = Callable[[str, int, int], None]
"""Called with strategy, prompts done, prompts in all, whenever a prompt is done."""


@dataclass(frozen=True)
class Outcome:
    """A run with the answers' texts in the order of the prompts, None where no host answered.

    ``faults`` say what its strategy did wrong, a paragraph each.
    """

    run: Run
    answers: tuple[str | None, ...]
    faults: tuple[str, ...] = ()


class Ledger:
    """Keeps one record a prompt, its answer, and every attempt that gave none; time counts from its making.

    ``brake`` is asked at each arrival and each end of a prompt whether the run is to end, and says why it is.
    """

    def __init__(self, name: str, prompts: Sequence[Prompt], watch: Watcher | None, brake: Brake | None = None) -> None:
        self._name, self._prompts, self._watch, self._brake = name, prompts, watch, brake
        self._records: dict[int, RequestRecord] = {}
        self.finished: list[RequestRecord] = []
        """The records, in the order in which their prompts were done."""
        self.faults: list[str] = []
        """What the strategy did wrong."""
        self._answers: dict[int, str] = {}
        self._attempts: Counter[int] = Counter()
        self._failures: list[FailedAttempt] = []
        self._arrivals: dict[int, tuple[float, float]] = {}
        """When each that has come and is open was due, and how late it came, in ms."""
        self.come = 0
        """How many prompts have come."""
        self.clock: Callable[[], float] = asyncio.get_running_loop().time
        """The time, in seconds: what anyio tells of it, too, without what it takes to ask there."""
        self.start = self._end = self.clock()
        self.all_done = anyio.Event()
        self.ended: str | None = None
        """Why the run ended before all of its prompts had come and were done, if it did."""

    @property
    def waiting(self) -> list[tuple[float, bool]]:
        """When each prompt that has come and is open was due, in ms, and whether it was tried on a host."""
        return [(due_ms, index in self._attempts) for index, (due_ms, _) in self._arrivals.items()]

    def done(self, prompt: Prompt) -> bool:
        """Whether ``prompt`` is answered or has failed."""
        return prompt.index in self._records

    @property
    def open(self) -> int:
        """How many prompts have come, and are neither answered nor failed."""
        return len(self._arrivals)

    @property
    def now_ms(self) -> float:
        """Milliseconds since the run began."""
        return (self.clock() - self.start) * 1000

    def arrive(self, prompt: Prompt, at_ms: float) -> None:
        """``prompt`` has come, ``at_ms`` into the run: no sooner than it was due."""
        self._arrivals[prompt.index] = prompt.due_ms, at_ms - prompt.due_ms
        self.come += 1
        self._ask_brake()

    def tried(self, prompt: Prompt) -> bool:
        """Whether there was an attempt at ``prompt``."""
        return prompt.index in self._attempts

    def begin_attempt(self, prompt: Prompt) -> None:
        """Count one attempt at ``prompt``."""
        self._attempts[prompt.index] += 1

    def note_answer(self, host: str, prompt: Prompt, began: float, completion: Completion) -> None:
        """``host`` answered ``prompt``."""
        self._answers[prompt.index] = completion.text
        start_ms, wall_ms = self._times_ms(began)
        due_ms, late_ms = self._arrivals.pop(prompt.index)
        self._done(
            RequestRecord(
                prompt.index,
                host,
                start_ms,
                wall_ms,
                server_ms=completion.server_ms,
                queue_ms=completion.queue_ms,
                load_ms=completion.load_ms,
                first_token_ms=completion.first_token_ms,
                prompt_tokens=completion.prompt_tokens,
                output_tokens=completion.output_tokens,
                cached_tokens=completion.cached_tokens,
                attempts=self._attempts[prompt.index],
                due_ms=due_ms,
                late_ms=late_ms,
            )
        )

    def note_failure(self, host: str, prompt: Prompt, began: float, error: RequestFailed) -> None:
        """One attempt at ``prompt`` on ``host`` gave no answer."""
        start_ms, wall_ms = self._times_ms(began)
        self._failures.append(FailedAttempt(prompt.index, host, start_ms, wall_ms, f"{error.kind}: {error}"))

    def fail(self, prompt: Prompt, why: str) -> None:
        """Name ``prompt`` among the failed, with what its last attempt said."""
        if prompt.index not in self._arrivals:  # the run was over before anyone took note of it
            self.arrive(prompt, max(prompt.due_ms, self.now_ms))
        due_ms, late_ms = self._arrivals.pop(prompt.index)
        last = next((failure for failure in reversed(self._failures) if failure.prompt == prompt.index), None)
        self._done(
            RequestRecord(
                prompt.index,
                last.host if last else None,
                last.start_ms if last else self.now_ms,
                last.wall_ms if last else 0.0,
                attempts=self._attempts[prompt.index] if last else 0,
                error=f"{last.error} ({why})" if last else why,
                due_ms=due_ms,
                late_ms=late_ms,
            )
        )

    def call_off(self, prompt: Prompt) -> None:
        """The run was ended while ``prompt`` was open: it is named so; one that had not come is none of the run's."""
        if prompt.index in self._arrivals:
            due_ms, late_ms = self._arrivals.pop(prompt.index)
            self._done(
                RequestRecord(
                    prompt.index,
                    None,
                    self.now_ms,
                    0.0,
                    attempts=self._attempts[prompt.index],
                    error=f"{CALLED_OFF}{self.ended}",
                    due_ms=due_ms,
                    late_ms=late_ms,
                )
            )

    def outcome(self, hosts: tuple[str, ...]) -> Outcome:
        """What became of every prompt; all of them must be done, or the run have ended before they came."""
        run = Run(
            self._name,
            hosts,
            (self._end - self.start) * 1000,
            tuple(self._records[prompt.index] for prompt in self._prompts if self.done(prompt)),
            tuple(self._failures),
            ended=self.ended,
        )
        answers = tuple(self._answers.get(prompt.index) for prompt in self._prompts if self.done(prompt))
        return Outcome(run, answers, tuple(self.faults))

    def _times_ms(self, began: float) -> tuple[float, float]:
        """When an attempt began in this run, and how long it has taken."""
        return (began - self.start) * 1000, (self.clock() - began) * 1000

    def _done(self, record: RequestRecord) -> None:
        self._records[record.prompt] = record
        self.finished.append(record)
        self._end = self.clock()
        if self._watch:
            self._watch(self._name, len(self._records), len(self._prompts))
        if len(self._records) == len(self._prompts):
            self.all_done.set()
        self._ask_brake()

    def _ask_brake(self) -> None:
        if self._brake is not None and not self.all_done.is_set() and (why := self._brake(self)):
            self.ended = why
            self.all_done.set()


Brake = Callable[[Ledger], str | None]
"""Looks at a run in progress, and says why it is to end now; None where it is to go on."""
