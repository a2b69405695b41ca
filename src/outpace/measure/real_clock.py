"""The real clock: the event loop of a live session, which reads the finest clock that the system has."""

from __future__ import annotations

import asyncio
import sys
import time

from outpace.report.document import CLOCK

if sys.platform == "win32":
    _Loop = asyncio.ProactorEventLoop
else:
    _Loop = asyncio.SelectorEventLoop


class RealLoop(_Loop):
    """asyncio's own loop on ``time.perf_counter``.

    asyncio goes by ``time.monotonic``, which on Windows moves in steps of 15.6 ms before Python 3.13: a round trip of
    a few milliseconds is nothing there, or a whole step. Elsewhere the two are the same clock.
    """

    def __init__(self) -> None:
        super().__init__()
        # What asyncio takes for due at once: with a coarse clock's, timers would go off a whole step early.
        self._clock_resolution = time.get_clock_info(CLOCK).resolution

    def time(self) -> float:
        """Seconds since no moment in particular."""
        return time.perf_counter()
