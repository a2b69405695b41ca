"""What was left over: prompts that a host did not answer, or that no strategy sent, given to hosts that have room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from outpace.dispatch.attempts import ATTEMPTS_A_HOST, Attempts
from outpace.dispatch.health import Health
from outpace.dispatch.setup import Setup
from outpace.workload.prompts import Prompt


class Leftovers:
    """Prompts that wait for a host that stands and ``has_room``; ``start`` sends one there.

    A prompt that every host has spoilt, or that no host is left for, is named among the failed.
    """

    def __init__(
        self,
        setup: Setup,
        attempts: Attempts,
        health: Health,
        has_room: Callable[[str], bool],
        start: Callable[[str, Prompt], None],
    ) -> None:
        self._setup, self._attempts, self._health = setup, attempts, health
        self._has_room, self._start = has_room, start
        self._left: deque[Prompt] = deque()
        self._handing_out = False

    def add(self, *prompts: Prompt) -> None:
        """Leave ``prompts`` to whichever host has room for them, when they are next handed out."""
        self._left.extend(prompts)

    def hand_out(self) -> None:
        """Look for hosts for what is left, once whoever has a next prompt for a host has sent it."""
        if self._left and not self._handing_out:
            self._handing_out = True
            self._setup.tasks.start_soon(self._hand_out_now)

    async def _hand_out_now(self) -> None:
        self._handing_out = False
        waiting, self._left = self._left, deque()
        for prompt in waiting:
            spoilt = {host: self._attempts.spoilt(prompt, host) for host in self._setup.engines}
            untried = [host for host, times in spoilt.items() if times < ATTEMPTS_A_HOST]
            hopeful = [host for host in untried if not self._health.is_hopeless(host)]
            if not hopeful:
                why = "no host is left that has not failed it" if not untried else "no host answers"
                self._setup.ledger.fail(prompt, why)
                continue
            alone = any(spoilt.values())  # then nothing else is put at risk with it
            free = [host for host in hopeful if self._has_room(host) and not (alone and self._health[host].in_flight)]
            if free:
                self._start(min(free, key=lambda host: (spoilt[host], self._health[host].in_flight)), prompt)
            else:
                self._left.append(prompt)
