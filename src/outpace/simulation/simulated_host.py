"""A simulated host: its work goes on in the time of the running loop, and clients a trip away are told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop

from outpace.simulation.slots import Slots, Work


class SimulatedHost(Slots):
    """``slots`` that are half a ``trip_s`` away from their clients; time is that of the running loop."""

    def __init__(self, slots: int, speed: Callable[[int], float], trip_s: float = 0.0) -> None:
        self._loop = asyncio.get_running_loop()
        super().__init__(slots, speed, self._loop.time())
        self._half_trip_s = trip_s / 2
        self._end_timer: asyncio.TimerHandle | None = None
        self._mark_timer: asyncio.TimerHandle | None = None

    def send(self, marks_ms: tuple[float, ...], *, told: bool, noted: int = 0) -> Work:
        """Send a request off, which comes to the host half a trip later; otherwise as ``submit``.

        Unless its client wants to be ``told`` of each mark, only the one that is to be ``noted`` and the end are.
        """
        loop = self._loop
        work = Work(marks_ms, loop.time(), noted)
        work.done = loop.create_future()
        if told:
            work.told = [loop.create_future() for _ in marks_ms[:-1]]
        if self._half_trip_s:
            loop.call_later(self._half_trip_s, self._take_in, work)
        else:
            self._take_in(work)
        return work

    def submit(self, *marks_ms: float) -> Work:
        """Take a request in, with the work (ms) after which each piece of its answer is due; the last is its end."""
        work = Work(marks_ms, self._loop.time())
        work.done = self._loop.create_future()
        work.told = [self._loop.create_future() for _ in marks_ms[:-1]]
        self._take_in(work)
        return work

    def leave(self, work: Work) -> None:
        """The client of ``work`` is gone: its slot is free, if it had one."""
        if self.go(work, self._loop.time()):
            self._set_timers()

    def _take_in(self, work: Work) -> None:
        if not work.over and self.come(work, self._loop.time()):
            self._set_timers()

    def _set_timers(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
        end_s = self.end_s
        self._end_timer = None if end_s is None else self._loop.call_at(end_s, self._ended)
        self._set_mark_timer()

    def _set_mark_timer(self) -> None:
        if self._mark_timer is not None:
            self._mark_timer.cancel()
            self._mark_timer = None
        while self._marks and self._marks[0][2].over:
            heappop(self._marks)
        if self._marks and self._told:
            self._mark_timer = self._loop.call_at(self._due_s(self._marks[0][0]), self._tell_of_marks)

    def _tell_of_marks(self) -> None:
        self._mark_timer = None
        self._pass_marks(self._marks[0][0], self._loop.time())
        self._set_mark_timer()

    def _reach(self, work: Work, mark: int, reached_s: float) -> None:
        work.reached_s[mark] = reached_s
        if work.told:
            self._tell(work.told[mark], reached_s)

    def _ended(self) -> None:
        self._end_timer = None
        now_s = self._loop.time()
        for work in self.end(now_s):
            self._tell(work.done, now_s)
        self._set_timers()

    def _tell(self, told: asyncio.Future[float], reached_s: float) -> None:
        """Let the client know, half a trip later."""
        if self._half_trip_s:
            self._loop.call_at(reached_s + self._half_trip_s, self._let_know, told)
        else:
            self._let_know(told)

    def _let_know(self, told: asyncio.Future[float]) -> None:
        if not told.done():  # a client that is cancelled cancels what it waits for
            told.set_result(self._loop.time())
