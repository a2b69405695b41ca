"""The coordinator: runs one workload over hosts under one strategy, and loses nothing.

It asks only ``anyio.current_time()`` for the time, so the code that is measured live is the code that a virtual clock
replays. Every prompt ends with exactly one answer, or among the failed with its reason, within the run's time limit.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from outpace.dispatch.health import HostHealth
from outpace.engines import Completion, Engine
from outpace.errors import ConnectionStale, EngineBusy, RequestFailed, RequestRefused, TimedOut
from outpace.prompts import Prompt, Workload
from outpace.records import FailedAttempt, RequestRecord, Run

ATTEMPTS_A_HOST = 2
"""So often is one prompt tried on one host before it is left to the others; a busy engine's refusals do not count."""
PING_TIMEOUT_S = 5.0

Watcher = Callable[[str, int, int], None]
"""Called with strategy, prompts done, prompts in all, whenever a prompt is done."""


@dataclass(frozen=True)
class Outcome:
    """A run with the answers' texts in the order of the prompts, None where no host answered."""

    run: Run
    answers: tuple[str | None, ...]


class Coordinator:
    """Runs workloads over ``engines``, by host name.

    ``timeout_s`` is what one attempt may take, in seconds. A whole run may take that much for each of its prompts and
    for each attempt that a host may spoil.
    """

    def __init__(self, engines: Mapping[str, Engine], *, timeout_s: float, watch: Watcher | None = None) -> None:
        self._engines, self._timeout_s, self._watch = engines, timeout_s, watch

    async def run(
        self,
        name: str,
        strategy: Callable[[Job], Awaitable[None]],
        workload: Workload,
        hosts: Sequence[str],
        *,
        cache_key: str,
    ) -> Outcome:
        """Run ``workload`` over ``hosts``, fastest first, under ``strategy``.

        Runs with different ``cache_key`` share no engine's cache, where an engine can promise that. Does not raise for
        what hosts do: a prompt that none of them answered is in the run with its error.
        """
        engines = {host: self._engines[host] for host in hosts}
        async with anyio.create_task_group() as tasks:
            job = Job(name, workload, engines, self._timeout_s, cache_key, tasks, self._watch)
            await job.complete(strategy)
            tasks.cancel_scope.cancel()
        job.give_up_the_rest()
        return job.outcome()


