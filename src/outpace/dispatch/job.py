"""One run as its strategy sees it: prompts, hosts, and the ways to send one to the other."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from outpace.dispatch.expectation import Expectation
from outpace.dispatch.health import PING_TIMEOUT_S, Gauge, Health
from outpace.dispatch.ledger import Ledger
from outpace.dispatch.limits import Limit
from outpace.engines import Completion, Engine
from outpace.ground.errors import CalledOff, ConnectionStale, EngineBusy, RequestFailed, RequestRefused, TimedOut
from outpace.workload.prompts import Prompt, Workload

ATTEMPTS_A_HOST = 2
"""So often is one prompt tried on one host before it is left to the others; a busy engine's refusals do not count."""
ANY_HOST = ""


@dataclass(eq=False)
class Attempt:
    """One prompt on its way to one host since ``began`` (s)."""

    prompt: Prompt
    host: str
    began: float
    scope: anyio.CancelScope


class Job:
    """One run as its strategy sees it: ``prompts``, ``hosts`` (fastest first), what to ``expect``, and ``send``.

    ``send`` waits for what becomes of a prompt. ``room`` and ``start`` are for strategies that keep within a limit of
    requests in flight: the one waits for a place on a host, the other takes it.
    """

    def __init__(
        self,
        workload: Workload,
        engines: Mapping[str, Engine],
        limits: Mapping[str, Limit],
        expect: Expectation,
        ledger: Ledger,
        timeout_s: float,
        cache_key: str,
        tasks: TaskGroup,
    ) -> None:
        self.prompts = workload.prompts
        self.hosts = tuple(engines)
        self.expect = expect
        self._generation, self._engines, self._limits = workload.generation, engines, limits
        self._ledger, self._cache_key, self._tasks = ledger, cache_key, tasks
        self._timeout_s = timeout_s
        self._limit_s = timeout_s * (len(self.prompts) + ATTEMPTS_A_HOST * len(self.hosts))
        self._health = Health(engines, min(PING_TIMEOUT_S, timeout_s), tasks, self._stood_or_fell)
        self._gauges = {host: Gauge() for host in engines}
        self._awaited: dict[str, anyio.Event] = {}
        self._in_hand: set[int] = set()
        self._under_way: dict[int, list[Attempt]] = {}
        self._left: deque[Prompt] = deque()
        self._handing_out = False
        self._tried: Counter[tuple[int, str]] = Counter()

    # What strategies call.

    async def send_each(self, host: str, prompts: Sequence[Prompt]) -> None:
        """Send ``prompts`` to ``host`` one after another."""
        for prompt in prompts:
            await self.send(host, prompt)

    async def send(self, host: str, prompt: Prompt) -> None:
        """Send ``prompt`` to ``host`` and wait for what becomes of it; without an answer it is left to other hosts.

        A prompt that is answered or on its way already is not sent again.
        """
        if self._take_in_hand(prompt):
            self._health[host].in_flight += 1
            await self._send(host, prompt)

    def start(self, host: str, prompt: Prompt) -> None:
        """Take a place on ``host`` for ``prompt`` at once, and ``send`` it without waiting."""
        if self._take_in_hand(prompt):
            self._start(host, prompt)

    async def room(self, host: str, *, patient: bool = True, fair: bool = False) -> bool:
        """Wait until ``host`` may have one more in flight.

        False where it shows no life any more; for the im``patient``, as soon as it does not stand. To be ``fair``, it
        may not have more than its share of what is unanswered, or prompts wait there while others run idle.
        """
        while not self.has_room(host) or (fair and self._health[host].in_flight >= self._share(host)):
            if self._health.is_hopeless(host) or not (patient or self.stands(host)):
                return False
            await self._wait_for(host)
        return True

    def has_room(self, host: str) -> bool:
        """Whether ``host`` stands, and has fewer in flight than its limit."""
        return self.stands(host) and self._health[host].in_flight < self._limits[host].now

    def stands(self, host: str) -> bool:
        """Whether ``host`` may get prompts: it is not down, nor has it asked to be left alone."""
        return not self._health[host].resting

    async def idle(self, host: str) -> bool:
        """Wait until ``host`` stands and has nothing in flight; False where it shows no life any more."""
        while not self.stands(host) or self._health[host].in_flight:
            if self._health.is_hopeless(host):
                return False
            await self._wait_for(host)
        return True

    def is_idle(self, host: str) -> bool:
        """Whether ``host`` has nothing in flight."""
        return not self._health[host].in_flight

    async def change(self) -> None:
        """Wait until an attempt ends anywhere, or a host is down or back."""
        await self._wait_for(ANY_HOST)

    def nudge(self) -> None:
        """Let whoever waits for a change look again."""
        self._wake(ANY_HOST)

    def leave(self, prompts: Iterable[Prompt]) -> None:
        """Leave ``prompts`` to whichever host has room for them."""
        self._left.extend(prompt for prompt in prompts if self._take_in_hand(prompt))
        self._hand_out()

    def under_way(self) -> tuple[Attempt, ...]:
        """The attempts that are in flight and are the only one at their prompt; one that is called off is not."""
        alone = (attempts[0] for attempts in self._under_way.values() if len(attempts) == 1)
        return tuple(attempt for attempt in alone if not self._ledger.done(attempt.prompt))

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight, by host."""
        return {host: gauge.in_flight for host, gauge in self._gauges.items()}

    async def copy(self, host: str, prompt: Prompt) -> None:
        """Send ``prompt``, which is on its way to another host, to ``host`` too: the first answer counts.

        The other attempt is called off then, and stands among the failed attempts as spent.
        """
        self._health[host].in_flight += 1
        await self._send(host, prompt)

    # How the run goes.

    async def complete(self, strategy: Callable[[Job], Awaitable[None]]) -> None:
        """Run ``strategy`` until each prompt is answered or has failed; what it forgets is sent all the same."""

        async def decide() -> None:
            await strategy(self)
            self.leave(self.prompts)

        with anyio.move_on_after(self._limit_s):
            async with anyio.create_task_group() as deciding:
                deciding.start_soon(decide)
                await self._ledger.all_done.wait()
                deciding.cancel_scope.cancel()

    def give_up_the_rest(self) -> None:
        """Name what is unanswered when the run's time is over among the failed; no attempt is under way any more."""
        for prompt in self.prompts:
            if not self._ledger.done(prompt):
                self._ledger.fail(prompt, f"the run's time limit of {self._limit_s:g} s was over")

    def _take_in_hand(self, prompt: Prompt) -> bool:
        """Whether ``prompt`` is still to be sent; from now on it is not."""
        if prompt.index in self._in_hand:
            return False
        self._in_hand.add(prompt.index)
        return True

    def _start(self, host: str, prompt: Prompt) -> None:
        self._health[host].in_flight += 1
        self._tasks.start_soon(self._send, host, prompt)

    async def _send(self, host: str, prompt: Prompt) -> None:
        """Use the place that was taken on ``host`` for ``prompt``."""
        try:
            answered = not self._health[host].resting and await self._answered_by(host, prompt)
        finally:
            self._health[host].in_flight -= 1
        if not answered and prompt.index not in self._under_way and not self._ledger.done(prompt):
            self._left.append(prompt)
        self._changed(host)
        self._hand_out()

    async def _answered_by(self, host: str, prompt: Prompt) -> bool:
        """Try ``prompt`` on ``host``; where that fails, note it and put the host to rest if it asks for it."""
        for last_try in (False, True):
            began = anyio.current_time()
            self._ledger.begin_attempt(prompt)
            try:
                completion = await self._generate(host, prompt)
            except anyio.get_cancelled_exc_class():
                late = TimedOut(f"{host} was still at it when it was called off.")
                self._ledger.note_failure(host, prompt, began, _spent(host) if self._ledger.done(prompt) else late)
                raise
            except RequestFailed as error:
                self._ledger.note_failure(host, prompt, began, error)
                if isinstance(error, CalledOff):
                    return False
                if error.again_here and not last_try:
                    continue
                if isinstance(error, EngineBusy):
                    self._health.rest(host, down=False, asked_s=error.retry_after_s)
                    return False
                self._tried[prompt.index, host] += ATTEMPTS_A_HOST if isinstance(error, RequestRefused) else 1
                if error.host_down or isinstance(error, ConnectionStale):
                    self._health.rest(host, down=True)
                return False
            else:
                self._health[host].answered()
                self._ledger.note_answer(host, prompt, began, completion)
                for rival in self._under_way.get(prompt.index, ()):
                    rival.scope.cancel()
                return True
        return False

    async def _generate(self, host: str, prompt: Prompt) -> Completion:
        """One attempt, of which the host's limit is told; raises ``RequestFailed``."""
        limit, gauge, began = self._limits[host], self._gauges[host], anyio.current_time()
        flight = limit.began(began)
        gauge.add(1, began)
        completion: Completion | None = None

        def heard() -> None:
            allowed = limit.now
            limit.heard(flight, anyio.current_time(), self._share(host))
            if limit.now > allowed:
                self._changed(host)

        attempts = self._under_way.setdefault(prompt.index, [])
        with anyio.CancelScope() as scope:
            attempt = Attempt(prompt, host, began, scope)
            attempts.append(attempt)
            try:
                with anyio.fail_after(self._timeout_s):
                    completion = await self._engines[host].generate(
                        prompt.text, self._generation, self._cache_key, heard if limit.listens else None
                    )
            except TimeoutError:
                raise TimedOut(f"{host} gave no whole answer within {self._timeout_s:g} s.") from None
            finally:
                attempts.remove(attempt)
                if not attempts:
                    self._under_way.pop(prompt.index, None)
                now = anyio.current_time()
                gauge.add(-1, now)
                limit.ended(flight, now, completion.output_tokens if completion else None, self._share(host))
        if completion is None or self._ledger.done(prompt):
            raise _spent(host)
        self.expect.learn(host, prompt, completion, gauge.busy_s)
        return completion

    def _share(self, host: str) -> int:
        """How many of the unanswered prompts ``host`` would answer if all worked on them at their rates."""
        return math.ceil(self._ledger.open * self.expect.share(host))

    async def _wait_for(self, key: str) -> None:
        if key not in self._awaited:
            self._awaited[key] = anyio.Event()
        await self._awaited[key].wait()

    def _changed(self, host: str) -> None:
        """Wake whoever waits for ``host`` or for any change."""
        self._wake(host)
        self._wake(ANY_HOST)

    def _wake(self, key: str) -> None:
        if event := self._awaited.pop(key, None):
            event.set()

    def _stood_or_fell(self, host: str) -> None:
        self._changed(host)
        self._hand_out()  # what waited for this host may go to it now, or be without hope

    # What was left over: given to hosts that stand and have room, one prompt each at a time.

    def _hand_out(self) -> None:
        """Look for hosts for what is left, once whoever has a next prompt for a host has sent it."""
        if self._left and not self._handing_out:
            self._handing_out = True
            self._tasks.start_soon(self._hand_out_now)

    async def _hand_out_now(self) -> None:
        self._handing_out = False
        waiting, self._left = self._left, deque()
        for prompt in waiting:
            untried = [host for host in self.hosts if self._tried[prompt.index, host] < ATTEMPTS_A_HOST]
            hopeful = [host for host in untried if not self._health.is_hopeless(host)]
            if not hopeful:
                self._ledger.fail(
                    prompt, "no host is left that has not failed it" if not untried else "no host answers"
                )
                continue
            spoilt = any(self._tried[prompt.index, host] for host in self.hosts)  # then it is tried alone
            free = [host for host in hopeful if self.has_room(host) and not (spoilt and self._health[host].in_flight)]
            if free:
                host = min(free, key=lambda host: (self._tried[prompt.index, host], self._health[host].in_flight))
                self._start(host, prompt)
            else:
                self._left.append(prompt)


def _spent(host: str) -> CalledOff:
    return CalledOff(f"another host answered before {host} did.")
