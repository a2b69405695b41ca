"""Open loop: a request is sent when it is due, or waits for a host; latency counts from the due time."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from law_schedules import RIGHT
from outpace.dispatch import Coordinator, Job, find_strategy
from outpace.ground.errors import EngineFailed
from outpace.ground.records import RequestRecord
from outpace.simulation.fault_schedule import Fault
from outpace.workload.prompts import Generation, Prompt, Workload
from synthetic import Synthetic, play
from virtual import NumberEngine, coordinate, run_virtually


def latency_s(request: RequestRecord) -> float:
    assert request.start_ms is not None
    return (request.start_ms + request.wall_ms - request.due_ms) / 1000


@pytest.mark.parametrize("strategy", RIGHT)
def test_what_comes_to_an_idle_host_is_sent_when_it_is_due(strategy: str) -> None:
    due_s = [0.0, 2.5, 7.0, 12.25]
    outcome, _ = coordinate([NumberEngine("a"), NumberEngine("b")], strategy, due_s=due_s)
    assert [request.due_ms for request in outcome.run.requests] == [at_s * 1000 for at_s in due_s]
    assert [request.start_ms for request in outcome.run.requests] == pytest.approx([at_s * 1000 for at_s in due_s])
    assert [latency_s(request) for request in outcome.run.requests] == pytest.approx([1.0] * 4)
    assert {request.late_ms for request in outcome.run.requests} == {0.0}


@pytest.mark.parametrize("strategy", RIGHT)
def test_prompts_may_come_in_another_order_than_their_own(strategy: str) -> None:
    outcome, _ = coordinate([NumberEngine("a"), NumberEngine("b")], strategy, due_s=[9.0, 3.0, 6.0])
    assert [request.start_ms for request in outcome.run.requests] == pytest.approx([9000, 3000, 6000])


@pytest.mark.parametrize("strategy", ["pull", "capacity-aware", "earliest-finish", "hedged"])
def test_a_central_queue_binds_late(strategy: str) -> None:
    # b takes what comes second; when a is free again, at 10 s, it takes the one that waits since longest.
    engines = [NumberEngine("a", lambda _: 9.0), NumberEngine("b", lambda _: 12.0)]
    outcome, _ = coordinate(engines, strategy, due_s=[1.0, 2.0, 3.0, 4.0])
    if strategy != "earliest-finish":
        assert [request.host for request in outcome.run.requests] == ["a", "b", "a", "b"]
    assert [request.start_ms for request in outcome.run.requests] == pytest.approx([1000, 2000, 10_000, 14_000])


def test_of_several_idle_hosts_the_fastest_gets_what_comes() -> None:
    engines = [NumberEngine(name) for name in "abc"]
    outcome, _ = coordinate(engines, "pull", due_s=[0.0, 5.0, 10.0, 10.0])
    assert [request.host for request in outcome.run.requests] == ["a", "a", "a", "b"]


def test_earliest_finish_decides_with_what_has_come() -> None:
    engines = [NumberEngine("a"), NumberEngine("b", lambda _: 1.0)]
    outcome, _ = coordinate(engines, "earliest-finish", due_s=[0.0, 0.1, 0.2, 0.3, 0.4, 9.0])
    assert {request.host for request in outcome.run.requests} == {"a", "b"}
    assert max(latency_s(request) for request in outcome.run.requests) == pytest.approx(2.6)


def test_hedged_copies_what_is_overdue_while_others_go_on_coming() -> None:
    async def hangs(_engine: NumberEngine, number: int, _now: float) -> None:
        if number == 0:
            await anyio.sleep(500.0)

    engines = [NumberEngine("a", misbehave=hangs), NumberEngine("b")]
    outcome, _ = coordinate(engines, "hedged", timeout_s=600, due_s=[0.0, 100.0, 200.0])
    first = outcome.run.requests[0]
    assert (first.host, first.attempts) == ("b", 2)
    assert latency_s(first) < 60
    assert {each.kind for each in outcome.run.failed_attempts} == {"spent"}


def test_the_wait_for_a_host_is_part_of_the_latency() -> None:
    outcome, _ = coordinate([NumberEngine("a")], "pull", due_s=[0.0, 0.25, 0.5])
    assert [latency_s(request) for request in outcome.run.requests] == pytest.approx([1.0, 1.75, 2.5])
    assert [request.wall_ms for request in outcome.run.requests] == pytest.approx([1000] * 3)


def test_lateness_is_the_coordinators_own() -> None:
    """An event loop that is blocked takes note of what is due only then."""

    async def blocked(job: Job) -> None:
        await anyio.sleep(0.9)
        asyncio.get_running_loop().jump(2.0)  # type: ignore[attr-defined]

    outcome, _ = coordinate([NumberEngine("a")], blocked, due_s=[1.0, 1.5, 4.0])
    assert [request.late_ms for request in outcome.run.requests] == pytest.approx([1900, 1400, 0])
    assert outcome.run.requests[0].start_ms == pytest.approx(2900)


def test_a_strategy_that_asks_for_it_sooner_has_to_wait_all_the_same() -> None:
    async def eager(job: Job) -> None:
        job.start("a", job.prompts[0])
        job.leave([job.prompts[1]])
        await job.send("a", job.prompts[2])

    outcome, _ = coordinate([NumberEngine("a")], eager, due_s=[3.0, 5.0, 1.0, 7.0])
    assert [request.start_ms for request in outcome.run.requests] == pytest.approx([3000, 5000, 1000, 7000])


@pytest.mark.parametrize("queue", [0, 1, 3])
def test_a_full_queue_refuses_whoever_comes_and_names_them(queue: int) -> None:
    due_s = [0.0, *(0.1 + n / 100 for n in range(6)), 50.0]
    outcome, took_s = coordinate([NumberEngine("a", lambda _: 10.0)], "pull", due_s=due_s, queue=queue)
    refused = outcome.run.failed
    assert [request.prompt for request in refused] == list(range(queue + 1, 7))
    assert {request.error for request in refused} == {f"queue full: {queue} waited already when it came"}
    assert {(request.host, request.attempts, request.wall_ms) for request in refused} == {(None, 0, 0.0)}
    assert took_s == pytest.approx(60)


def test_a_burst_is_refused_only_beyond_what_idle_hosts_take_at_once() -> None:
    engines = [NumberEngine(name) for name in "abc"]
    outcome, _ = coordinate(engines, "pull", due_s=[1.0] * 8, queue=2)
    assert [request.prompt for request in outcome.run.failed] == [5, 6, 7]
    batch, _ = coordinate(engines, "pull", prompts=8, queue=2)
    assert [request.prompt for request in batch.run.failed] == [5, 6, 7]


def test_what_is_taken_for_a_host_that_turns_out_to_be_busy_is_refused_like_what_waits() -> None:
    """It was at no host, and had no place in the queue: that its strategy held it for a moment gives it none."""
    busy = Fault("a", "busy", 0.0, 0.01)
    outcome = play([Synthetic("a", 5.0, round_trip_ms=0.0)], [busy], strategy="sequential", prompts=2, queue=0).outcome
    assert [request.prompt for request in outcome.run.failed] == [1]


def test_a_strategy_that_lets_hosts_idle_does_not_stretch_the_queue() -> None:
    engines = [NumberEngine("a", lambda _: 10.0), NumberEngine("b")]
    outcome, _ = coordinate(engines, "sequential", due_s=[0.0, 1.0, 2.0, 3.0], queue=2)
    assert [request.prompt for request in outcome.run.failed] == [3]


def test_a_rule_that_sends_at_once_fills_no_queue() -> None:
    outcome, _ = coordinate([NumberEngine("a")], "random", due_s=[0.0] * 20, queue=0)
    assert not outcome.run.failed
    assert outcome.run.makespan_ms == pytest.approx(20_000)


def test_what_a_host_failed_goes_before_what_came_later() -> None:
    async def fails(engine: NumberEngine, number: int, now: float) -> None:
        if number == 0 and now < 0.2:
            raise EngineFailed("it fails once")

    engines = [NumberEngine("a", lambda _: 2.0), NumberEngine("b", lambda _: 2.0, misbehave=fails)]
    outcome, _ = coordinate(engines, "pull", due_s=[0.1, 0.0, *(0.2 + n / 10 for n in range(10))])
    first = outcome.run.requests[0]
    assert first.attempts == 2
    assert (first.host, first.start_ms) == ("b", pytest.approx(350))  # b answers a ping after 250 ms


def test_what_was_spoilt_gets_its_turn_though_no_host_is_ever_idle() -> None:
    async def fails(engine: NumberEngine, number: int, now: float) -> None:
        if number == 3 and engine.host.name == "a":
            raise EngineFailed("not this one")

    engines = [NumberEngine("a", lambda _: 4.9, misbehave=fails), NumberEngine("b", lambda _: 4.9)]
    due_s = [n * 2.5 for n in range(200)]
    outcome, _ = coordinate(engines, "random", timeout_s=30, due_s=due_s)
    assert not outcome.run.failed
    if outcome.run.requests[3].attempts > 1:
        assert latency_s(outcome.run.requests[3]) < 200


def test_each_prompt_has_its_own_limit_and_is_expected_to_use_it() -> None:
    asked: list[tuple[str, int]] = []

    class Listening(NumberEngine):
        async def generate(self, prompt, settings, cache_key, heard=None):
            asked.append((prompt, settings.max_tokens))
            return await super().generate(prompt, settings, cache_key)

    prompts = (Prompt(0, "0", 0.0, 5), Prompt(1, "1"), Prompt(2, "2", 10.0, 900))
    works: list[float] = []

    async def looks(job: Job) -> None:
        works.extend(job.expect.work(prompt) for prompt in job.prompts)
        await find_strategy("sequential")(job)

    async def main() -> None:
        work = Workload(prompts, Generation(32))
        await Coordinator({"a": Listening("a")}, timeout_s=60).run("s", looks, work, ["a"], cache_key="k")

    run_virtually(main)
    assert asked == [("0", 5), ("1", 32), ("2", 900)]
    assert works == pytest.approx([5, 32, 900], rel=0.1)
