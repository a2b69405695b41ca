"""What was left over: prompts that a host did not answer, or that no strategy sent, given to hosts that have room."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from outpace.dispatch.attempts import ATTEMPTS_A_HOST, Attempts
from outpace.dispatch.health import Health
from outpace.dispatch.setup import Setup
from outpace.workload.prompts import Prompt


class Leftovers:
    """Prompts that wait for a host that stands and ``has_room``; ``start`` sends one there.

    A prompt that every host has spoilt, or that no host is left for, is named among the failed. ``more_to_come`` says
    whether prompts go on coming.
    """

    def __init__(
        self,
        setup: Setup,
        attempts: Attempts,
        health: Health,
        has_room: Callable[[str], bool],
        start: Callable[[str, Prompt], None],
        more_to_come: Callable[[], bool],
    ) -> None:
        self._setup, self._attempts, self._health = setup, attempts, health
        self._has_room, self._start, self._more_to_come = has_room, start, more_to_come
        self._left: deque[tuple[Prompt, float]] = deque()
        self._handing_out = False

    def __len__(self) -> int:
        return len(self._left)

    def untried(self) -> list[Prompt]:
        """Those that were at no host yet, for theirs did not stand when they should have been sent."""
        return [prompt for prompt, _ in self._left if not self._setup.ledger.tried(prompt)]

    def take(self, prompt: Prompt) -> bool:
        """Whether ``prompt`` is left; from now on it is in its taker's hand."""
        before = len(self._left)
        self._left = deque(each for each in self._left if each[0] != prompt)
        return len(self._left) < before

    def add(self, *prompts: Prompt) -> None:
        """Leave ``prompts`` to whichever host has room for them, when they are next handed out."""
        now_s = self._setup.ledger.clock()
        self._left.extend((prompt, now_s) for prompt in prompts)

    def hand_out(self) -> None:
        """Look for hosts for what is left, once whoever has a next prompt for a host has sent it."""
        if self._left and not self._handing_out:
            self._handing_out = True
            self._setup.tasks.start_soon(self._hand_out_later)

    def hand_out_before(self, prompt: Prompt) -> bool:
        """Look for hosts for what was due before ``prompt``; whether one was found for any."""
        return bool(self._left) and self._hand_out_now(prompt.due_ms)

    async def _hand_out_later(self) -> None:
        self._handing_out = False
        self._hand_out_now()

    def _hand_out_now(self, due_before_ms: float = math.inf) -> bool:
        waiting, self._left = self._left, deque()
        found = False
        for prompt, since in waiting:
            if prompt.due_ms < due_before_ms and (idle := self._idle_for(prompt)) is not None:
                self._start(idle, prompt)
                found = True
                continue
            spoilt = {host: self._attempts.spoilt(prompt, host) for host in self._setup.engines}
            untried = [host for host, times in spoilt.items() if times < ATTEMPTS_A_HOST]
            hopeful = [host for host in untried if not self._health.is_hopeless(host)]
            if not hopeful:
                why = "no host is left that has not failed it" if not untried else "no host answers"
                self._setup.ledger.fail(prompt, why)
                continue
            alone = any(spoilt.values())  # then nothing else is put at risk with it
            free = [host for host in hopeful if self._is_free(host, since, alone=alone)]
            if free and prompt.due_ms < due_before_ms:
                self._start(min(free, key=lambda host: (spoilt[host], self._health[host].in_flight)), prompt)
                found = True
            else:
                self._left.append((prompt, since))
        return found

    def _idle_for(self, prompt: Prompt) -> str | None:
        """The first host that stands, has nothing in flight and has not spoilt ``prompt``: no other is better.

        Where hosts are many, to look at all of them would take long.
        """
        for host in self._health.standing:
            if not self._health[host].in_flight and self._has_room(host) and not self._attempts.spoilt(prompt, host):
                return host
        return None

    def _is_free(self, host: str, since: float, *, alone: bool) -> bool:
        """Whether ``host`` may get a prompt that is left ``since`` then.

        While others go on coming there may never be room for it, nor a host that has nothing else in flight: once it
        has waited as long as an attempt may take, any host that stands will do.
        """
        if self._more_to_come() and self._setup.ledger.clock() - since >= self._setup.timeout_s:
            return not self._health[host].resting
        return self._has_room(host) and not (alone and self._health[host].in_flight)
