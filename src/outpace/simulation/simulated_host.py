"""A simulated host: slots, a queue, and work that goes the slower the more of it goes on at once."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence


class Work:
    """One request at a host: ``reached`` gives, for each mark of its work, the loop's time (s) at which it was."""

    def __init__(self, loop: asyncio.AbstractEventLoop, marks_ms: Sequence[float]) -> None:
        self.reached: list[asyncio.Future[float]] = [loop.create_future() for _ in marks_ms]
        self.asked = loop.time()
        self.began: float | None = None
        self.over = False
        """Whether it has left, with or without its answer."""
        self.marks_ms = marks_ms

    @property
    def head(self) -> asyncio.Future[float]:
        """The first mark: where the first text is due."""
        return self.reached[0]

    @property
    def done(self) -> asyncio.Future[float]:
        """The last mark: the end."""
        return self.reached[-1]

    @property
    def queue_ms(self) -> float:
        """How long it waited for a slot."""
        assert self.began is not None
        return (self.began - self.asked) * 1000


class SimulatedHost:
    """Works on up to ``slots`` requests at once, first come, first served.

    ``speed`` gives the speed of each of n requests that are worked on together, 1.0 being that of one alone. Time is
    that of the running loop. All requests in work share one measure of progress, so an event costs the logarithm of
    how many there are.
    """

    def __init__(self, slots: int, speed: Callable[[int], float]) -> None:
        self._slots, self._speed = slots, speed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Work] = deque()
        self._in_work = 0
        self._progress_ms = 0.0
        self._as_of = self._loop.time()
        self._due: list[tuple[float, int, Work, asyncio.Future[float]]] = []
        self._tie = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, *marks_ms: float) -> Work:
        """Take a request in, with the work (ms) after which each piece of its answer is due; the last is its end."""
        work = Work(self._loop, marks_ms)
        self._waiting.append(work)
        self._catch_up()
        self._start_waiting()
        self._set_timer()
        return work

    def leave(self, work: Work) -> None:
        """The client of ``work`` is gone: its slot is free, if it had one."""
        if work.over:
            return
        work.over = True  # not to be read off the futures: a client that is cancelled cancels the one it waits for
        for reached in work.reached:
            reached.cancel()
        if work.began is not None:
            self._catch_up()
            self._in_work -= 1
            self._start_waiting()
            self._set_timer()

    def _start_waiting(self) -> None:
        while self._waiting and self._in_work < self._slots:
            work = self._waiting.popleft()
            if work.over:
                continue
            work.began = self._loop.time()
            self._in_work += 1
            for at_ms, reached in zip(work.marks_ms, work.reached, strict=True):
                heapq.heappush(self._due, (self._progress_ms + at_ms, next(self._tie), work, reached))

    def _catch_up(self) -> None:
        now = self._loop.time()
        if self._in_work:
            self._progress_ms += (now - self._as_of) * 1000 * self._speed(self._in_work)
        self._as_of = now

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._due and self._due[0][2].over:
            heapq.heappop(self._due)
        if self._due:
            left_ms = max(0.0, self._due[0][0] - self._progress_ms) / self._speed(self._in_work)
            self._timer = self._loop.call_later(left_ms / 1000, self._reach)

    def _reach(self) -> None:
        self._timer = None
        self._catch_up()
        # The timer was set for the first that is due: rounding in the clock must not make it wait for a next timer.
        self._progress_ms = max(self._progress_ms, self._due[0][0])
        while self._due and self._due[0][0] <= self._progress_ms:
            _, _, work, reached = heapq.heappop(self._due)
            if work.over:
                continue
            if not reached.cancelled():
                reached.set_result(self._loop.time())
            if reached is work.done:
                work.over = True
                self._in_work -= 1
        self._start_waiting()
        self._set_timer()
