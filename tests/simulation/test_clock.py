"""The virtual clock: waiting takes no time, order is certain, and a deadlock is an error."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import time
from types import SimpleNamespace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.simulation import clock
from outpace.simulation.clock import Stalled, VirtualLoop
from virtual import run_virtually


async def wake_after(*lengths_s: float) -> list[float]:
    """When tasks that sleep so long, all at once, are woken, in the order in which they are."""
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        for seconds in lengths_s:
            tasks.start_soon(sleeper, seconds)
    return woken


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
        return await wake_after(2, 20, 40)

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


def test_garbage_is_looked_for_as_before_once_it_is_over() -> None:
    async def main() -> int:
        return gc.get_threshold()[0]

    before = gc.get_threshold()
    assert run_virtually(main) >= clock.COLLECTED_AFTER
    assert gc.get_threshold() == before


class AsyncioTurns(VirtualLoop):
    _run_once = asyncio.SelectorEventLoop._run_once


steps = st.sampled_from(["soon", 0.0, 0.1, 0.1, 1.0])


@given(st.lists(st.lists(st.tuples(steps, st.integers(0, 4)), max_size=5), min_size=1, max_size=5))
def test_a_turn_goes_as_it_does_in_asyncio(programs: list[list[tuple[str | float, int]]]) -> None:
    def play(loop: VirtualLoop) -> list[tuple[float, int]]:
        log: list[tuple[float, int]] = []
        timers: list[asyncio.TimerHandle] = []

        def act(number: int) -> None:
            log.append((loop.time(), number))
            for step, cancelled in programs[number]:
                if step == "soon":
                    loop.call_soon(log.append, (loop.time(), -number))
                else:
                    timers.append(loop.call_later(step, log.append, (step, number)))
                    timers[min(cancelled, len(timers) - 1)].cancel()

        for number in range(len(programs)):
            loop.call_later(number % 2 / 10, act, number)
        loop.run_until_complete(asyncio.sleep(5))
        loop.close()
        return log

    assert play(VirtualLoop()) == play(AsyncioTurns())


@given(st.lists(st.integers(0, 1 << 20), max_size=12))
def test_the_clock_moves_by_exactly_what_is_slept(ticks: list[int]) -> None:
    # Times that are multiples of a power of two add up without rounding, so that equal can mean equal.
    async def main() -> list[float]:
        seen = []
        for each in ticks:
            await anyio.sleep(each / 1024)
            seen.append(anyio.current_time())
        return seen

    assert run_virtually(main) == [sum(ticks[: index + 1]) / 1024 for index in range(len(ticks))]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_timers_go_off_by_moment_and_then_by_creation_whichever_are_cancelled(timers) -> None:
    async def main() -> list[int]:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        handles = [loop.call_at(float(when), order.append, number) for number, (when, _) in enumerate(timers)]
        for handle, (_, cancelled) in zip(handles, timers, strict=True):
            if cancelled:
                handle.cancel()
        await anyio.sleep(5)
        return order

    kept = [(when, number) for number, (when, cancelled) in enumerate(timers) if not cancelled]
    assert run_virtually(main) == [number for _, number in sorted(kept)]


def test_a_timeout_is_raised_at_its_moment_and_a_shield_holds_beyond_it() -> None:
    async def main() -> list[float]:
        seen = []
        with pytest.raises(TimeoutError):
            with anyio.fail_after(2):
                await anyio.sleep_forever()
        seen.append(anyio.current_time())
        with anyio.move_on_after(1) as outer:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(4)
            seen.append(anyio.current_time())
            await anyio.sleep_forever()
        assert outer.cancelled_caught
        return [*seen, anyio.current_time()]

    assert run_virtually(main) == [2.0, 6.0, 6.0]


def test_two_tasks_that_wait_for_each_other_are_told_and_cleaned_up() -> None:
    left: list[str] = []

    async def main() -> None:
        first, second = anyio.Lock(), anyio.Lock()

        async def hold(name: str, mine: anyio.Lock, other: anyio.Lock) -> None:
            try:
                async with mine:
                    await anyio.sleep(1)
                    async with other:
                        left.append("never")
            finally:
                left.append(name)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold, "a", first, second)
            tasks.start_soon(hold, "b", second, first)

    with pytest.raises(Stalled):
        run_virtually(main)
    assert sorted(left) == ["a", "b"]


def test_what_is_ready_on_a_real_socket_is_read_before_the_clock_moves() -> None:
    async def main() -> tuple[bytes, float]:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            mine, _ = server.accept()
            with mine:
                client.sendall(b"here")
                assert select.select([mine], [], [], 10)[0]
                mine.setblocking(False)
                loop, ready = asyncio.get_running_loop(), asyncio.Event()
                loop.add_reader(mine, ready.set)
                with anyio.fail_after(60):
                    await ready.wait()
                loop.remove_reader(mine)
                return mine.recv(10), loop.time()

    assert run_virtually(main) == (b"here", 0.0)


@pytest.mark.parametrize("resolution", [1e-9, 1e-6, 0.015625])
def test_the_resolution_of_the_real_clock_does_not_matter(resolution: float, monkeypatch: pytest.MonkeyPatch) -> None:
    told = vars(time.get_clock_info("monotonic"))
    monkeypatch.setattr(time, "get_clock_info", lambda _: SimpleNamespace(**{**told, "resolution": resolution}))

    assert run_virtually(lambda: wake_after(0.012, 0.010, 0.0101)) == [0.010, 0.0101, 0.012]


def test_timers_still_go_off_far_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter(range(5000))
    really = clock._JumpingSelector.select

    def counted(selector, timeout=None):
        if next(turns, None) is None:
            raise TimeoutError("the loop spins")
        return really(selector, timeout)

    async def main() -> None:
        asyncio.get_running_loop().jump(2.0**25)
        monkeypatch.setattr(clock._JumpingSelector, "select", counted)
        try:
            await anyio.sleep(0.1)
        finally:
            monkeypatch.undo()

    try:
        run_virtually(main)
    finally:
        monkeypatch.undo()
