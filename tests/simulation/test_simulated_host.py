"""The simulated host against a simulation written another way, and against what must hold of any host."""

from __future__ import annotations

from fractions import Fraction

import anyio
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outpace.simulation.simulated_host import SimulatedHost
from outpace.simulation.slots import Work
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
            assert work.over or work.began_s is not None
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


Visit = tuple[Fraction, int, int, Fraction | None]
"""Arrival (s), work until first text and until the end (ms), and after how long (s) the client leaves, if it does."""

visits = st.lists(
    st.tuples(
        st.integers(0, 30).map(lambda tenths: Fraction(tenths, 10)),
        st.integers(0, 500),
        st.integers(500, 2000),
        st.none() | st.integers(1, 4000).map(lambda ms: Fraction(ms, 1000) + Fraction(1, 7000)),
    ),
    max_size=8,
).map(lambda found: sorted(found, key=lambda visit: visit[0]))
tables = st.integers(1, 4).flatmap(
    lambda slots: st.lists(st.integers(1, 20).map(lambda tenths: Fraction(tenths, 10)), min_size=slots, max_size=slots)
)


class Exactly:
    """When each visit begins, has its first text and ends, in rational numbers: nothing is rounded."""

    def __init__(self, found: list[Visit], table: list[Fraction]) -> None:
        self.found, self.table, self.now = found, table, Fraction(0)
        self.began: dict[int, Fraction] = {}
        self.heads: dict[int, Fraction] = {}
        self.ends: dict[int, Fraction] = {}
        self.done = [Fraction(0)] * len(found)
        self.leaves = {index: visit[0] + visit[3] for index, visit in enumerate(found) if visit[3] is not None}
        while coming := self._coming():
            here, rate = self._here(), self._rate()
            step = min(coming) - self.now
            self.now += step
            for index in here:
                self.done[index] += step * rate
            self._note(here)

    def _here(self) -> list[int]:
        """Who is in work at this moment; who waits takes the slots that are free, in order."""
        stay = [index for index, visit in enumerate(self.found) if visit[0] <= self.now and not self._is_over(index)]
        here = [index for index in stay if index in self.began]
        here += [index for index in stay if index not in self.began][: len(self.table) - len(here)]
        for index in here:
            self.began.setdefault(index, self.now)
        self._note(here)
        return here

    def _is_over(self, index: int) -> bool:
        return index in self.ends or (index in self.leaves and self.leaves[index] <= self.now)

    def _note(self, here: list[int]) -> None:
        for index in here:
            if self.done[index] >= self.found[index][1]:
                self.heads.setdefault(index, self.now)
            if self.done[index] >= self.found[index][2]:
                self.ends.setdefault(index, self.now)

    def _rate(self) -> Fraction:
        here = self._here()
        return self.table[len(here) - 1] * 1000 if here else Fraction(0)

    def _coming(self) -> list[Fraction]:
        """The moments after this one at which something happens."""
        moments = [*(visit[0] for visit in self.found), *self.leaves.values()]
        for index in self._here():
            moments += [self.now + (self.found[index][goal] - self.done[index]) / self._rate() for goal in (1, 2)]
        return [moment for moment in moments if moment > self.now]


def visited(found: list[Visit], table: list[Fraction]) -> tuple[list[Work], list[int]]:
    """The works of all visits, and how many were in work whenever something happened."""
    in_work: list[int] = []

    async def main() -> list[Work]:
        host = SimulatedHost(len(table), lambda n: float(table[n - 1]))
        works: dict[int, Work] = {}

        async def visit(index: int, arrival: Fraction, head: int, work: int, leaves: Fraction | None) -> None:
            await anyio.sleep(float(arrival))
            works[index] = host.submit(float(head), float(work))
            in_work.append(host._in_work)
            with anyio.move_on_after(float("inf") if leaves is None else float(leaves)):
                await works[index].done
            host.leave(works[index])
            in_work.append(host._in_work)

        async with anyio.create_task_group() as tasks:
            for index, each in enumerate(found):
                tasks.start_soon(visit, index, *each)
        assert host._in_work == 0
        return [works[index] for index in range(len(found))]

    return run_virtually(main), in_work


@given(visits, tables)
def test_clients_that_come_and_leave_find_what_exact_arithmetic_says(found: list[Visit], table: list[Fraction]) -> None:
    exact = Exactly(found, table)
    # A client that leaves in the very moment in which its answer ends may be seen either way.
    assume(all(abs(leave - ended) > 1e-6 for leave in exact.leaves.values() for ended in exact.ends.values()))
    works, in_work = visited(found, table)
    assert max(in_work, default=0) <= len(table)
    for index, work in enumerate(works):
        ended = work.done.done() and not work.done.cancelled()
        assert ended == (index in exact.ends)
        if ended:
            assert work.done.result() == pytest.approx(float(exact.ends[index]), abs=1e-6)
            assert work.reached_s[0] == pytest.approx(float(exact.heads[index]), abs=1e-6)
            assert work.queue_ms == pytest.approx(float(exact.began[index] - found[index][0]) * 1000, abs=1e-3)


@given(visits, tables)
def test_all_that_stay_are_served_and_begin_in_the_order_in_which_they_came(found, table) -> None:
    works, _ = visited(found, table)
    for work, visit in zip(works, found, strict=True):
        assert visit[3] is not None or work.done.result() >= work.reached_s[0] >= float(visit[0])
    begun = [work.began_s for work in works if work.began_s is not None]
    assert begun == sorted(begun)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=8), st.integers(1, 8))
def test_sharing_conserves_work_whatever_the_slots(works: list[int], slots: int) -> None:
    ends = simulate([(0.0, float(work)) for work in works], slots, CURVES["sharing"])
    assert max(ends) == pytest.approx(sum(works) / 1000)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=12))
def test_the_wait_for_the_only_slot_is_the_work_of_all_before(works: list[int]) -> None:
    async def main() -> list[float]:
        host = SimulatedHost(1, CURVES["alike"])
        submitted = [host.submit(0.0, float(work)) for work in works]
        for each in submitted:
            await each.done
        return [each.queue_ms for each in submitted]

    assert run_virtually(main) == pytest.approx([sum(works[:index]) for index in range(len(works))], abs=1e-6)
