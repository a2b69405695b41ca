"""What a host works on: slots, a queue, and work that goes the slower the more of it goes on at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush


class Work:
    """One request at a host, which came at ``asked_s``; times are in seconds.

    ``marks_ms`` is the work after which each piece of its answer is due, the last its end. ``reached_s`` is when each
    was reached, None for one that is not or that nobody asked for. Where a client waits, ``done`` is set once it knows
    of the end, and gives when that is, and each of ``told`` once it knows of a mark before.
    """

    __slots__ = ("asked_s", "began_s", "done", "marks_ms", "noted", "over", "reached_s", "told")

    done: asyncio.Future[float]

    def __init__(self, marks_ms: tuple[float, ...], asked_s: float, noted: int = 0) -> None:
        self.marks_ms, self.asked_s, self.noted = marks_ms, asked_s, noted
        self.began_s: float | None = None
        self.over = False
        """Whether it has left, with or without its answer."""
        self.reached_s: list[float | None] = [None] * len(marks_ms)
        self.told: list[asyncio.Future[float]] = []

    @property
    def queue_ms(self) -> float:
        """How long it waited for a slot."""
        assert self.began_s is not None
        return (self.began_s - self.asked_s) * 1000

    @property
    def worked_ms(self) -> float:
        """How long it was in work, from its slot to its end."""
        ended_s = self.reached_s[-1]
        assert ended_s is not None
        assert self.began_s is not None
        return (ended_s - self.began_s) * 1000


class Slots:
    """Works on up to so many ``slots`` at once, first come, first served; whoever uses it says what time it is.

    ``speed`` gives the speed of each of n requests that are worked on together, 1.0 being that of one alone. All
    requests in work share one measure of progress, in ms, so an event costs the logarithm of how many there are.
    Progress is read off where work begins and ends alone: no figure depends on who is told of what lies between.
    """

    def __init__(self, slots: int, speed: Callable[[int], float], now_s: float) -> None:
        self._slots, self._speed = slots, speed
        self._waiting: deque[Work] = deque()
        self._in_work = self._told = 0
        """How many are in work, and how many of them want to be told of their marks."""
        self._rate = 0.0
        """Progress a second of each in work."""
        self._progress_ms, self._as_of_s = 0.0, now_s
        self._ties = 0
        self._ends: list[tuple[float, int, Work]] = []
        self._marks: list[tuple[float, int, Work, int]] = []

    def twin(self) -> Slots:
        """The same while nothing is in work, to see what would come of something."""
        assert not self._in_work
        found = Slots(self._slots, self._speed, self._as_of_s)
        found.be(self)
        return found

    def be(self, twin: Slots) -> None:
        """What came of something at the ``twin``, which is idle again, has come of it here."""
        self._progress_ms, self._as_of_s, self._ties = twin._progress_ms, twin._as_of_s, twin._ties

    @property
    def end_s(self) -> float | None:
        """When the next work in progress ends, if none begins or leaves before; None where there is none."""
        return self._due_s(self._ends[0][0]) if self._ends else None

    def come(self, work: Work, now_s: float) -> bool:
        """Take ``work`` in; whether anything has changed for what is in work."""
        work.asked_s = now_s
        self._waiting.append(work)
        if self._in_work >= self._slots:
            return False
        self._catch_up(now_s)
        self._go_on()
        return True

    def go(self, work: Work, now_s: float) -> bool:
        """Nobody waits for ``work`` any more: its slot is free, if it had one; whether it had."""
        if work.over:
            return False
        work.over = True
        if work.began_s is None:
            return False
        self._catch_up(now_s)
        self._let_go(work)
        self._go_on()
        return True

    def end(self, now_s: float) -> list[Work]:
        """The time that ``end_s`` told has come: what ended then."""
        ends, ended = self._ends, []
        self._catch_up(now_s, ends[0][0])
        while ends and ends[0][0] <= self._progress_ms:
            work = heappop(ends)[2]
            if work.over:
                continue
            work.over = True
            self._let_go(work)
            work.reached_s[-1] = now_s
            ended.append(work)
        self._go_on()
        return ended

    def _go_on(self) -> None:
        """Give free slots to those who wait."""
        progress, ends = self._progress_ms, self._ends
        while self._waiting and self._in_work < self._slots:
            work = self._waiting.popleft()
            if work.over:
                continue
            work.began_s = self._as_of_s
            self._in_work += 1
            self._ties += 1
            last = len(work.marks_ms) - 1
            heappush(ends, (progress + work.marks_ms[last], self._ties, work))
            self._told += bool(work.told)
            for mark in range(last) if work.told else (work.noted,):
                if mark < last:
                    heappush(self._marks, (progress + work.marks_ms[mark], self._ties, work, mark))
        self._rate = 1000 * self._speed(self._in_work) if self._in_work else 0.0
        while ends and ends[0][2].over:
            heappop(ends)

    def _let_go(self, work: Work) -> None:
        self._in_work -= 1
        self._told -= bool(work.told)

    def _due_s(self, progress_ms: float) -> float:
        """When progress comes to ``progress_ms``, if no work begins or ends before that."""
        return self._as_of_s + max(0.0, progress_ms - self._progress_ms) / self._rate

    def _catch_up(self, now_s: float, at_least_ms: float = 0.0) -> None:
        """Let progress be what it is now; rounding in the clock must not make it less than ``at_least_ms``."""
        progress_ms = max(self._progress_ms + (now_s - self._as_of_s) * self._rate, at_least_ms)
        if self._marks and self._marks[0][0] <= progress_ms:
            self._pass_marks(progress_ms, now_s)
        self._progress_ms, self._as_of_s = progress_ms, now_s

    def _pass_marks(self, progress_ms: float, now_s: float) -> None:
        marks = self._marks
        while marks and marks[0][0] <= progress_ms:
            due_ms, _, work, mark = heappop(marks)
            if not work.over:
                self._reach(work, mark, min(self._due_s(due_ms), now_s))

    def _reach(self, work: Work, mark: int, reached_s: float) -> None:
        """``work`` has come to a mark that is not its end."""
        work.reached_s[mark] = reached_s
