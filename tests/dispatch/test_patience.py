"""The time of an attempt: a host is given it anew for each prompt that was put before it, and for nothing else."""

from __future__ import annotations

import math

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from law import hold_over_a_batch
from law_schedules import COUNTS, law_over, profile
from outpace.dispatch import STRATEGIES, Job, Limits
from outpace.simulation.fault_schedule import KINDS, Fault
from synthetic import Synthetic, play
from virtual import NumberEngine, coordinate
from workers import Worker, dispatch, makespan_s

SCHEDULES = max(10, COUNTS[profile()] // 200)
"""A schedule of tens of prompts takes as long as many of the law's own."""


@pytest.mark.parametrize("protocol", ["ollama", "openai"])
@pytest.mark.parametrize("late_head", [False, True])
def test_a_queue_of_our_own_making_is_no_silence(protocol: str, *, late_head: bool) -> None:
    one = [Synthetic("h", 5000.0, protocol=protocol, late_head=late_head)]
    run = play(one, strategy="all-parallel", prompts=64, timeout_s=120.0).outcome.run
    assert not run.failed
    assert run.failed_attempts == ()
    assert run.makespan_ms == pytest.approx(64 * 5002, rel=0.001)


@pytest.mark.parametrize("late_head", [False, True])
def test_a_host_that_falls_silent_behind_a_queue_is_found_within_the_time_from_its_last_answer(late_head: bool) -> None:
    hosts = [Synthetic("a", 5000.0, late_head=late_head), Synthetic("b", 5000.0, late_head=late_head)]
    run = play(hosts, [Fault("a", "silent", 52.0)], strategy="all-parallel", prompts=64, timeout_s=30.0).outcome.run
    assert not run.failed
    timeouts = [each for each in run.failed_attempts if each.kind == "timeout"]
    assert len(timeouts) >= 22
    last_answer_ms = max(each.start_ms + each.wall_ms for each in run.requests if each.host == "a")
    first = [each for each in timeouts if each.start_ms == 0]
    assert [each.start_ms + each.wall_ms for each in first] == pytest.approx(
        [last_answer_ms + 30_000] * len(first), abs=5
    )
    assert all("of its last answer" in each.error for each in first)


def test_a_host_that_never_speaks_is_found_within_the_time() -> None:
    run = play(
        [Synthetic("a", 1000.0), Synthetic("b", 1000.0)],
        [Fault("a", "silent")],
        strategy="all-parallel",
        prompts=8,
        timeout_s=10.0,
    ).outcome.run
    assert not run.failed
    assert [each.wall_ms for each in run.failed_attempts[:4]] == pytest.approx([10_000] * 4)


def test_one_that_is_stuck_is_found_though_those_sent_after_it_are_answered() -> None:
    async def sticks(_engine: NumberEngine, number: int, _now: float) -> None:
        if number == 0:
            await anyio.sleep_forever()

    async def one_then_the_rest(job: Job) -> None:
        job.start("a", job.prompts[0])
        await anyio.sleep(2.0)
        for prompt in job.prompts[1:]:
            job.start("a", prompt)

    engines = [NumberEngine("a", lambda _: 4.0, misbehave=sticks), NumberEngine("b")]
    outcome, _ = coordinate(engines, one_then_the_rest, prompts=10, timeout_s=10)
    (failure,) = outcome.run.failed_attempts
    assert (failure.prompt, failure.kind) == (0, "timeout")
    assert failure.wall_ms == pytest.approx(10_000)
    assert "within 10 s." in failure.error
    assert outcome.run.requests[9].host == "a"
    assert outcome.run.requests[9].wall_ms == pytest.approx(36_000)


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.1, 9.9), min_size=1, max_size=24),
    st.integers(1, 4),
    st.sampled_from(sorted(STRATEGIES)),
    st.integers(1, 3),
)
def test_a_host_that_takes_its_turn_by_turn_and_less_than_the_time_for_each_is_never_called_off(
    works: list[float], slots: int, strategy: str, count: int
) -> None:
    engines = [Worker(name, works, slots=slots) for name in "abc"[:count]]
    outcome = dispatch(strategy, engines, works, timeout_s=10.0)
    assert makespan_s(outcome) > 0
    assert {each.kind for each in outcome.run.failed_attempts} <= {"spent"}


@st.composite
def slow_hosts_with_faults(draw: st.DrawFn) -> tuple[list[Synthetic], list[Fault]]:
    """Hosts of one slot, mostly, that answer tens of prompts one by one, while what they do wrong comes and goes."""
    hosts = [
        Synthetic(
            f"h{index}",
            draw(st.sampled_from([900.0, 2000.0, 4600.0, 9000.0])),
            draw(st.sampled_from([1, 1, 1, 2])),
            draw(st.sampled_from(["ollama", "openai"])),
            late_head=draw(st.booleans()),
        )
        for index in range(draw(st.integers(1, 3)))
    ]
    faults = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        start_s = draw(st.sampled_from([0.0, 0.9, 7.0, 33.0, 52.0, 100.0]))
        length_s = draw(st.sampled_from([0.5, 3.0, 20.0, 90.0, math.inf]))
        parameter = {"slow": 10.0, "jumps": draw(st.sampled_from([0.9, 3.0, 45.0])), "busy": 3.0}.get(kind)
        name = draw(st.sampled_from([*(host.name for host in hosts), "*"]))
        faults.append(Fault(name, kind, start_s, start_s + length_s, parameter))
    return hosts, faults


@given(
    slow_hosts_with_faults(),
    st.sampled_from([16, 40, 64]),
    st.sampled_from(["all-parallel", "all-parallel", "pull", "hedged", "all-to-all", "serial-per-side"]),
    st.sampled_from([5.0, 10.0, 30.0]),
    st.sampled_from([1, 3, 64, "adaptive"]),
)
@law_over(SCHEDULES)
def test_the_law_holds_where_hosts_have_long_queues(
    schedule: tuple[list[Synthetic], list[Fault]], prompts: int, strategy: str, timeout_s: float, limits: Limits
) -> None:
    hold_over_a_batch(schedule, prompts, strategy, timeout_s, limits)
