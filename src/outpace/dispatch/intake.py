"""The intake of a run: prompts come in when they are due and wait to be sent, or are refused where too many wait."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

import anyio

from outpace.dispatch.leftovers import Leftovers
from outpace.dispatch.setup import Setup
from outpace.dispatch.signals import ARRIVAL, Signals
from outpace.workload.prompts import Prompt

SETTLED_S = 0.001
"""What can be sent at once is sent within this time of its arrival; in a simulation all of it is done before."""


class Intake:
    """Those of ``prompts``, as they are due, that have arrived, and ``waiting`` those that no strategy has taken yet.

    Where ``setup`` bounds the queue, whoever comes when so many wait for a host is refused, and named so; those that
    are ``left`` over wait, too.
    """

    def __init__(
        self,
        setup: Setup,
        prompts: Sequence[Prompt],
        signals: Signals,
        has_room: Callable[[str], bool],
        left: Leftovers,
    ) -> None:
        self._setup, self._signals, self._has_room, self._left = setup, signals, has_room, left
        self._places = {host: place for place, host in enumerate(setup.engines)}
        self._to_come = deque(prompts)
        self._come_until_ms = 0.0
        self.arrived: list[Prompt] = []
        self.waiting: OrderedDict[int, Prompt] = OrderedDict()  # the first of a dict is far to find once many are gone
        self._let_in(0.0)

    @property
    def more_to_come(self) -> bool:
        """Whether a prompt is not due yet."""
        return bool(self._to_come)

    def has_come(self, prompt: Prompt) -> bool:
        """Whether ``prompt`` has been due."""
        return prompt.due_ms <= self._come_until_ms

    async def due(self, prompt: Prompt) -> None:
        """Wait until ``prompt`` is due."""
        if not self.has_come(prompt):
            await self._signals.wait(prompt.index)

    def take(self, prompt: Prompt) -> bool:
        """Whether ``prompt`` waits to be sent; from now on it is in its taker's hand."""
        return self.waiting.pop(prompt.index, None) is not None

    async def bring(self) -> None:
        """Let every prompt in when it is due."""
        ledger = self._setup.ledger
        while self._to_come:
            due_ms = self._to_come[0].due_ms
            await anyio.sleep_until(ledger.start + due_ms / 1000)
            self._let_in(max(due_ms, ledger.now_ms))  # a timer may go off a rounding early

    def _let_in(self, until_ms: float) -> None:
        bound = self._setup.queue
        let_in = []
        self._come_until_ms = until_ms
        while self._to_come and self._to_come[0].due_ms <= until_ms:
            prompt = self._to_come.popleft()
            self._setup.ledger.arrive(prompt, until_ms)
            if bound is not None and self._queued >= bound and not any(map(self._has_room, self._setup.engines)):
                self._refuse(prompt)
            else:
                self.arrived.append(prompt)
                self.waiting[prompt.index] = prompt
                let_in.append(prompt)
            self._signals.wake(prompt.index)
        self._signals.wake(ARRIVAL)
        for host in filter(self._has_room, self._signals.awaited(self._places)):
            self._signals.wake(host)
        self._signals.wake()
        if bound is not None and let_in:
            self._setup.tasks.start_soon(self._refuse_what_waits, let_in, bound)

    @property
    def _queued(self) -> int:
        return len(self.waiting) + len(self._left)

    async def _refuse_what_waits(self, let_in: list[Prompt], bound: int) -> None:
        """Refuse what no host has got of those who came last, as far as that is more than may wait."""
        await anyio.sleep(SETTLED_S)
        for prompt in reversed(let_in):
            untried = self._left.untried()
            at_hosts = len(self._left) - len(untried)
            queue = sorted([*untried, *self.waiting.values()], key=lambda each: (each.due_ms, each.index))
            if prompt in queue and at_hosts + queue.index(prompt) >= bound:
                self.waiting.pop(prompt.index, None)
                self._left.take(prompt)
                self._refuse(prompt)

    def _refuse(self, prompt: Prompt) -> None:
        self._setup.ledger.fail(prompt, f"queue full: {self._setup.queue} waited already when it came")


class Arriving:
    """Every prompt that ``intake`` lets in, in the order in which they come: for ``async for``."""

    def __init__(self, intake: Intake, signals: Signals) -> None:
        self._intake, self._signals, self._next = intake, signals, 0

    def __aiter__(self) -> Arriving:
        return self

    async def __anext__(self) -> Prompt:
        while self._next == len(self._intake.arrived):
            if not self._intake.more_to_come:
                raise StopAsyncIteration
            await self._signals.wait(ARRIVAL)
        self._next += 1
        return self._intake.arrived[self._next - 1]
