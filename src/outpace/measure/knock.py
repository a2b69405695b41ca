"""Before a run: hosts are idle, with their models loaded; connections are warm, and round trips are timed.

Engines may go on with a request whose client has left; what follows waits for it, and a baseline that does flatters
every strategy. Others put out a model that nobody asks for anything. Where either may be so, and only there, a host is
asked for one token before the run, or what it is at, if it tells that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

import anyio

from outpace.dispatch.health import PING_TIMEOUT_S
from outpace.engines import Completion, Engine
from outpace.ground.errors import AnswerUnreadable, CalledOff, EngineBusy, PathLost, RequestFailed, TimedOut
from outpace.ground.records import RequestRecord, Run
from outpace.judge.comparison import COLD_LOAD_MS
from outpace.judge.fairness import IDLE_QUEUE_MS
from outpace.workload.prompts import Generation

SETTLING_TRIES, SETTLING_S = 10, 0.1
"""So often, and so far apart, a host is asked what it is at: an engine notices late that a client has gone."""
CALLED_OFF = frozenset(each.kind for each in (CalledOff, TimedOut, PathLost, AnswerUnreadable))
"""What attempts end with whose client left before the engine was done."""
UNASKED_S = 60.0
"""Who was asked for nothing so long may have put its model out."""
LONGER = 2.0
"""What was called off takes no more than so many times as long as answers in the warm-up, each."""
SOON = 2.0
"""An idle host gives a token within so many times what its first tokens took in the warm-up."""
QUESTION = "Hello."
"""No prompt of the workload: a cache would know it afterwards."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


async def round_trips_ms(engines: Mapping[str, Engine]) -> dict[str, float]:
    """Exchange a cheap request with each of ``engines``; gives how long it took, in ms, where there was an answer."""
    took_ms = {}
    for host, engine in engines.items():
        began = anyio.current_time()
        with anyio.move_on_after(PING_TIMEOUT_S):
            try:
                await engine.ping()
            except RequestFailed:  # a host that is down shows in the run, where it counts
                continue
            took_ms[host] = (anyio.current_time() - began) * 1000
    return took_ms


async def in_work(engines: Iterable[Engine]) -> int | None:
    """How many requests ``engines`` tell that they are at, after a second to finish; None where none of them tells."""
    told = [found for engine in engines if (found := await _in_work(engine)) is not None]
    return sum(told) if told else None


async def _in_work(engine: Engine) -> int | None:
    found = None
    with anyio.move_on_after(PING_TIMEOUT_S):
        for _ in range(SETTLING_TRIES):
            found = await engine.in_work()
            if not found:
                break
            await anyio.sleep(SETTLING_S)
    return found


class Readiness:
    """What may have to be waited for before a run, by host of ``engines``; ``routers`` among them are never asked.

    ``first`` are the answers of the warm-up, by host. No wait is longer than ``timeout_s``.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        first: Mapping[str, Sequence[RequestRecord]],
        timeout_s: float,
        routers: Container[str] = (),
    ) -> None:
        self._engines = {name: engine for name, engine in engines.items() if name not in routers}
        self._first, self._timeout_s = first, timeout_s
        self._called_off: Counter[str] = Counter()
        self._asked_s: dict[str, float] = {}
        self._longest_s: dict[str, float] = {}

    def note(self, run: Run) -> None:
        """Take note of a ``run`` that is just over: whom it asked, and what it called off."""
        for each in run.requests:
            if each.host is not None and each.error is None:
                self._asked_s[each.host] = anyio.current_time()
        for attempt in run.failed_attempts:
            if attempt.kind in CALLED_OFF:  # what a router was given may be at any host behind it
                self._called_off.update([attempt.host] if attempt.host in self._engines else list(self._engines))

    async def restore(self, hosts: Iterable[str]) -> int:
        """Wait until ``hosts`` are ready, as far as that is in doubt; gives how many are not that do not tell it.

        A host that is down shows in the run, where it counts: nothing is raised.
        """
        for host in self._engines:
            self._asked_s.setdefault(host, anyio.current_time())
        busy: list[str] = []

        async def make_ready(host: str) -> None:
            if called_off := self._called_off.pop(host, 0):
                if not await self._becomes_idle(host, called_off):
                    busy.append(host)
            elif anyio.current_time() - self._asked_s[host] >= UNASKED_S:
                await self._load(host)
            self._asked_s[host] = anyio.current_time()

        async with anyio.create_task_group() as tasks:
            for host in hosts:
                if host in self._engines:
                    tasks.start_soon(make_ready, host)
        return len(busy)

    async def _becomes_idle(self, host: str, called_off: int) -> bool:
        """Wait for what was ``called_off`` to end; False where that takes longer than it can, for one that is silent.

        Of one that tells what it is at that is asked once more before the run.
        """
        engine, began_s = self._engines[host], anyio.current_time()
        longest_s = max((each.wall_ms / 1000 for each in self._first.get(host, ())), default=self._timeout_s)
        tells = False
        with anyio.move_on_after(min(self._timeout_s, LONGER * longest_s * called_off)) as waiting:
            pause_s = FIRST_PAUSE_S
            while (at_work := await engine.in_work()) or (at_work is None and not await self._answers_soon(host)):
                tells = at_work is not None
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        waited_s = anyio.current_time() - began_s
        if waiting.cancelled_caught:
            said = f"it was still busy when a run began, {waited_s:.1f} s after requests to it had been called off"
            engine.noticed.of_host(said, "called off")
        elif waited_s > max(self._soon_s(host), self._longest_s.get(host, 0.0)):
            self._longest_s[host] = waited_s
            said = f"it goes on with requests that are called off: the run that followed waited {waited_s:.1f} s for it"
            engine.noticed.of_host(said, "called off")
        return tells or not waiting.cancelled_caught

    async def _answers_soon(self, host: str) -> bool:
        began_s = anyio.current_time()
        try:
            await self._token(host)
        except EngineBusy:
            return False
        except RequestFailed:
            return True
        return anyio.current_time() - began_s <= self._soon_s(host)

    async def _load(self, host: str) -> None:
        """Have the model loaded before the run and not in it."""
        began_s = anyio.current_time()
        try:
            with anyio.move_on_after(self._timeout_s):
                completion = await self._token(host)
                took_s = anyio.current_time() - began_s
                if (completion.load_ms or 0.0) > COLD_LOAD_MS or took_s > self._soon_s(host) + COLD_LOAD_MS / 1000:
                    said = (
                        f"it had put its model out, and was asked for a token before the run: that took {took_s:.1f} s"
                    )
                    self._engines[host].noticed.of_host(said, "cold")
        except RequestFailed:
            pass

    async def _token(self, host: str) -> Completion:
        """One token; raises ``RequestFailed``."""
        return await self._engines[host].generate(QUESTION, Generation(max_tokens=1), "ready")

    def _soon_s(self, host: str) -> float:
        usual_ms = min((each.first_token_ms or each.wall_ms for each in self._first.get(host, ())), default=math.inf)
        return (SOON * usual_ms + IDLE_QUEUE_MS) / 1000
