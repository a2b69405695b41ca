"""The coordinator loses nothing: in virtual time, over engines whose every move is known."""

from __future__ import annotations

import anyio
import pytest

from outpace.dispatch import Job
from outpace.ground.errors import (
    AnswerUnreadable,
    BodyCut,
    ConnectionStale,
    EngineBusy,
    EngineFailed,
    RequestRefused,
)
from virtual import NumberEngine, coordinate


def failing(error: Exception, when) -> object:
    """Behaviour that raises ``error`` while ``when(engine, number, now)`` says so."""

    async def misbehave(engine: NumberEngine, number: int, now: float) -> None:
        if when(engine, number, now):
            raise error

    return misbehave


def answers_from(outcome) -> list[str | None]:
    return [request.host for request in outcome.run.requests]


@pytest.mark.parametrize("strategy", ["sequential", "serial-per-side", "all-parallel"])
def test_each_prompt_has_its_own_answer_in_the_order_of_the_prompts(strategy: str) -> None:
    outcome, _ = coordinate([NumberEngine("a"), NumberEngine("b", lambda n: 3.0 - n / 4)], strategy)
    assert [answer.rpartition(" ")[2] for answer in outcome.answers] == list("01234567")
    assert [request.prompt for request in outcome.run.requests] == list(range(8))
    assert all(request.attempts == 1 and request.error is None for request in outcome.run.requests)


def test_sequential_keeps_one_in_flight_on_the_first_host() -> None:
    a, b = NumberEngine("a"), NumberEngine("b")
    outcome, _ = coordinate([a, b], "sequential")
    assert outcome.run.makespan_ms == pytest.approx(8000)
    assert a.most_in_flight == 1
    assert b.asked == []


def test_serial_per_side_keeps_one_in_flight_a_host() -> None:
    a, b = NumberEngine("a"), NumberEngine("b", lambda _: 2.0)
    outcome, _ = coordinate([a, b], "serial-per-side")
    assert (a.most_in_flight, b.most_in_flight) == (1, 1)
    assert outcome.run.makespan_ms == pytest.approx(8000)
    assert sorted(answers_from(outcome)) == ["a"] * 4 + ["b"] * 4


def test_all_parallel_sends_everything_at_once() -> None:
    a, b = NumberEngine("a"), NumberEngine("b")
    outcome, _ = coordinate([a, b], "all-parallel")
    assert (a.most_in_flight, b.most_in_flight) == (4, 4)
    assert {request.start_ms for request in outcome.run.requests} == {0.0}
    assert outcome.run.makespan_ms == pytest.approx(4000)


def test_a_host_that_dies_leaves_its_prompts_to_the_other() -> None:
    b = NumberEngine("b", up=lambda now: now < 1.5)
    outcome, _ = coordinate([NumberEngine("a"), b])
    assert answers_from(outcome).count("a") == 7
    assert not outcome.run.failed
    (failure,) = outcome.run.failed_attempts
    assert (failure.host, failure.prompt, failure.kind) == ("b", 3, "connect")
    assert outcome.run.requests[3].attempts == 2


def test_what_a_dead_host_left_does_not_break_the_serial_rule_of_the_other() -> None:
    a, b = NumberEngine("a"), NumberEngine("b", up=lambda now: now < 0.5)
    outcome, _ = coordinate([a, b])
    assert a.most_in_flight == 1
    assert outcome.run.makespan_ms == pytest.approx(8000)


def test_an_idle_host_takes_what_is_left_while_others_work() -> None:
    quick, slow = NumberEngine("quick", lambda _: 0.1), NumberEngine("slow", lambda _: 10.0)
    dead = NumberEngine("dead", up=lambda now: False)
    outcome, _ = coordinate([quick, slow, dead], prompts=6)
    assert outcome.run.makespan_ms == pytest.approx(20_000)
    assert answers_from(outcome).count("quick") == 4


def test_a_host_that_comes_back_is_used_again() -> None:
    b = NumberEngine("b", up=lambda now: not 0.5 < now < 3.0)
    outcome, _ = coordinate([NumberEngine("a", lambda _: 5.0), b], prompts=8)
    assert answers_from(outcome) == ["a", "b"] * 4
    assert outcome.run.makespan_ms == pytest.approx(20_000)


def test_the_only_host_is_waited_for() -> None:
    outcome, _ = coordinate([NumberEngine("a", up=lambda now: not 1.5 < now < 9.0)], "sequential", prompts=3)
    assert not outcome.run.failed
    assert outcome.run.makespan_ms > 9000


def test_with_all_hosts_gone_every_prompt_is_named_with_its_reason_soon() -> None:
    hosts = [NumberEngine(name, up=lambda now: now < 1.5) for name in "ab"]
    outcome, took_s = coordinate(hosts, timeout_s=600)
    assert len(outcome.run.failed) == 6
    assert all("is down" in request.error for request in outcome.run.failed if request.attempts)
    assert all("no host answers" in request.error for request in outcome.run.failed)
    assert took_s < 60


