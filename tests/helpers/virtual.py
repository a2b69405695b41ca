"""Engines made of numbers, and a way to run a coordinator over them in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import anyio

from outpace.dispatch import Coordinator, Outcome, find_strategy
from outpace.dispatch.ledger import Brake
from outpace.engines import Completion, Identity
from outpace.ground.errors import ConnectFailed
from outpace.ground.hosts import Host
from outpace.simulation.clock import VirtualLoop
from outpace.workload.prompts import Generation, Prompt, Workload, workload

Behave = Callable[["NumberEngine", int, float], Awaitable[None]]


def run_virtually(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


class NumberEngine:
    """Answers prompt ``"n"`` after ``service_s(n)`` seconds, one at a time; ``misbehave`` may raise or wait first."""

    resets_cache = True
    server_includes_queue = True

    def __init__(
        self,
        name: str,
        service_s: Callable[[int], float] = lambda _: 1.0,
        misbehave: Behave | None = None,
        up: Callable[[float], bool] = lambda _: True,
        tokens: Callable[[int], int] = lambda _: 1,
    ) -> None:
        self.host = Host(name, f"http://127.0.0.1:1/{name}", ("127.0.0.1",))
        self.identity, self.model = Identity("numbers", "openai", None, {}), "numbers"
        self.asked: list[tuple[float, int]] = []
        self.most_in_flight = self.in_flight = 0
        self._service_s, self._misbehave, self._up, self._tokens = service_s, misbehave, up, tokens
        self._slot = anyio.Semaphore(1)

    async def ping(self) -> None:
        if not self._up(anyio.current_time()):
            raise ConnectFailed(f"{self.host.name} is down")

    async def generate(self, prompt: str, _settings: Generation, _cache_key: str, _heard: object = None) -> Completion:
        number, began = int(prompt), anyio.current_time()
        self.asked.append((began, number))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.ping()
            if self._misbehave:
                await self._misbehave(self, number, began)
            async with self._slot:
                await anyio.sleep(self._service_s(number))
            await self.ping()
        finally:
            self.in_flight -= 1
        wall_ms = (anyio.current_time() - began) * 1000
        return Completion(f"{self.host.name} answers {number}", server_ms=wall_ms, output_tokens=self._tokens(number))


def numbers(count: int, due_s: Sequence[float] = ()) -> Workload:
    """As many prompts; where ``due_s`` is given, one for each of those times."""
    if not due_s:
        return workload([str(index) for index in range(count)])
    prompts = (Prompt(index, str(index), at_s * 1000) for index, at_s in enumerate(due_s))
    return Workload(tuple(prompts), Generation())


def coordinate(
    engines: Sequence[NumberEngine],
    strategy: str | Callable[..., Awaitable[None]] = "serial-per-side",
    prompts: int = 8,
    timeout_s: float = 60.0,
    due_s: Sequence[float] = (),
    queue: int | None = None,
    brake: Brake | None = None,
) -> tuple[Outcome, float]:
    """Run ``prompts`` prompts over ``engines`` in virtual time: what came of it, and the seconds until it returned.

    With ``due_s`` there is one for each of those times.
    """
    by_name: Mapping[str, Any] = {engine.host.name: engine for engine in engines}
    how = find_strategy(strategy) if isinstance(strategy, str) else strategy

    async def main() -> tuple[Outcome, float]:
        coordinator = Coordinator(by_name, timeout_s=timeout_s)
        began = anyio.current_time()
        work = numbers(prompts, due_s)
        outcome = await coordinator.run(
            "under-test", how, work, list(by_name), cache_key="key", queue=queue, brake=brake
        )
        return outcome, anyio.current_time() - began

    return run_virtually(main)