class Job:
    """One run as its strategy sees it: prompts, hosts (fastest first), and ``send``."""

    def __init__(
        self,
        name: str,
        workload: Workload,
        engines: Mapping[str, Engine],
        timeout_s: float,
        cache_key: str,
        tasks: TaskGroup,
        watch: Watcher | None,
    ) -> None:
        self.prompts = workload.prompts
        self.hosts = tuple(engines)
        self._name, self._workload, self._engines, self._cache_key = name, workload, engines, cache_key
        self._timeout_s, self._tasks, self._watch = timeout_s, tasks, watch
        self._limit_s = timeout_s * (len(self.prompts) + ATTEMPTS_A_HOST * len(self.hosts))
        self._health = {host: HostHealth() for host in engines}
        self._records: dict[int, RequestRecord] = {}
        self._answers: dict[int, str] = {}
        self._in_hand: set[int] = set()
        self._left: deque[Prompt] = deque()
        self._handing_out = False
        self._attempts: Counter[int] = Counter()
        self._tried: Counter[tuple[int, str]] = Counter()
        self._failures: list[FailedAttempt] = []
        self._all_done = anyio.Event()
        self._start = self._end = anyio.current_time()

    async def send_each(self, host: str, prompts: Sequence[Prompt]) -> None:
        """Send ``prompts`` to ``host`` one after another."""
        for prompt in prompts:
            await self.send(host, prompt)

    async def send(self, host: str, prompt: Prompt) -> None:
        """Send ``prompt`` to ``host`` and wait for what becomes of it; without an answer it is left to other hosts.

        A prompt that is answered or on its way already is not sent again.
        """
        if prompt.index in self._records or prompt.index in self._in_hand:
            return
        self._in_hand.add(prompt.index)
        if self._health[host].resting or not await self._answered_by(host, prompt):
            self._left.append(prompt)
        self._hand_out()

    async def complete(self, strategy: Callable[[Job], Awaitable[None]]) -> None:
        """Run ``strategy``, then wait until each prompt is answered or has failed."""
        with anyio.move_on_after(self._limit_s):
            await strategy(self)
            for prompt in self.prompts:
                if prompt.index not in self._records and prompt.index not in self._in_hand:
                    self._in_hand.add(prompt.index)
                    self._left.append(prompt)
            self._hand_out()
            await self._all_done.wait()

    def give_up_the_rest(self) -> None:
        """Name what is unanswered when the run's time is over among the failed; no attempt is under way any more."""
        for prompt in self.prompts:
            if prompt.index not in self._records:
                self._fail(prompt, f"the run's time limit of {self._limit_s:g} s was over")

    def outcome(self) -> Outcome:
        """What became of every prompt."""
        run = Run(
            self._name,
            self.hosts,
            (self._end - self._start) * 1000,
            tuple(self._records[prompt.index] for prompt in self.prompts),
            tuple(self._failures),
        )
        return Outcome(run, tuple(self._answers.get(prompt.index) for prompt in self.prompts))

    async def _answered_by(self, host: str, prompt: Prompt) -> bool:
        """Try ``prompt`` on ``host``; where that fails, note it and put the host to rest if it asks for it."""
        health = self._health[host]
        for last_try in (False, True):
            began = anyio.current_time()
            health.in_flight += 1
            self._attempts[prompt.index] += 1
            try:
                completion = await self._generate(host, prompt)
            except anyio.get_cancelled_exc_class():
                self._note_failure(host, prompt, began, TimedOut(f"{host} was still at it when it was called off."))
                raise
            except RequestFailed as error:
                self._note_failure(host, prompt, began, error)
                if error.again_here and not last_try:
                    continue
                if isinstance(error, EngineBusy):
                    self._rest(host, down=False, asked_s=error.retry_after_s)
                    return False
                self._tried[prompt.index, host] += ATTEMPTS_A_HOST if isinstance(error, RequestRefused) else 1
                if error.host_down or isinstance(error, ConnectionStale):
                    self._rest(host, down=True)
                return False
            else:
                self._note_answer(host, prompt, began, completion)
                return True
            finally:
                health.in_flight -= 1
        return False

    async def _generate(self, host: str, prompt: Prompt) -> Completion:
        try:
            with anyio.fail_after(self._timeout_s):
                return await self._engines[host].generate(prompt.text, self._workload.generation, self._cache_key)
        except TimeoutError:
            raise TimedOut(f"{host} gave no whole answer within {self._timeout_s:g} s.") from None

    def _note_answer(self, host: str, prompt: Prompt, began: float, completion: Completion) -> None:
        self._health[host].answered()
        self._answers[prompt.index] = completion.text
        start_ms, wall_ms = self._times_ms(began)
        self._done(
            prompt,
            RequestRecord(
                prompt.index,
                host,
                start_ms,
                wall_ms,
                server_ms=completion.server_ms,
                queue_ms=completion.queue_ms,
                load_ms=completion.load_ms,
                first_token_ms=completion.first_token_ms,
                prompt_tokens=completion.prompt_tokens,
                output_tokens=completion.output_tokens,
                cached_tokens=completion.cached_tokens,
                attempts=self._attempts[prompt.index],
            ),
        )

    def _note_failure(self, host: str, prompt: Prompt, began: float, error: RequestFailed) -> None:
        start_ms, wall_ms = self._times_ms(began)
        self._failures.append(FailedAttempt(prompt.index, host, start_ms, wall_ms, f"{error.kind}: {error}"))

    def _times_ms(self, began: float) -> tuple[float, float]:
        """When an attempt began in this run, and how long it has taken."""
        return (began - self._start) * 1000, (anyio.current_time() - began) * 1000

    def _fail(self, prompt: Prompt, why: str) -> None:
        """Name ``prompt`` among the failed, with what its last attempt said."""
        last = next((failure for failure in reversed(self._failures) if failure.prompt == prompt.index), None)
        if last is None:
            now_ms = (anyio.current_time() - self._start) * 1000
            self._done(prompt, RequestRecord(prompt.index, None, now_ms, 0.0, attempts=0, error=why))
            return
        self._done(
            prompt,
            RequestRecord(
                prompt.index,
                last.host,
                last.start_ms,
                last.wall_ms,
                attempts=self._attempts[prompt.index],
                error=f"{last.error} ({why})",
            ),
        )

    def _done(self, prompt: Prompt, record: RequestRecord) -> None:
        self._records[prompt.index] = record
        self._in_hand.discard(prompt.index)
        self._end = anyio.current_time()
        if self._watch:
            self._watch(self._name, len(self._records), len(self.prompts))
        if len(self._records) == len(self.prompts):
            self._all_done.set()

    # What was left over: given to hosts that stand and have nothing in flight, one prompt each at a time.

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
            hopeful = [host for host in untried if not self._health[host].given_up or self._health[host].in_flight]
            if not hopeful:
                self._fail(prompt, "no host is left that has not failed it" if not untried else "no host answers")
                continue
            idle = [host for host in hopeful if not self._health[host].in_flight and not self._health[host].resting]
            if idle:
                host = min(idle, key=lambda host: self._tried[prompt.index, host])
                self._health[host].in_flight += 1
                self._tasks.start_soon(self._send_left, host, prompt)
            else:
                self._left.append(prompt)

    async def _send_left(self, host: str, prompt: Prompt) -> None:
        self._health[host].in_flight -= 1  # held the place between the decision and this task's start
        if not await self._answered_by(host, prompt):
            self._left.append(prompt)
        self._hand_out()

    def _rest(self, host: str, *, down: bool, asked_s: float | None = None) -> None:
        health = self._health[host]
        if health.resting:  # another request of this host failed before; one who wakes it is enough
            health.down = health.down or down
            return
        self._tasks.start_soon(self._wake, host, health.rest(down=down, asked_s=asked_s))

    async def _wake(self, host: str, pause_s: float) -> None:
        """Let a host back after its pause, if it was down once it answers a ping."""
        health = self._health[host]
        while True:
            await anyio.sleep(pause_s)
            if not health.down or await self._lives(host):
                break
            pause_s = health.rest(down=True)
            self._hand_out()  # what waited for this host alone may be without hope now
        health.stand()
        self._hand_out()

    async def _lives(self, host: str) -> bool:
        try:
            with anyio.fail_after(min(PING_TIMEOUT_S, self._timeout_s)):
                await self._engines[host].ping()
        except (RequestFailed, TimeoutError):
            return False
        return True
