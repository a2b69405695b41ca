"""Patience: how long an attempt may take, on a host that may have others to answer first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import anyio

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
    what a run may take in all stands. A timer a host tells of it, as a task for each would take thrice as much memory.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s, self._loop = timeout_s, asyncio.get_running_loop()
        self._in_flight: dict[str, dict[Attempt, None]] = {}
        """Those of each host that is watched."""

    def begin(self, attempt: Attempt) -> None:
        """``attempt`` is on its way."""
        in_flight = self._in_flight.get(attempt.host)
        if in_flight is None:
            in_flight = self._in_flight[attempt.host] = {}
            self._watch(attempt.host, attempt.since)
        in_flight[attempt] = None

    def end(self, attempt: Attempt, now_s: float, *, answered: bool) -> None:
        """``attempt`` is over; where it was ``answered``, its host has time for those that were sent after it."""
        in_flight = self._in_flight.get(attempt.host, {})
        in_flight.pop(attempt, None)
        if answered:
            for other in reversed(in_flight):
                if other.began < attempt.began - SAME_MOMENT_S:
                    break
                other.since = now_s

    def _watch(self, host: str, since: float) -> None:
        self._loop.call_at(since + self._timeout_s, self._call_off, host, since)

    def _call_off(self, host: str, since: float) -> None:
        """The time of what is counted ``since`` then is over; that of the attempt that was sent first is the next."""
        in_flight = self._in_flight[host]
        for attempt in [attempt for attempt in in_flight if attempt.since <= since]:
            del in_flight[attempt]
            attempt.scope.cancel()
        if in_flight:
            self._watch(host, next(iter(in_flight)).since)
        else:
            del self._in_flight[host]
