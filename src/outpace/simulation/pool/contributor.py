"""A contributor as the coordinator meets it: an engine made of numbers, which comes and goes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import cache

from outpace.dispatch.health import Gauge
from outpace.engines import Completion, Identity
from outpace.engines.noticed import Noticed
from outpace.engines.path import LOST_AFTER_S
from outpace.ground.errors import BodyCut, ConnectFailed, PathLost
from outpace.ground.hosts import Host
from outpace.simulation.pool.machine import Machine
from outpace.simulation.pool.presence import Churn, Leaving, Spans
from outpace.simulation.simulated_host import SimulatedHost
from outpace.simulation.slots import Work
from outpace.workload.prompts import Generation

IDENTITY = Identity("simulated", "none", None, {"simulated": None})
NOTICED = Noticed()
ANSWER = "an answer"
PIECES = 8
"""In so many pieces, at most, does whoever listens hear an answer."""


@cache
def asking(prompt_tokens: int, tokens: int) -> str:
    """A prompt of about so many tokens that asks for an answer of so many."""
    return f"{tokens} tokens: ".ljust(4 * prompt_tokens, "a")


@cache
def asked_for(prompt: str) -> tuple[int, int]:
    """How many tokens a prompt has, and how many its answer shall have."""
    return max(1, len(prompt) // 4), int(prompt.partition(" ")[0])


class Contributor:
    """One machine, which is there within ``spans``; as an engine is to a coordinator.

    It has given so many ``answers``. Other figures are in host-seconds of work: ``answered_s`` went into those,
    ``left_s`` was lost when it left, and ``spent_s`` when whoever had asked was gone.
    """

    identity, model, noticed = IDENTITY, "simulated", NOTICED
    resets_cache, server_includes_queue = True, False
    elsewhere: str | None = None

    def __init__(self, name: str, machine: Machine, churn: Churn, spans: Spans, seed: str) -> None:
        self.host = Host(name, f"http://{name}", ())
        self.machine = machine
        self._churn, self._spans, self._seed = churn, spans, seed
        self._loop = asyncio.get_running_loop()
        self._trip_s = machine.round_trip_ms / 1000
        self._simulated = SimulatedHost(machine.kind.slots, machine.kind.curve, self._trip_s)
        self._in_hand: dict[Work, None] = {}
        self._gauge = Gauge()
        self.answers = self._times_left = 0
        self.answered_s = self.left_s = self.spent_s = 0.0
        self.left: Leaving | None = "cuts"
        """How it went, None while it is there."""
        self._go_on()

    def busy_s(self, until_s: float) -> float:
        """For how long it had any request in hand, until then, after which nothing happened."""
        self._gauge.add(0, until_s)
        return self._gauge.busy_s

    async def ping(self) -> None:
        """Exchange a cheap request. Raises ``RequestFailed``."""
        if self.left is not None:
            await self._nobody(self.left)
        await asyncio.sleep(self._trip_s)

    async def in_work(self) -> int | None:
        """It does not say."""
        return None

    async def generate(
        self, prompt: str, settings: Generation, cache_key: str, heard: Callable[[], None] | None = None
    ) -> Completion:
        """Answer ``prompt`` with as many tokens as it asks for. Raises ``RequestFailed``."""
        if self.left is not None:
            await self._nobody(self.left)
        began_s = self._loop.time()
        prompt_tokens, tokens = asked_for(prompt)
        first_ms = self.machine.first_ms(prompt_tokens)
        work_ms = self.machine.work_ms(prompt_tokens, tokens)
        pieces = 1 if heard is None else min(PIECES, tokens)
        between = (first_ms + (work_ms - first_ms) * piece / pieces for piece in range(pieces))
        work = self._simulated.send((*between, work_ms), told=heard is not None)
        self._in_hand[work] = None
        self._gauge.add(1, began_s)
        try:
            if heard is not None:
                for place, told in enumerate((*work.told, work.done)):
                    await told
                    more = tokens - 1
                    for _ in range(more * place // pieces - more * (place - 1) // pieces if place else 1):
                        heard()
            await work.done
        except asyncio.CancelledError:
            if not work.over:
                self.spent_s += self._worked_s(work)
            raise
        finally:
            self._let_go(work)
        self.answers += 1
        self.answered_s += work.worked_ms / 1000
        first_s = work.reached_s[0]
        assert first_s is not None
        return Completion(
            ANSWER,
            first_token_ms=(first_s + self._trip_s / 2 - began_s) * 1000,
            server_ms=work.worked_ms,
            queue_ms=work.queue_ms,
            prompt_tokens=prompt_tokens,
            output_tokens=tokens,
        )

    def _let_go(self, work: Work) -> None:
        """``work`` is in hand no more."""
        self._simulated.leave(work)
        if work in self._in_hand:
            del self._in_hand[work]
            self._gauge.add(-1, self._loop.time())

    def _worked_s(self, work: Work) -> float:
        return 0.0 if work.began_s is None else self._loop.time() - work.began_s

    async def _nobody(self, left: Leaving) -> None:
        """What meets whoever asks one that is away; raises ``ConnectFailed``."""
        if left == "silent":
            await asyncio.sleep(LOST_AFTER_S)
            raise PathLost(f"{self.host.name} gives no sign of life.")
        await asyncio.sleep(self._trip_s)
        raise ConnectFailed(f"{self.host.name} is not there.")

    def _go_on(self) -> None:
        """Wait for its next span."""
        span = next(self._spans, None)
        if span is None:
            return
        from_s, until_s = span
        if from_s <= self._loop.time():
            self._come(until_s)
        else:
            self._loop.call_at(from_s, self._come, until_s)

    def _come(self, until_s: float) -> None:
        self.left = None
        if until_s < float("inf"):
            self._loop.call_at(until_s, self._leave)

    def _leave(self) -> None:
        chance = random.Random(f"{self._seed}/leaving")  # noqa: S311 - made anew each time, as one takes 2.5 KB
        for _ in range(self._times_left):
            self._churn.leaves(chance)
        self._times_left += 1
        self.left = how = self._churn.leaves(chance)
        for work in list(self._in_hand) if how != "drains" else ():
            if not work.over:  # what is over is on its way already
                self.left_s += self._worked_s(work)
                self._let_go(work)
                error = PathLost if how == "silent" else BodyCut
                after_s = LOST_AFTER_S if how == "silent" else self._trip_s / 2
                self._loop.call_later(after_s, _fail, work, error(f"{self.host.name} left in the midst of it."))
        self._go_on()


def _fail(work: Work, error: Exception) -> None:
    """Tell whoever waits for ``work``, unless he has given up."""
    if not work.done.done():
        next(told for told in (*work.told, work.done) if not told.done()).set_exception(error)
