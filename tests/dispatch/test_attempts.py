"""How often a prompt is tried: the coordinator's to hold, whatever a strategy asks for."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from law_schedules import copy_all_to_all
from outpace.dispatch import Job
from outpace.dispatch.attempts import ATTEMPTS_A_HOST
from outpace.ground.errors import EngineFailed
from outpace.simulation.fault_schedule import Fault
from synthetic import Synthetic, play
from virtual import NumberEngine, coordinate


def spoilt(outcome) -> Counter[tuple[int, str]]:
    """How often each host failed each prompt."""
    failures = [each for each in outcome.run.failed_attempts if each.kind not in ("busy", "stale", "spent")]
    return Counter((each.prompt, each.host) for each in failures)


def test_a_straggler_is_not_copied_to_a_host_that_has_failed_it_so_often_already() -> None:
    hosts = [
        Synthetic(f"h{number}", work_ms, round_trip_ms=trip_ms)
        for number, (work_ms, trip_ms) in enumerate(
            [(2000.0, 0.0), (400.0, 2.0), (5.0, 0.0), (400.0, 2.0), (2000.0, 0.0)]
        )
    ]
    faults = [
        Fault("h1", "errors", 0.9, 3.9),
        Fault("h0", "dies", 0.0, 0.01),
        Fault("h0", "dies", 0.0, 0.01),
        Fault("h2", "dies", 0.0, 3.0),
    ]
    outcome = play(hosts, faults, strategy="hedged", prompts=8, timeout_s=5.0, limits=1).outcome
    assert spoilt(outcome)[4, "h1"] == ATTEMPTS_A_HOST
    assert max(spoilt(outcome).values()) == ATTEMPTS_A_HOST
    assert not outcome.run.failed


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_strategy_that_copies_everything_gets_no_more_attempts_than_any_other(count: int) -> None:
    async def fails(_engine: NumberEngine, _number: int, _now: float) -> None:
        raise EngineFailed("it fails")

    engines = [NumberEngine(name, misbehave=fails) for name in "abc"[:count]]
    outcome, _ = coordinate(engines, copy_all_to_all, prompts=4)
    assert max(spoilt(outcome).values()) == ATTEMPTS_A_HOST
    assert len(outcome.run.failed) == 4


def test_a_copy_goes_to_one_other_host_at_a_time_and_the_first_answer_counts() -> None:
    engines = [NumberEngine(name, lambda _: 10.0) for name in "abcd"]
    outcome, _ = coordinate(engines, copy_all_to_all, prompts=1)
    assert len(outcome.run.failed_attempts) == 1
    assert outcome.run.failed_attempts[0].kind == "spent"
    assert sum(len(engine.asked) for engine in engines) == 2
    assert outcome.run.requests[0].attempts == 2


def test_nothing_is_copied_that_is_not_on_its_way() -> None:
    async def eager(job: Job) -> None:
        await job.send(job.hosts[0], job.prompts[0])
        with anyio.move_on_after(5.0):
            await job.copy(job.hosts[1], job.prompts[0])
        await job.send(job.hosts[0], job.prompts[1])

    engines = [NumberEngine(name) for name in "ab"]
    outcome, _ = coordinate(engines, eager, prompts=2)
    assert engines[1].asked == []
    assert outcome.run.makespan_ms == pytest.approx(7000)


def test_a_copy_for_a_host_that_rests_waits_instead_of_coming_back_at_once() -> None:
    asked = 0

    async def insists(job: Job) -> None:
        nonlocal asked
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(job.send, "slow", job.prompts[0])
            await anyio.sleep(0.1)
            while asked < 100:  # without a bound it would never let go of the processor
                asked += 1
                await job.copy("away", job.prompts[0])
            tasks.cancel_scope.cancel()

    hosts = [Synthetic("slow", 4600.0), Synthetic("away", 5.0)]
    outcome = play(hosts, [Fault("away", "dies", 0.0, 2.0)], strategy=insists, prompts=1).outcome
    assert outcome.run.requests[0].host == "away"
    assert asked < 10
