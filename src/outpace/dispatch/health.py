"""How a host is doing during one run: what it has in flight, and whether it stands, rests, or is down."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from outpace.engines import Engine
from outpace.ground.errors import RequestFailed

PING_TIMEOUT_S = 5.0

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0
PAUSES_UNTIL_GIVEN_UP = 6
"""So many pauses in a row without a sign of life: 0.25 + 0.5 + 1 + 2 + 4 + 8 s."""


@dataclass
class HostHealth:
    """One host's state in one run; times on the coordinator's clock, in seconds."""

    in_flight: int = 0
    resting: bool = False
    """Gets no prompt for now; whoever put it to rest also wakes it."""
    down: bool = False
    """Must answer a ping before it gets another prompt."""
    pauses: int = 0

    @property
    def given_up(self) -> bool:
        """Whether it has shown no life for so long that nothing is to be hoped from it."""
        return self.pauses >= PAUSES_UNTIL_GIVEN_UP

    def rest(self, *, down: bool, asked_s: float | None = None) -> float:
        """Put the host to rest and give the seconds until it should be looked at again.

        ``asked_s`` is what a busy engine asked for (Retry-After); otherwise each pause is twice the one before.
        """
        self.resting = True
        self.down = self.down or down
        pause_s = min(FIRST_PAUSE_S * 2.0**self.pauses, LONGEST_PAUSE_S)
        self.pauses += 1
        return pause_s if asked_s is None else max(pause_s, min(asked_s, 60.0))

    def stand(self) -> None:
        """The host may get prompts again; one that was down has answered a ping, and is not given up for it."""
        if self.down:
            self.pauses = min(self.pauses, PAUSES_UNTIL_GIVEN_UP - 1)
        self.resting = self.down = False

    def answered(self) -> None:
        """The host answered a prompt: what went wrong before counts no more."""
        self.pauses = 0


class Health:
    """The health of all hosts in one run: whom to leave alone, and for how long.

    A host that rests is let back after its pause, if it was down once it answers a ping. ``changed`` is called with
    its name whenever a host rests, goes on resting, or stands again.
    """

    def __init__(
        self, engines: Mapping[str, Engine], ping_timeout_s: float, tasks: TaskGroup, changed: Callable[[str], None]
    ) -> None:
        self._engines, self._ping_timeout_s, self._tasks, self._changed = engines, ping_timeout_s, tasks, changed
        self.hosts = {host: HostHealth() for host in engines}
        """Each host's state; who asks for it often asks here."""
        self.resting: set[str] = set()
        """Who gets no prompt for now, as it changes."""
        self._standing = list(engines)
        self._places = {host: place for place, host in enumerate(engines)}
        self._loop = asyncio.get_running_loop()
        self._rested: list[str] = []
        """Those whose pause is over."""
        self._woken: asyncio.Future[None] = self._loop.create_future()
        self._looks = False

    def __getitem__(self, host: str) -> HostHealth:
        return self.hosts[host]

    @property
    def standing(self) -> Sequence[str]:
        """Who may get prompts, in the order of ``engines``, as it changes."""
        return self._standing

    def is_hopeless(self, host: str) -> bool:
        """Whether nothing is to be hoped from ``host`` any more."""
        return self.hosts[host].given_up and not self.hosts[host].in_flight

    def rest(self, host: str, *, down: bool, asked_s: float | None = None) -> None:
        """Give ``host`` no prompt for now: it asked to be left alone for so many seconds, or it is down."""
        health = self.hosts[host]
        if health.resting:  # another request of this host failed before; one who wakes it is enough
            health.down = health.down or down
            return
        if not self._looks:
            self._looks = True
            self._tasks.start_soon(self._look)
        self.resting.add(host)
        del self._standing[self._place_among_standing(host)]
        self._look_later(host, health.rest(down=down, asked_s=asked_s))
        self._changed(host)

    def _place_among_standing(self, host: str) -> int:
        return bisect_left(self._standing, self._places[host], key=self._places.__getitem__)

    def _look_later(self, host: str, pause_s: float) -> None:
        self._loop.call_later(pause_s, self._pause_over, host)

    def _pause_over(self, host: str) -> None:
        self._rested.append(host)
        if not self._woken.done():
            self._woken.set_result(None)

    async def _look(self) -> None:
        """Let each stand again after its pause, once it answers a ping if it was down.

        This is one task for all hosts: in a large pool most of those that rest do so for long.
        """
        while True:
            await self._woken
            self._woken = self._loop.create_future()
            rested, self._rested = self._rested, []
            for host in rested:
                if self.hosts[host].down:
                    self._tasks.start_soon(self._ask, host)
                else:
                    self._stand(host)

    async def _ask(self, host: str) -> None:
        if await self._lives(host):
            self._stand(host)
        else:
            self._look_later(host, self.hosts[host].rest(down=True))
            self._changed(host)

    def _stand(self, host: str) -> None:
        self.hosts[host].stand()
        self.resting.discard(host)
        self._standing.insert(self._place_among_standing(host), host)
        self._changed(host)

    async def _lives(self, host: str) -> bool:
        try:
            with anyio.move_on_after(self._ping_timeout_s):
                await self._engines[host].ping()
                return True
        except (RequestFailed, TimeoutError):
            pass
        return False


@dataclass
class Gauge:
    """How many requests a host has in flight, and for how many seconds it has had any."""

    in_flight: int = 0
    busy_s: float = 0.0
    _as_of_s: float = 0.0

    def add(self, change: int, now_s: float) -> None:
        """Let ``change`` more be in flight from now on."""
        self.busy_s += now_s - self._as_of_s if self.in_flight else 0.0
        self._as_of_s = now_s
        self.in_flight += change
