"""The model of a reference engine: slots, a queue and shared work, in time that is given to it."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence

from reference.truth import Truth


class Work:
    """One request in the model: ``marks_ms`` are when, in ms of work alone, each piece of it is due, the last its end.

    ``tell`` is called at each with the time (s) at which it was reached, or with None where the queue was full.
    """

    def __init__(self, marks_ms: Sequence[float], tell: Callable[[float | None], None]) -> None:
        self.marks_ms, self.tell = marks_ms, tell
        self.came = self.began = math.nan
        self.reached: list[float] = []
        self.over = False


class Model:
    """Slots, a queue, and work that is shared among those in work: exact, in time (s) that is given to it.

    All in work share one measure of progress. ``advance`` works off what has happened, each event at its own time
    however late it is called; nothing may ``arrive`` or ``leave`` before a time that it has been called with.
    """

    def __init__(self, truth: Truth) -> None:
        self._slots, self._most_waiting = truth.slots, truth.queue
        self._speeds = [1.0, *(truth.gain(in_work) / in_work for in_work in range(1, truth.slots + 1))]
        self._waiting: deque[Work] = deque()
        self._in_work = 0
        self._progress_ms = 0.0
        self._as_of = -math.inf
        self._coming: list[tuple[float, int, Work, bool]] = []
        self._due: list[tuple[float, int, Work]] = []
        self._tie = itertools.count()

    @property
    def load(self) -> tuple[int, int]:
        """How many are in work, and how many wait."""
        return self._in_work, len(self._waiting)

    def arrive(self, at_s: float, work: Work) -> None:
        """A request comes in."""
        heapq.heappush(self._coming, (at_s, next(self._tie), work, True))

    def leave(self, at_s: float, work: Work) -> None:
        """The client of ``work`` is gone: its place is free."""
        heapq.heappush(self._coming, (at_s, next(self._tie), work, False))

    def next_s(self) -> float | None:
        """When the next thing happens, None where nothing will."""
        coming = [self._coming[0][0]] if self._coming else []
        due = [self._due_s()] if self._due else []
        return min(coming + due, default=None)

    def advance(self, now_s: float) -> None:
        """Let everything happen that is due by ``now_s``, in its order."""
        while (at_s := self.next_s()) is not None and at_s <= now_s:
            # What is done at the very time at which another comes has made room for it.
            if self._due and self._due_s() <= at_s:
                self._reach(at_s)
            else:
                self._move_to(at_s)
                _, _, work, comes = heapq.heappop(self._coming)
                (self._come if comes else self._go)(at_s, work)

    def _due_s(self) -> float:
        return self._as_of + (self._due[0][0] - self._progress_ms) / 1000 / self._speeds[self._in_work]

    def _move_to(self, at_s: float) -> None:
        if self._in_work:
            self._progress_ms += (at_s - self._as_of) * 1000 * self._speeds[self._in_work]
        self._as_of = at_s

    def _come(self, at_s: float, work: Work) -> None:
        work.came = at_s
        if self._in_work == self._slots and len(self._waiting) >= self._most_waiting:
            work.over = True
            work.tell(None)
        else:
            self._waiting.append(work)
            self._start(at_s)

    def _go(self, at_s: float, work: Work) -> None:
        if work.over:
            return
        work.over = True
        if work in self._waiting:
            self._waiting.remove(work)
        elif not math.isnan(work.began):
            self._due = [entry for entry in self._due if entry[2] is not work]
            heapq.heapify(self._due)
            self._in_work -= 1
            self._start(at_s)

    def _reach(self, at_s: float) -> None:
        mark_ms, _, work = heapq.heappop(self._due)
        self._progress_ms, self._as_of = mark_ms, at_s  # set, not added up: rounding must not gather
        work.reached.append(at_s)
        if len(work.reached) < len(work.marks_ms):
            step_ms = work.marks_ms[len(work.reached)] - work.marks_ms[len(work.reached) - 1]
            heapq.heappush(self._due, (mark_ms + step_ms, next(self._tie), work))
        else:
            work.over = True
            self._in_work -= 1
            self._start(at_s)
        work.tell(at_s)

    def _start(self, at_s: float) -> None:
        while self._waiting and self._in_work < self._slots:
            work = self._waiting.popleft()
            work.began = at_s
            self._in_work += 1
            heapq.heappush(self._due, (self._progress_ms + work.marks_ms[0], next(self._tie), work))
