"""The law of the coordinator: whatever hosts do, each prompt has one answer or is named among the failed.

It holds for a batch, and where prompts come one by one, faster than they can be answered, to a queue with a bound.

It is held over thousands of fault schedules, through the whole HTTP client and the engines' parsers, in virtual time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from law import SPENT, every_prompt_is_accounted_for, hold_over_a_batch, the_law_holds
from law_schedules import (
    COUNTS,
    EVERY_STRATEGY,
    RIGHT,
    TIMEOUTS_S,
    WRONG,
    a_healthy_host_can_do_it,
    arrivals,
    law_over,
    profile,
    schedules,
    times,
)
from outpace.dispatch import Limits
from outpace.ground.records import RequestRecord
from outpace.simulation.fault_schedule import Fault
from synthetic import Played, Synthetic, play

SCHEDULES = COUNTS[profile()]
ARRIVAL_SCHEDULES = 200 if profile() == "ci" else SCHEDULES


@given(
    schedules(),
    arrivals,
    st.sampled_from(EVERY_STRATEGY),
    st.sampled_from(TIMEOUTS_S),
    st.sampled_from([1, 3, "adaptive"]),
    st.sampled_from([None, None, 0, 1, 4]),
)
@example(  # what its host could not take stands behind what came before it
    schedule=(
        [Synthetic(f"h{number}", ms, 1) for number, ms in enumerate([90.0, 5.0, 5.0, 5.0, 90.0])],
        [Fault("h1", "dies", 0.0, 0.01)],
    ),
    due_ms=[0.0, 0.0, 0.0, 0.0, 0.0, 40.0, 41.0, 41.0, 41.0],
    strategy="serial-per-side",
    timeout_s=1.0,
    limits=1,
    queue=1,
)
@law_over(ARRIVAL_SCHEDULES)
def hold_under_arrivals(
    schedule: tuple[list[Synthetic], list[Fault]],
    due_ms: list[float],
    strategy: str,
    timeout_s: float,
    limits: Limits,
    queue: int | None,
) -> None:
    chosen, faults = schedule
    how = WRONG.get(strategy, strategy)
    prompts = len(due_ms)
    played = play(
        chosen, faults, strategy=how, prompts=prompts, timeout_s=timeout_s, limits=limits, due_ms=due_ms, queue=queue
    )
    the_law_holds(played, chosen, faults, strategy, timeout_s)
    jumps_s = sum(fault.parameter or 0.0 for fault in faults if fault.kind == "jumps")
    nothing_is_sent_before_it_is_due(played, due_ms, jumps_s)
    refused = [request for request in played.outcome.run.failed if "queue full" in str(request.error)]
    if not jumps_s:
        a_queue_has_its_bound_and_is_used_up_to_it(played, refused, queue)
    failed = [request for request in played.outcome.run.failed if request not in refused]
    if a_healthy_host_can_do_it(chosen, faults, prompts, timeout_s):
        SPENT["promised"] += 1
        assert not failed, failed


@given(
    schedules(),
    st.integers(1, 12),
    st.sampled_from(EVERY_STRATEGY),
    st.sampled_from(TIMEOUTS_S),
    st.sampled_from([1, 3, "adaptive"]),
)
@law_over(SCHEDULES)
def hold(
    schedule: tuple[list[Synthetic], list[Fault]], prompts: int, strategy: str, timeout_s: float, limits: Limits
) -> None:
    hold_over_a_batch(schedule, prompts, strategy, timeout_s, limits)


def nothing_is_sent_before_it_is_due(played: Played, due_ms: list[float], jumps_s: float) -> None:
    run = played.outcome.run
    assert [request.due_ms for request in run.requests] == due_ms
    for attempt in (*run.requests, *run.failed_attempts):
        assert attempt.start_ms >= due_ms[attempt.prompt] - 1e-6
    assert all(0 <= request.late_ms <= jumps_s * 1000 + 1e-6 for request in run.requests)


def a_queue_has_its_bound_and_is_used_up_to_it(played: Played, refused: list[RequestRecord], queue: int | None) -> None:
    """Who is refused found so many waiting; and whoever waits, of whom no host has failed, found fewer."""
    run = played.outcome.run
    begins: dict[int, list[tuple[float, float]]] = {request.prompt: [] for request in run.requests}
    for attempt in (*run.failed_attempts, *(request for request in run.requests if request.error is None)):
        begins[attempt.prompt].append((attempt.start_ms, attempt.start_ms + attempt.wall_ms))
    if queue is None:
        assert not refused
        return
    for request in refused:
        assert request.attempts == 0
        assert request.host is None
        assert -1e-6 <= request.start_ms - request.due_ms <= 1 + 1e-6
        over_ms = request.start_ms
        others = [
            each
            for each in run.requests
            if each.prompt != request.prompt and each.due_ms <= request.due_ms and ends_ms(each) >= over_ms - 1e-6
        ]
        waited = [
            each
            for each in others
            if not any(begin < over_ms - 1e-6 < end - 2e-6 for begin, end in begins[each.prompt])
        ]
        assert len(waited) >= queue, (request, waited)
    for request in run.requests:
        settled_ms = request.due_ms + 1 + 1e-6
        untried = [
            each
            for each in run.requests
            if each.due_ms <= request.due_ms
            and each not in refused
            and min((begin for begin, _ in begins[each.prompt]), default=ends_ms(each)) > settled_ms
        ]
        assert len(untried) <= queue, (request, untried)


def ends_ms(request: RequestRecord) -> float:
    """When it was over; one that failed is recorded as its last attempt went, and waited for a host after that."""
    waited_on = request.error is not None and request.attempts
    return float("inf") if waited_on else request.start_ms + request.wall_ms


@given(
    st.sampled_from(["refuses", "dies", "busy", "silent"]),
    times,
    st.floats(0.001, 3.0),
    st.sampled_from(sorted(RIGHT)),
    st.integers(1, 12),
)
def test_the_only_host_is_waited_for_while_it_is_away(
    kind: str, start_s: float, length_s: float, strategy: str, prompts: int
) -> None:
    played = play(
        [Synthetic("only", 400.0, slots=2)],
        [Fault("only", kind, start_s, start_s + length_s)],
        strategy=strategy,
        prompts=prompts,
        timeout_s=30.0,
    )
    every_prompt_is_accounted_for(played, prompts)
    assert not played.outcome.run.failed, played.outcome.run.failed
    assert played.took_s < 0.5 * prompts + start_s + 3 * length_s + 4


@pytest.mark.parametrize("law", [hold, hold_under_arrivals], ids=["a batch", "arrivals"])
def test_whatever_hosts_do_nothing_is_lost(law: Callable[[], None], record_property) -> None:
    SPENT.update(dict.fromkeys(SPENT, 0))
    began = time.perf_counter()
    law()
    took_s = time.perf_counter() - began
    schedules = SPENT["schedules"]
    cost = f"{schedules} schedules, {SPENT['requests']} attempts, {schedules / took_s:.0f} schedules a second"
    cost += f", {SPENT['promised']} with a host that must answer all"
    record_property("cost", cost)
