"""What a request costs the coordinator in tasks and wake-ups: none more than it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio

from outpace.dispatch import Coordinator, find_strategy
from outpace.dispatch.signals import ANY_CHANGE, Signals
from virtual import NumberEngine, numbers, run_virtually


def test_tasks_are_as_many_as_requests_are_in_flight_at_once() -> None:
    made = 0

    def make(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **how: Any) -> asyncio.Task[Any]:
        nonlocal made
        made += 1
        return asyncio.Task(work, loop=loop, **how)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(make)
        engines = {name: NumberEngine(name) for name in "abc"}
        coordinator = Coordinator(engines, timeout_s=1e6)
        outcome = await coordinator.run("pull", find_strategy("pull"), numbers(300), [*engines], cache_key="k")
        assert not outcome.run.failed

    run_virtually(main)
    assert made < 20


def test_who_waits_no_more_leaves_the_others_waiting() -> None:
    async def main() -> list[str]:
        signals, woken = Signals(), []

        async def wait(name: str, seconds: float) -> None:
            with anyio.move_on_after(seconds):
                await signals.wait("host")
                woken.append(name)

        async with anyio.create_task_group() as tasks:
            for name, seconds in (("a", 9.0), ("impatient", 1.0), ("b", 9.0)):
                tasks.start_soon(wait, name, seconds)
            await anyio.sleep(2)
            signals.wake(ANY_CHANGE)
            assert not woken
            signals.changed("host")
        return woken

    assert run_virtually(main) == ["a", "b"]
