"""One run as its strategy sees it: prompts, hosts, and the ways to send one to the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

import anyio

from outpace.dispatch.attempts import ATTEMPTS_A_HOST, Attempts
from outpace.dispatch.health import PING_TIMEOUT_S, Health
from outpace.dispatch.intake import Arriving, Intake
from outpace.dispatch.leftovers import Leftovers
from outpace.dispatch.patience import Attempt
from outpace.dispatch.senders import Senders
from outpace.dispatch.setup import Setup
from outpace.dispatch.signals import ANY_CHANGE, Signals
from outpace.ground.records import RequestRecord
from outpace.workload.prompts import Prompt


class Job:
    """One run as its strategy sees it: ``prompts``, ``hosts`` (fastest first), what to ``expect``, and ``send``.

    ``prompts`` are in the order in which they are due, those of one moment in their own. ``send`` waits for what
    becomes of a prompt. ``room`` and ``start`` are for strategies that keep within a limit of requests in flight: the
    one waits for a place on a host, the other takes it.

    Prompts come when they are due, in a batch all of them at once. A strategy may decide on each as it comes
    (``arriving``), or let them wait and give the first to a host when it has room (``next``). Whatever it asks for, no
    prompt is sent before it is due. What it puts into ``memory`` its next run in the session finds there.
    """

    def __init__(self, setup: Setup) -> None:
        self.prompts = tuple(sorted(setup.workload.prompts, key=lambda prompt: prompt.due_ms))
        self.hosts = tuple(setup.engines)
        self.expect = setup.expect
        self.memory = setup.memory
        self.timeout_s = setup.timeout_s
        self._setup, self._ledger = setup, setup.ledger
        times = len(self.prompts) + ATTEMPTS_A_HOST * len(self.hosts)
        self._limit_s = self.prompts[-1].due_ms / 1000 + setup.timeout_s * times
        self._signals = Signals()
        self._senders = Senders(setup.tasks, self._send)
        ping_timeout_s = min(PING_TIMEOUT_S, setup.timeout_s)
        self._health = Health(setup.engines, ping_timeout_s, setup.tasks, self._stood_or_fell)
        self._hosts = self._health.hosts
        self._attempts = Attempts(setup, self._health, self._signals)
        self._leftovers = Leftovers(
            setup, self._attempts, self._health, self.has_room, self._start, lambda: self.more_to_come
        )
        self._intake = Intake(setup, self.prompts, self._signals, self.has_room, self._leftovers)
        for host in setup.away:
            self._health.rest(host, down=True)

    # What strategies call.

    async def send_each(self, host: str, prompts: Sequence[Prompt]) -> None:
        """Send ``prompts`` to ``host`` one after another."""
        for prompt in prompts:
            await self.send(host, prompt)

    async def send(self, host: str, prompt: Prompt) -> None:
        """Send ``prompt``, once it is due, to ``host`` and wait for what becomes of it.

        Without an answer it is left to other hosts. A prompt that is answered or on its way already is not sent again.
        """
        await self._intake.due(prompt)
        if self._intake.take(prompt):
            self._hosts[host].in_flight += 1
            await self._send(host, prompt)

    def start(self, host: str, prompt: Prompt) -> None:
        """Take a place on ``host`` for ``prompt`` at once, and ``send`` it without waiting."""
        if not self._intake.has_come(prompt):
            self._setup.tasks.start_soon(self.send, host, prompt)
        elif self._intake.take(prompt):
            self._start(host, prompt)

    def arriving(self) -> Arriving:
        """The prompts as they come, for ``async for``; in a batch, all of them at once."""
        return Arriving(self._intake, self._signals)

    async def due(self, prompt: Prompt) -> None:
        """Wait until ``prompt`` is due."""
        await self._intake.due(prompt)

    @property
    def waiting(self) -> tuple[Prompt, ...]:
        """The prompts that have come and that nobody has taken, in the order in which they came."""
        return tuple(self._intake.waiting.values())

    @property
    def more_to_come(self) -> bool:
        """Whether a prompt is not due yet."""
        return self._intake.more_to_come

    async def next(self, host: str, *, fair: bool = False) -> Prompt | None:
        """Wait until ``host`` has ``room``, and give the prompt that waits since longest: to be started at once.

        None where nothing waits and no more comes, or ``host`` shows no life any more. What a host has failed goes
        before what was due after it.
        """
        while await self.room(host, fair=fair):
            prompt = next(iter(self._intake.waiting.values()), None)
            if prompt is None and not self.more_to_come:
                return None
            if prompt is None:
                await self._signals.wait(host)
            elif not self._leftovers.hand_out_before(prompt):
                return prompt
        return None

    async def room(self, host: str, *, patient: bool = True, fair: bool = False) -> bool:
        """Wait until ``host`` may have one more in flight.

        False where it shows no life any more; for the im``patient``, as soon as it does not stand. To be ``fair``, it
        may not have more than its share of what is unanswered, or prompts wait there while others run idle.
        """
        while not self.has_room(host) or (fair and self._hosts[host].in_flight >= self._setup.share(host)):
            if self._is_given_up(host) or not (patient or self.stands(host)):
                return False
            await self._signals.wait(host)
        return True

    def _is_given_up(self, host: str) -> bool:
        """Whether nobody need wait for ``host`` any more: it shows no life, and what comes is all there."""
        return self._health.is_hopeless(host) and not self.more_to_come

    def has_room(self, host: str) -> bool:
        """Whether ``host`` stands, and has fewer in flight than its limit."""
        return self.stands(host) and self._hosts[host].in_flight < self._setup.limits[host].now

    def stands(self, host: str) -> bool:
        """Whether ``host`` may get prompts: it is not down, nor has it asked to be left alone."""
        return not self._hosts[host].resting

    @property
    def standing(self) -> Sequence[str]:
        """The hosts that may get prompts, in the order of ``hosts``, as it changes."""
        return self._health.standing

    async def idle(self, host: str) -> bool:
        """Wait until ``host`` stands and has nothing in flight; False where it shows no life any more."""
        while not self.stands(host) or self._hosts[host].in_flight:
            if self._is_given_up(host):
                return False
            await self._signals.wait(host)
        return True

    def is_idle(self, host: str) -> bool:
        """Whether ``host`` has nothing in flight."""
        return not self._hosts[host].in_flight

    @property
    def resting(self) -> Collection[str]:
        """The hosts that get no prompts for now, as it changes."""
        return self._health.resting

    async def change(self, host: str | None = None) -> None:
        """Wait until something changes at ``host``: an attempt ends there, it is down or back, or nudged.

        Without a host, wait until that happens anywhere, or an attempt begins, or a prompt comes.
        """
        await self._signals.wait(ANY_CHANGE if host is None else host)

    def nudge(self, host: str) -> None:
        """Let whoever waits for a change at ``host`` look again."""
        self._signals.wake(host)

    def leave(self, prompts: Iterable[Prompt]) -> None:
        """Leave ``prompts`` to whichever host has room for them once they are due."""
        prompts = list(prompts)
        self._leftovers.add(*filter(self._intake.take, prompts))
        self._leftovers.hand_out()
        if to_come := [prompt for prompt in prompts if not self._intake.has_come(prompt)]:
            self._setup.tasks.start_soon(self._leave_when_due, sorted(to_come, key=lambda prompt: prompt.due_ms))

    def blame(self, said: str) -> None:
        """Name what the strategy itself did wrong; the run goes on."""
        self._ledger.faults.append(said)

    def to_copy(self, host: str) -> list[Attempt]:
        """The attempts that are in flight on other hosts, and that ``host`` may ``copy``."""
        return self._attempts.to_copy(host)

    @property
    def finished(self) -> Sequence[RequestRecord]:
        """What became of the prompts that are done, in the order in which they were, as it grows."""
        return self._ledger.finished

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight, by host."""
        return {host: self._hosts[host].in_flight for host in self.hosts}

    def in_flight_at(self, host: str) -> int:
        """Requests in flight at one host: where there are many, far quicker than at all of them."""
        return self._hosts[host].in_flight

    async def copy(self, host: str, prompt: Prompt) -> None:
        """Send ``prompt``, which is on its way to another host, to ``host`` too: the first answer counts.

        The other attempt is called off then, and stands among the failed attempts as spent. A prompt that is not at
        one other host, or that ``host`` has failed too often, is not copied, nor is any while ``host`` rests: this
        waits for a change instead, so that who asks again and again lets the others go on.
        """
        if self._hosts[host].resting or not self._attempts.may_copy(host, prompt):
            return await self.change()
        self._hosts[host].in_flight += 1
        return await self._send(host, prompt)

    # How the run goes.

    async def complete(self, strategy: Strategy) -> None:
        """Run ``strategy`` until each prompt is answered or has failed; what it forgets is sent all the same."""

        async def decide() -> None:
            await strategy(self)
            self.leave(self.prompts)

        self._setup.tasks.start_soon(self._intake.bring)
        with anyio.move_on_after(self._limit_s):
            async with anyio.create_task_group() as deciding:
                deciding.start_soon(decide)
                await self._ledger.all_done.wait()
                deciding.cancel_scope.cancel()

    def give_up_the_rest(self) -> None:
        """Name what is unanswered when the run is over among the failed; no attempt is under way any more."""
        for prompt in self.prompts:
            if self._ledger.ended and not self._ledger.done(prompt):
                self._ledger.call_off(prompt)
            elif not self._ledger.done(prompt):
                self._ledger.fail(prompt, f"the run's time limit of {self._limit_s:g} s was over")

    async def _leave_when_due(self, prompts: list[Prompt]) -> None:
        for prompt in prompts:
            await self.due(prompt)
            self.leave([prompt])

    def _start(self, host: str, prompt: Prompt) -> None:
        self._hosts[host].in_flight += 1
        self._senders.start(host, prompt)

    async def _send(self, host: str, prompt: Prompt) -> None:
        """Use the place that was taken on ``host`` for ``prompt``."""
        try:
            answered = not self._hosts[host].resting and await self._attempts.answered_by(host, prompt)
        except anyio.get_cancelled_exc_class():  # whoever waited for it does so no more: it is nobody's now
            self._leave_if_open(prompt)
            raise
        finally:
            self._hosts[host].in_flight -= 1
        if not answered:
            self._leave_if_open(prompt)
        self._stood_or_fell(host)

    def _leave_if_open(self, prompt: Prompt) -> None:
        if not self._attempts.is_under_way(prompt) and not self._ledger.done(prompt):
            self._leftovers.add(prompt)

    def _stood_or_fell(self, host: str) -> None:
        self._signals.changed(host)
        self._leftovers.hand_out()  # what waited for this host may go to it now, or be without hope


Strategy = Callable[[Job], Awaitable[None]]
"""Decides which host gets which prompt, when."""
