"""The virtual clock: an event loop in which waiting takes no time.

Run by ``asyncio.Runner(loop_factory=VirtualLoop)``, or by ``anyio.run`` with that factory among its backend options.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import Any

from outpace.ground.errors import OutpaceError


class Stalled(OutpaceError):
    """Every task waits and nothing is left that could wake one: a deadlock, told instead of a hang."""


class _JumpingSelector(selectors.SelectSelector):
    """Waits for no one: where no event is ready, the time moves to the next timer at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stalled("Every task waits, and nothing is left that could wake one.")
            self.now += max(0.0, timeout)
        return ready


class _Timer(asyncio.TimerHandle):
    """A timer that goes off after those that were set before it for the same moment; asyncio's own are in no order."""

    def __init__(self, tie: int, when: float, *rest: Any) -> None:
        super().__init__(when, *rest)
        self._tie = tie

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _Timer):
            return NotImplemented
        return (self.when(), self._tie) < (other.when(), other._tie)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a clock that starts at 0 and jumps to the next timer whenever all tasks wait."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        self._ties = itertools.count()
        self._scheduled: list[_Timer]
        super().__init__(self._jumping)

    @property
    def _clock_resolution(self) -> float:
        """What asyncio takes for due at once: the rounding of this clock, wherever it stands.

        By default it is the real clock's resolution: 16 ms on one system, a billionth of a second on another.
        """
        return max(1e-9, 4 * math.ulp(self._jumping.now))

    @_clock_resolution.setter
    def _clock_resolution(self, _real: float) -> None:
        """Leave what asyncio read off the real clock alone."""

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As in asyncio, but timers of the same moment go off in the order in which they were set."""
        timer = _Timer(next(self._ties), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def jump(self, seconds: float) -> None:
        """Let the clock jump forward, as that of a machine that was asleep does."""
        self._jumping.now += seconds
