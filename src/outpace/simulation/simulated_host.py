"""A simulated host: slots, a queue, and work that goes the slower the more of it goes on at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Work:
    """One request at a host; times are the loop's, in seconds.

    ``reached_s`` is when each mark of its work was reached, None for one that is not or that nobody asked for. ``done``
    is set once its client knows of the end, and gives when that is.
    """

    __slots__ = ("asked_s", "began_s", "done", "marks_ms", "noted", "over", "reached_s", "told")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, marks_ms: tuple[float, ...], *, told: bool, noted: int = 0
    ) -> None:
        self.marks_ms, self.noted = marks_ms, noted
        self.asked_s = loop.time()
        """When it came to the host."""
        self.began_s: float | None = None
        self.over = False
        """Whether it has left, with or without its answer."""
        self.reached_s: list[float | None] = [None] * len(marks_ms)
        self.done: asyncio.Future[float] = loop.create_future()
        self.told: list[asyncio.Future[float]] = [loop.create_future() for _ in marks_ms[:-1]] if told else []
        """As ``done``, for each mark before the end, where the client wants to be told of them."""

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


class SimulatedHost:
    """Works on up to ``slots`` requests at once, first come, first served, half a ``trip_s`` away from its clients.

    ``speed`` gives the speed of each of n requests that are worked on together, 1.0 being that of one alone. Time is
    that of the running loop. All requests in work share one measure of progress, in ms, so an event costs the logarithm
    of how many there are. Progress is read off where work begins and ends alone, so that no figure depends on who is
    told of what lies between.
    """

    def __init__(self, slots: int, speed: Callable[[int], float], trip_s: float = 0.0) -> None:
        self._slots, self._speed, self._half_trip_s = slots, speed, trip_s / 2
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Work] = deque()
        self._in_work = self._told = 0
        """How many are in work, and how many of them want to be told of their marks."""
        self._rate = 0.0
        """Progress a second of each in work."""
        self._progress_ms, self._as_of_s = 0.0, self._loop.time()
        self._ties = count()
        self._ends: list[tuple[float, int, Work]] = []
        self._marks: list[tuple[float, int, Work, int]] = []
        self._end_timer: asyncio.TimerHandle | None = None
        self._mark_timer: asyncio.TimerHandle | None = None

    def send(self, marks_ms: tuple[float, ...], *, told: bool, noted: int = 0) -> Work:
        """Send a request off, which comes to the host half a trip later; otherwise as ``submit``.

        Unless its client wants to be ``told`` of each mark, only the one that is to be ``noted`` and the end are.
        """
        work = Work(self._loop, marks_ms, told=told, noted=noted)
        if self._half_trip_s:
            self._loop.call_later(self._half_trip_s, self._take_in, work)
        else:
            self._take_in(work)
        return work

    def submit(self, *marks_ms: float) -> Work:
        """Take a request in, with the work (ms) after which each piece of its answer is due; the last is its end."""
        work = Work(self._loop, marks_ms, told=True)
        self._take_in(work)
        return work

    def leave(self, work: Work) -> None:
        """The client of ``work`` is gone: its slot is free, if it had one."""
        if work.over:
            return
        work.over = True
        if work.began_s is not None:
            self._catch_up()
            self._let_go(work)
            self._go_on()

    def _take_in(self, work: Work) -> None:
        if work.over:
            return
        work.asked_s = self._loop.time()
        self._waiting.append(work)
        if self._in_work < self._slots:
            self._catch_up()
            self._go_on()

    def _go_on(self) -> None:
        """Give free slots to those who wait, and set the timers anew."""
        progress = self._progress_ms
        while self._waiting and self._in_work < self._slots:
            work = self._waiting.popleft()
            if work.over:
                continue
            work.began_s = self._as_of_s
            self._in_work += 1
            tie = next(self._ties)
            heappush(self._ends, (progress + work.marks_ms[-1], tie, work))
            self._told += bool(work.told)
            for mark in range(len(work.told)) if work.told else (work.noted,):
                heappush(self._marks, (progress + work.marks_ms[mark], tie, work, mark))
        self._rate = 1000 * self._speed(self._in_work) if self._in_work else 0.0
        while self._ends and self._ends[0][2].over:
            heappop(self._ends)
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._end_timer = self._loop.call_at(self._due_s(self._ends[0][0]), self._end) if self._ends else None
        self._set_mark_timer()

    def _let_go(self, work: Work) -> None:
        self._in_work -= 1
        self._told -= bool(work.told)

    def _set_mark_timer(self) -> None:
        if self._mark_timer is not None:
            self._mark_timer.cancel()
            self._mark_timer = None
        while self._marks and self._marks[0][2].over:
            heappop(self._marks)
        if self._marks and self._told:
            self._mark_timer = self._loop.call_at(self._due_s(self._marks[0][0]), self._tell_of_marks)

    def _due_s(self, progress_ms: float) -> float:
        """When progress comes to ``progress_ms``, if no work begins or ends before that."""
        return self._as_of_s + max(0.0, progress_ms - self._progress_ms) / self._rate

    def _catch_up(self, at_least_ms: float = 0.0) -> None:
        """Let progress be what it is now; rounding in the clock must not make it less than ``at_least_ms``."""
        now_s = self._loop.time()
        progress_ms = max(self._progress_ms + (now_s - self._as_of_s) * self._rate, at_least_ms)
        if self._marks and self._marks[0][0] <= progress_ms:
            self._pass_marks(progress_ms)
        self._progress_ms, self._as_of_s = progress_ms, now_s

    def _pass_marks(self, progress_ms: float) -> None:
        marks, now_s = self._marks, self._loop.time()
        while marks and marks[0][0] <= progress_ms:
            due_ms, _, work, mark = heappop(marks)
            if not work.over:
                reached_s = work.reached_s[mark] = min(self._due_s(due_ms), now_s)
                if work.told:
                    self._tell(work.told[mark], reached_s)

    def _tell_of_marks(self) -> None:
        self._mark_timer = None
        self._pass_marks(self._marks[0][0])
        self._set_mark_timer()

    def _end(self) -> None:
        ends, self._end_timer = self._ends, None
        self._catch_up(ends[0][0])
        while ends and ends[0][0] <= self._progress_ms:
            work = heappop(ends)[2]
            if work.over:
                continue
            work.over = True
            self._let_go(work)
            work.reached_s[-1] = self._as_of_s
            self._tell(work.done, self._as_of_s)
        self._go_on()

    def _tell(self, told: asyncio.Future[float], reached_s: float) -> None:
        """Let the client know, half a trip later."""
        if self._half_trip_s:
            self._loop.call_at(reached_s + self._half_trip_s, self._let_know, told)
        else:
            self._let_know(told)

    def _let_know(self, told: asyncio.Future[float]) -> None:
        if not told.done():  # a client that is cancelled cancels what it waits for
            told.set_result(self._loop.time())
