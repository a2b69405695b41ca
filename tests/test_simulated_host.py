"""The simulated host against a simulation written another way, and against what must hold of any host."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.replay.host import SimulatedHost
from virtual import run_virtually

CURVES = {
    "alike": lambda n: 1.0,
    "sharing": lambda n: 1.0 / n,
    "batching": lambda n: n**-0.3,
    "thrashing": lambda n: n**-2.0,
}
arrivals = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.5, 4.0]), st.sampled_from([1.0, 250.0, 400.0, 1000.0])),
    min_size=1,
    max_size=8,
).map(sorted)


def by_small_steps(jobs: list[tuple[float, float]], slots: int, speed) -> list[float]:
    """When each job (arrival in s, work in ms) ends, by stepping from event to event over plain lists."""
    left = {index: work for index, (_, work) in enumerate(jobs)}
    ends: dict[int, float] = {}
    now, queue, working = 0.0, list(range(len(jobs))), []
    while left:
        while queue and len(working) < slots and jobs[queue[0]][0] <= now + 1e-12:
            working.append(queue.pop(0))
        rate = speed(len(working)) * 1000 if working else 0.0
        steps = [left[index] / rate for index in working]
        if queue and len(working) < slots:
            steps.append(jobs[queue[0]][0] - now)
        step = min(steps)
        now += step
        for index in list(working):
            left[index] -= step * rate
            if left[index] <= 1e-9:
                ends[index] = now
                working.remove(index)
                del left[index]
    return [ends[index] for index in range(len(jobs))]


def simulate(jobs: list[tuple[float, float]], slots: int, speed) -> list[float]:
    async def main() -> list[float]:
        host, ends = SimulatedHost(slots, speed), {}

        async def request(index: int, arrival: float, work_ms: float) -> None:
            await anyio.sleep(arrival)
            ends[index] = await host.submit(work_ms / 2, work_ms).done

        async with anyio.create_task_group() as tasks:
            for index, job in enumerate(jobs):
                tasks.start_soon(request, index, *job)
        return [ends[index] for index in range(len(jobs))]

    return run_virtually(main)


@given(arrivals, st.integers(1, 4), st.sampled_from(sorted(CURVES)))
def test_it_agrees_with_a_simulation_by_small_steps(jobs, slots: int, curve: str) -> None:
    assert simulate(jobs, slots, CURVES[curve]) == pytest.approx(by_small_steps(jobs, slots, CURVES[curve]), abs=1e-6)


def test_one_slot_serves_in_order_and_the_wait_is_told() -> None:
    async def main() -> list[tuple[float, float]]:
        host = SimulatedHost(1, CURVES["alike"])
        works = [host.submit(100.0, 1000.0) for _ in range(4)]
        ends = [await work.done for work in works]
        return [(end, work.queue_ms) for end, work in zip(ends, works, strict=True)]

    found = run_virtually(main)
    assert [end for end, _ in found] == pytest.approx([1, 2, 3, 4])
    assert [wait for _, wait in found] == pytest.approx([0, 1000, 2000, 3000])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.sampled_from([0.0, 0.2, 1.3])), max_size=30))
def test_who_leaves_frees_the_slot_whenever_it_is(moves) -> None:
    async def main() -> None:
        host = SimulatedHost(2, CURVES["sharing"])
        works = []
        for arrives, which, pause in moves:
            if arrives:
                works.append(host.submit(10.0, 400.0))
            elif works:
                host.leave(works[which % len(works)])
            assert host._in_work <= 2
            await anyio.sleep(pause)
        last = host.submit(1.0, 400.0)
        with anyio.fail_after(600):
            await last.done
        for work in works:
            assert work.over or work.began is not None
        assert host._in_work <= 1

    run_virtually(main)


def test_a_client_that_is_cancelled_while_it_waits_frees_the_slot() -> None:
    async def main() -> float:
        host = SimulatedHost(1, CURVES["alike"])
        work = host.submit(500.0, 1000.0)
        with anyio.move_on_after(0.7):
            await work.done
        host.leave(work)
        return await host.submit(1.0, 1000.0).done

    assert run_virtually(main) == pytest.approx(1.7)