def test_a_busy_host_is_left_alone_for_as_long_as_it_asks() -> None:
    a = NumberEngine("a", misbehave=failing(EngineBusy("a is busy", 7.0), lambda e, n, now: now < 1))
    outcome, _ = coordinate([a], "sequential", prompts=3)
    assert not outcome.run.failed
    assert [now for now, _ in a.asked] == pytest.approx([0.0, 7.0, 8.0, 9.0])


def test_a_full_queue_is_emptied_in_the_end() -> None:
    a = NumberEngine("a", misbehave=failing(EngineBusy("a is busy"), lambda e, n, now: e.in_flight > 2))
    outcome, _ = coordinate([a], "all-parallel", prompts=8)
    assert not outcome.run.failed
    assert outcome.run.makespan_ms < 20_000


def test_a_stale_connection_is_replaced_at_once_on_the_same_host() -> None:
    seen = set()

    def first_time(_engine, number, _now):
        return number == 2 and not (number in seen or seen.add(number))

    a = NumberEngine("a", misbehave=failing(ConnectionStale("closed"), first_time))
    outcome, _ = coordinate([a, NumberEngine("b")])
    assert outcome.run.requests[2].host == "a"
    assert outcome.run.requests[2].attempts == 2
    assert outcome.run.makespan_ms == pytest.approx(4000)


def test_a_prompt_that_all_hosts_refuse_fails_alone_and_is_asked_once_a_host() -> None:
    hosts = [
        NumberEngine(name, misbehave=failing(RequestRefused(f"{name} refused"), lambda e, n, now: n == 3))
        for name in "ab"
    ]
    outcome, _ = coordinate(hosts)
    assert [request.prompt for request in outcome.run.failed] == [3]
    assert [number for host in hosts for _, number in host.asked].count(3) == 2
    assert "refused" in outcome.run.failed[0].error


def test_a_prompt_that_one_host_refuses_is_answered_by_another() -> None:
    a = NumberEngine("a", misbehave=failing(RequestRefused("no such model"), lambda e, n, now: True))
    outcome, _ = coordinate([a, NumberEngine("b")])
    assert answers_from(outcome) == ["b"] * 8


@pytest.mark.parametrize("error", [BodyCut("cut"), EngineFailed("died"), AnswerUnreadable("garbage")])
def test_a_prompt_that_kills_every_host_ends_among_the_failed(error: Exception) -> None:
    hosts = [NumberEngine(name, misbehave=failing(error, lambda e, n, now: n == 0)) for name in "ab"]
    outcome, _ = coordinate(hosts)
    assert [request.prompt for request in outcome.run.failed] == [0]
    assert outcome.run.failed[0].attempts == 4


def test_silence_ends_at_the_timeout_and_the_prompt_goes_to_another_host() -> None:
    async def hang(_engine, number, _now):
        if number == 1:
            await anyio.sleep_forever()

    outcome, _ = coordinate([NumberEngine("a"), NumberEngine("b", misbehave=hang)], timeout_s=10)
    assert not outcome.run.failed
    assert outcome.run.requests[1].host == "a"
    assert outcome.run.failed_attempts[0].kind == "timeout"
    assert outcome.run.failed_attempts[0].wall_ms == pytest.approx(10_000)


def test_a_run_ends_at_its_time_limit_whatever_hosts_do() -> None:
    busy = NumberEngine("a", misbehave=failing(EngineBusy("a is busy", 50.0), lambda e, n, now: n != 0))
    outcome, took_s = coordinate([busy], "sequential", prompts=2, timeout_s=20)
    assert took_s <= 80.001
    assert "time limit of 80 s" in outcome.run.failed[0].error
    assert "a is busy" in outcome.run.failed[0].error


def test_prompts_that_a_strategy_forgot_are_sent_all_the_same() -> None:
    async def lazy(job: Job) -> None:
        await job.send(job.hosts[0], job.prompts[1])

    outcome, _ = coordinate([NumberEngine("a"), NumberEngine("b")], lazy)
    assert not outcome.run.failed


def test_a_prompt_that_a_strategy_sends_twice_is_answered_once() -> None:
    async def eager(job: Job) -> None:
        async with anyio.create_task_group() as tasks:
            for host in job.hosts:
                for prompt in job.prompts:
                    tasks.start_soon(job.send, host, prompt)

    a, b = NumberEngine("a"), NumberEngine("b")
    outcome, _ = coordinate([a, b], eager)
    assert sorted(number for _, number in a.asked + b.asked) == list(range(8))
    assert not outcome.run.failed


def test_a_mistake_in_a_strategy_is_not_hidden() -> None:
    async def broken(_job: Job) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        coordinate([NumberEngine("a")], broken)
    assert raised.group_contains(ZeroDivisionError)
