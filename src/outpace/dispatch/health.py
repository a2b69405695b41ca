"""How a host is doing during one run: what it has in flight, and whether it stands, rests, or is down."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass
class Gauge:
    """How many requests a host has in flight, the request-seconds that they add up to, and its busy seconds."""

    in_flight: int = 0
    busy_s: float = 0.0
    _request_s: float = 0.0
    _as_of_s: float = 0.0

    def add(self, change: int, now_s: float) -> float:
        """Let ``change`` more be in flight from now on; gives the request-seconds until now."""
        since_s = now_s - self._as_of_s
        self._request_s += self.in_flight * since_s
        self.busy_s += since_s if self.in_flight else 0.0
        self._as_of_s = now_s
        self.in_flight += change
        return self._request_s
