"""Hosts whose every move is known, and a way to dispatch prompts of known work over them in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from outpace.dispatch import Coordinator, HostKnowledge, Limits, Outcome, find_strategy, limit_of
from outpace.dispatch.limits import FixedLimit, Limit
from outpace.workload.prompts import Generation, Prompt, workload
from virtual import Behave, NumberEngine, run_virtually


class Worker(NumberEngine):
    """Answers prompt ``"n"`` with ``works[n]`` tokens, ``speed`` of them a second, for each of up to ``slots``."""

    def __init__(
        self,
        name: str,
        works: Sequence[float],
        speed: float = 1.0,
        slots: int = 1,
        misbehave: Behave | None = None,
        up: Callable[[float], bool] = lambda _: True,
    ) -> None:
        super().__init__(name, lambda number: works[number] / speed, misbehave, up)
        self._works, self.speed, self.slots = works, speed, slots
        self._slot = anyio.Semaphore(slots)
        self.limit: Limit = FixedLimit(10**6)
        self.most_over = 0

    async def generate(self, prompt, settings, cache_key, heard=None):
        self.most_over = max(self.most_over, self.in_flight + 1 - self.limit.now)
        completion = await super().generate(prompt, settings, cache_key)
        return completion._replace(output_tokens=self._works[int(prompt)])


def dispatch(
    strategy: str,
    engines: Sequence[Worker],
    works: Sequence[float],
    *,
    guess: Callable[[Prompt], float | None] | None = None,
    limits: Limits = "sweep",
    known: dict[str, HostKnowledge] | None = None,
    timeout_s: float = 600.0,
) -> Outcome:
    """Run prompts of these works over ``engines``, whose speeds and slots are known, as are the works themselves."""
    by_name = {engine.host.name: engine for engine in engines}
    known = known or {each.host.name: HostKnowledge(each.speed, each.slots, float(each.slots)) for each in engines}
    work = workload([str(index) for index in range(len(works))], Generation(100))
    make_limit, hosts = limit_of(strategy, limits), iter(engines)

    def limit(known: HostKnowledge) -> Limit:
        engine = next(hosts)
        engine.limit = make_limit(known)
        return engine.limit

    async def main() -> Outcome:
        return await Coordinator(by_name, timeout_s=timeout_s).run(
            strategy,
            find_strategy(strategy),
            work,
            list(by_name),
            cache_key="key",
            known=known,
            limit=limit,
            guess=guess or (lambda prompt: works[prompt.index]),
        )

    outcome = run_virtually(main)
    assert [request.prompt for request in outcome.run.requests] == list(range(len(works)))
    return outcome


def makespan_s(outcome: Outcome) -> float:
    assert not outcome.run.failed, outcome.run.failed
    return outcome.run.makespan_ms / 1000


def answered_by(outcome: Outcome) -> list[str]:
    return [str(request.host) for request in outcome.run.requests]


def hangs(*stuck: int, seconds: float = 1000.0) -> Behave:
    """Behaviour that takes so much longer for some prompts."""

    async def misbehave(_engine: NumberEngine, number: int, _now: float) -> None:
        if number in stuck:
            await anyio.sleep(seconds)

    return misbehave
