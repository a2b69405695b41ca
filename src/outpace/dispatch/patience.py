"""Patience: how long an attempt may take, on a host that may have others to answer first."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from outpace.workload.prompts import Prompt

SAME_MOMENT_S = 1.0
"""Requests that were sent within this time of each other may have reached the host in any order."""


@dataclass(eq=False)
class Attempt:
    """One prompt on its way to one host since ``began``; ``since`` is where its time counts from. Both in seconds."""

    prompt: Prompt
    host: str
    began: float
    since: float
    scope: anyio.CancelScope


class Patience:
    """Calls an attempt off ``timeout_s`` after it was sent, or its host last answered one that was sent before it.

    So a host has that time for each prompt that was put before it, and not for a whole queue of them; one that falls
    silent is found as soon as one that never spoke. An answer must have come for each time that is granted anew, so
    what a run may take in all stands.
    """

    def __init__(self, timeout_s: float, tasks: TaskGroup) -> None:
        self._timeout_s, self._tasks = timeout_s, tasks
        self._in_flight: dict[str, dict[Attempt, None]] = {}
        self._watched: set[str] = set()

    def begin(self, attempt: Attempt) -> None:
        """``attempt`` is on its way."""
        self._in_flight.setdefault(attempt.host, {})[attempt] = None
        if attempt.host not in self._watched:
            self._watched.add(attempt.host)
            self._tasks.start_soon(self._watch, attempt.host)

    def end(self, attempt: Attempt, now_s: float, *, answered: bool) -> None:
        """``attempt`` is over; where it was ``answered``, its host has time for those that were sent after it."""
        in_flight = self._in_flight[attempt.host]
        in_flight.pop(attempt, None)
        if answered:
            for other in reversed(in_flight):
                if other.began < attempt.began - SAME_MOMENT_S:
                    break
                other.since = now_s

    async def _watch(self, host: str) -> None:
        """Wait for the time of the attempt to be over that was sent first: no other's is over before."""
        in_flight = self._in_flight[host]
        while in_flight:
            since = next(iter(in_flight)).since
            await anyio.sleep_until(since + self._timeout_s)
            for attempt in [attempt for attempt in in_flight if attempt.since <= since]:
                del in_flight[attempt]
                attempt.scope.cancel()
        self._watched.discard(host)
