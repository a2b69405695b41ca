"""The virtual clock: an event loop in which waiting takes no time.

Run by ``asyncio.Runner(loop_factory=VirtualLoop)``, or by ``anyio.run`` with that factory among its backend options.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from outpace.ground.errors import OutpaceError

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

CANCELLED_UP_TO = 256
"""So many timers that were cancelled may lie among the others, or as many as there are others, before they are thrown
out: a run sets one for each request's timeout, far in the future, and cancels nearly all of them."""


COLLECTED_AFTER = 50_000
"""So many new objects may there be before garbage is looked for among the young. With thousands of requests under way
nearly all of them are old by the time they go, and looking for cycles, of which there are few, takes most of all."""


class Stalled(OutpaceError):
    """Every task waits and nothing is left that could wake one: a deadlock, told instead of a hang."""


class _Handle(asyncio.Handle):
    """As asyncio's, made in fewer steps."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., object], args: Any, loop: asyncio.AbstractEventLoop, context: Context | None
    ) -> None:
        self._callback, self._args, self._loop = callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled, self._repr, self._source_traceback = False, None, None


class _TimerHandle(asyncio.TimerHandle):
    """Likewise."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Any,
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._when, self._callback, self._args, self._loop = when, callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled, self._scheduled, self._repr, self._source_traceback = False, False, None, None


class _JumpingSelector(selectors.SelectSelector):
    """Waits for no one: where no event is ready, the time moves to the very moment of the next timer at once.

    It keeps the timers too: those of the same moment go off in the order in which they were set, and asyncio's own are
    in no order. What they are to do is put among ``due``, the loop's queue of what is ready.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.watched = 0
        """How many sockets are waited for; most loops have their own alone, which wakes them from a wait."""
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.due: deque[asyncio.Handle] = deque()

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        found = super().register(fileobj, events, data)
        self.watched += 1
        return found

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        found = super().unregister(fileobj)
        self.watched -= 1
        return found

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        timers = self.timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        ready = super().select(0) if self.watched > 1 or not timers else []
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
        self._closed: bool
        self._debug: bool
        self._stopping: bool
        super().__init__(self._jumping)
        self._jumping.due = self._ready

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def run_forever(self) -> None:
        """As in asyncio, with less looking for garbage."""
        often = gc.get_threshold()
        if often[0]:
            gc.set_threshold(max(often[0], COLLECTED_AFTER), *often[1:])
        try:
            super().run_forever()
        finally:
            gc.set_threshold(*often)

    def _run_once(self) -> None:
        """One turn, as in asyncio; where no socket is waited for, without what that takes: half of a short turn."""
        jumping, ready = self._jumping, self._ready
        timers = jumping.timers
        if not ready:
            while timers and timers[0][2]._cancelled:
                heappop(timers)
        if jumping.watched > 1 or self._debug or self._stopping or not (ready or timers):
            super()._run_once()  # type: ignore[misc]
            return
        if not ready and timers[0][0] > jumping.now:
            jumping.now = timers[0][0]
        while timers and timers[0][0] <= jumping.now:
            ready.append(heappop(timers)[2])
        for _ in range(len(ready)):  # what these add has its turn later
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As in asyncio, in fewer steps."""
        if self._debug or self._closed:
            return super().call_soon(callback, *args, context=context)
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As in asyncio, but timers of the same moment go off in the order in which they were set."""
        make = asyncio.TimerHandle if self._debug else _TimerHandle
        timer = make(when, callback, args, self, context)
        heappush(self._jumping.timers, (when, next(self._ties), timer))
        return timer

    def _timer_handle_cancelled(self, _timer: asyncio.TimerHandle) -> None:
        self._cancelled += 1
        timers = self._jumping.timers
        if self._cancelled > max(CANCELLED_UP_TO, len(timers) // 2):
            timers[:] = [each for each in timers if not each[2].cancelled()]
            heapify(timers)
            self._cancelled = 0

    def move_to(self, when_s: float) -> None:
        """Let the clock be at ``when_s``, for what happens until then has been reckoned and need not be awaited."""
        self._jumping.now = when_s

    def jump(self, seconds: float) -> None:
        """Let the clock jump forward, as that of a machine that was asleep does."""
        self._jumping.now += seconds
