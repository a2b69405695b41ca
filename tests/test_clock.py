"""The virtual clock: waiting takes no time, order is certain, and a deadlock is an error."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.replay import Stalled, VirtualLoop
from virtual import run_virtually


def test_it_starts_at_zero_and_moves_by_what_is_slept() -> None:
    async def main() -> list[float]:
        seen = [anyio.current_time()]
        for seconds in (1.0, 0.25, 3600.0):
            await anyio.sleep(seconds)
            seen.append(anyio.current_time())
        return seen

    began = time.monotonic()
    assert run_virtually(main) == pytest.approx([0.0, 1.0, 1.25, 3601.25])
    assert time.monotonic() - began < 60


def test_anyio_can_run_it_too() -> None:
    options = {"loop_factory": VirtualLoop}
    anyio.run(anyio.sleep, 86_400, backend="asyncio", backend_options=options)


def test_a_wait_that_nothing_can_end_is_told() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled):
        run_virtually(main)


def test_a_limit_ends_a_wait_that_nothing_else_can_end() -> None:
    async def main() -> float:
        with anyio.move_on_after(5):
            await anyio.sleep_forever()
        return anyio.current_time()

    assert run_virtually(main) == pytest.approx(5)


def test_timers_of_the_same_moment_go_off_in_the_order_in_which_they_were_set() -> None:
    async def main() -> list[int]:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_at(1.0, order.append, number)
        await anyio.sleep(2)
        return order

    assert run_virtually(main) == list(range(20))


def test_a_jump_lets_what_is_overdue_happen_at_once() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.call_later(1, loop.jump, 30)
        woken: list[float] = []

        async def sleeper(seconds: float) -> None:
            await anyio.sleep(seconds)
            woken.append(anyio.current_time())

        async with anyio.create_task_group() as tasks:
            for seconds in (2, 20, 40):
                tasks.start_soon(sleeper, seconds)
        return woken

    assert run_virtually(main) == pytest.approx([31, 31, 40])


@given(st.lists(st.lists(st.sampled_from([0.0, 0.001, 0.1, 0.1, 1.0, 7.5]), max_size=6), max_size=6))
def test_the_same_program_runs_the_same_way_twice(sleeps: list[list[float]]) -> None:
    async def main() -> list[tuple[float, int, int]]:
        log: list[tuple[float, int, int]] = []

        async def program(number: int, steps: list[float]) -> None:
            for step, seconds in enumerate(steps):
                await anyio.sleep(seconds)
                log.append((anyio.current_time(), number, step))

        async with anyio.create_task_group() as tasks:
            for number, steps in enumerate(sleeps):
                tasks.start_soon(program, number, steps)
        assert anyio.current_time() == pytest.approx(max(map(sum, sleeps), default=0.0))
        return log

    first = run_virtually(main)
    assert first == run_virtually(main)
    assert [moment for moment, _, _ in first] == sorted(moment for moment, _, _ in first)
