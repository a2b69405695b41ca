"""The virtual clock: an event loop in which waiting takes no time.

Run by ``asyncio.Runner(loop_factory=VirtualLoop)``, or by ``anyio.run`` with that factory among its backend options.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from outpace.ground.errors import OutpaceError

CANCELLED_UP_TO = 256
"""So many timers that were cancelled may lie among the others, or as many as there are others, before they are thrown
out: a run sets one for each request's timeout, far in the future, and cancels nearly all of them."""


class Stalled(OutpaceError):
    """Every task waits and nothing is left that could wake one: a deadlock, told instead of a hang."""


class _JumpingSelector(selectors.SelectSelector):
    """Waits for no one: where no event is ready, the time moves to the very moment of the next timer at once.

    It keeps the timers too: those of the same moment go off in the order in which they were set, and asyncio's own are
    in no order. What they are to do is put among ``due``, the loop's queue of what is ready.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.due: deque[asyncio.Handle] = deque()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        timers = self.timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        # The loop's own socket, which wakes it from a wait, is all that most loops have: here nobody waits.
        ready = super().select(0) if len(self.get_map()) > 1 or not timers else []
        if timeout is None and not ready:  # nothing else is to be done
            if not timers:
                raise Stalled("Every task waits, and nothing is left that could wake one.")
            self.now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= self.now:
            self.due.append(heappop(timers)[2])  # one that is cancelled is passed over by the loop
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a clock that starts at 0 and jumps to the next timer whenever all tasks wait."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        self._ties, self._cancelled = count(), 0
        self._ready: deque[asyncio.Handle]
        super().__init__(self._jumping)
        self._jumping.due = self._ready

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As in asyncio, but timers of the same moment go off in the order in which they were set."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._jumping.timers, (when, next(self._ties), timer))
        return timer

    def _timer_handle_cancelled(self, _timer: asyncio.TimerHandle) -> None:
        self._cancelled += 1
        timers = self._jumping.timers
        if self._cancelled > max(CANCELLED_UP_TO, len(timers) // 2):
            timers[:] = [each for each in timers if not each[2].cancelled()]
            heapify(timers)
            self._cancelled = 0

    def jump(self, seconds: float) -> None:
        """Let the clock jump forward, as that of a machine that was asleep does."""
        self._jumping.now += seconds
