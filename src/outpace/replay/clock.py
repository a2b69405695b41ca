"""The virtual clock: an event loop in which waiting takes no time.

Run by ``asyncio.Runner(loop_factory=VirtualLoop)``, or by ``anyio.run`` with that factory among its backend options.
"""

from __future__ import annotations

import asyncio
import selectors

from outpace.errors import OutpaceError


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


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a clock that starts at 0 and jumps to the next timer whenever all tasks wait."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def jump(self, seconds: float) -> None:
        """Let the clock jump forward, as that of a machine that was asleep does."""
        self._jumping.now += seconds
