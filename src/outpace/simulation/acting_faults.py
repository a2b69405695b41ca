"""Faults as they act: what a request meets on its way to a faulty host and back, whatever carries it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio

from outpace.simulation.clock import VirtualLoop
from outpace.simulation.fault_schedule import Fault, require_virtual_clock

TICK_S = 0.001
"""A wait for a silence to end is this much longer: timers may go off a rounding early, before the silence is over."""
ERROR = "the engine failed on purpose"


class Harm(Exception):
    """What a fault did to a request: ``how`` is "refused", "dropped" or "silent"."""

    def __init__(self, how: str) -> None:
        super().__init__(f"{how} on purpose")
        self.how = how


class ActingFaults:
    """The faults of a session; they act between ``begin`` and ``end``, and their times count from ``begin``."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._began: float | None = None
        self._jumps: list[asyncio.TimerHandle] = []

    def begin(self) -> None:
        """A run begins in which the faults act. Raises ``UsageError`` for a jump of a clock that is not virtual."""
        self.end()
        loop = asyncio.get_running_loop()
        require_virtual_clock(self._faults, virtual=isinstance(loop, VirtualLoop))
        for fault in self._faults:
            if fault.kind == "jumps" and fault.parameter is not None:
                assert isinstance(loop, VirtualLoop)
                self._jumps.append(loop.call_later(fault.start_s, loop.jump, fault.parameter))
        self._began = loop.time()

    def end(self) -> None:
        """The run is over."""
        self._began = None
        while self._jumps:
            self._jumps.pop().cancel()

    def way(self, host: str, patience_s: float | None) -> Way | None:
        """The way of one request to ``host``, None where no fault lies on it.

        The client waits ``patience_s`` seconds for each byte.
        """
        if self._began is None or not (mine := [fault for fault in self._faults if fault.concerns(host)]):
            return None
        return Way(mine, self._began, math.inf if patience_s is None else patience_s)


class Way:
    """The way of one request to a faulty host and back."""

    def __init__(self, faults: Sequence[Fault], began: float, patience_s: float) -> None:
        self._faults, self._began, self._patience_s = faults, began, patience_s
        self._asked_s = self._since_s()
        # The times of faults are compared as they were written, never with ``began`` added: no rounding lets one slip.
        deaths = [fault.start_s for fault in faults if fault.kind == "dies" and fault.start_s >= self._asked_s]
        self._cut_at = began + min(deaths, default=math.inf)

    def connect(self) -> None:
        """Raise ``Harm`` where the host takes no connection."""
        if self.acting("refuses", "dies"):
            raise Harm("refused")

    async def ask(self) -> Fault | None:
        """Bring the request to the host; gives the fault by which it is too busy to take it."""
        await self._silence()
        busy = self.acting("busy")
        # What the silence held back reaches the host only now.
        self._asked_s = self._since_s()
        return busy

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """A block that ends by ``Harm`` where the host dies inside it, or the client's patience is over."""
        gives_up = self.now() + self._patience_s
        # A scope of anyio's, as the coordinator's: asyncio's own timeout loses its way where both end at one moment.
        with anyio.CancelScope(deadline=min(self._cut_at, gives_up)) as scope:
            yield
        if scope.cancelled_caught:
            raise Harm("dropped" if self._cut_at <= gives_up else "silent")

    async def arrive(self, sent: float) -> None:
        """Wait until what the host sent at ``sent`` may arrive here."""
        await asyncio.sleep(max(0.0, self._began + self._slowed_s(sent - self._began) - self.now()))
        await self._silence()

    def acting(self, *kinds: str) -> Fault | None:
        """The first fault of one of ``kinds`` that acts now."""
        since_s = self._since_s()
        return next((fault for fault in self._faults if fault.kind in kinds and fault.acts(since_s)), None)

    async def _silence(self) -> None:
        """Let no byte pass while the host is silent."""
        while (silent := self.acting("silent")) is not None:
            if silent.end_s == math.inf:
                await asyncio.Event().wait()
            await asyncio.sleep(max(0.0, silent.end_s - self._since_s()) + TICK_S)

    def _slowed_s(self, sent_s: float) -> float:
        """When a host that is slow at times comes to what it would otherwise have sent at ``sent_s``."""
        slow = [fault for fault in self._faults if fault.kind == "slow" and fault.parameter]
        edges = sorted({edge for fault in slow for edge in (fault.start_s, fault.end_s) if edge > self._asked_s})
        at_s, left_s = self._asked_s, sent_s - self._asked_s
        for edge_s in [*edges, math.inf]:
            factor = math.prod(fault.parameter or 1.0 for fault in slow if fault.acts(at_s))
            if left_s * factor <= edge_s - at_s:
                break
            left_s -= (edge_s - at_s) / factor
            at_s = edge_s
        return at_s + left_s * factor

    def _since_s(self) -> float:
        return self.now() - self._began

    @staticmethod
    def now() -> float:
        """The running loop's time, in seconds."""
        return asyncio.get_running_loop().time()


def whole_seconds(busy: Fault) -> int | None:
    """What a busy host asks for in its header, which has whole seconds only: nobody may come back too soon."""
    return None if busy.parameter is None else math.ceil(busy.parameter)
