"""The law of the coordinator: whatever hosts do, each prompt has one answer or is named among the failed.

It holds for a batch, and where prompts come one by one, faster than they can be answered, to a queue with a bound.

It is held over thousands of fault schedules, through the whole HTTP client and the engines' parsers, in virtual time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import accumulate, pairwise

import anyio
import pytest
from conftest import LAW_SCHEDULES
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from outpace.dispatch import STRATEGIES, Job, Limits
from outpace.dispatch.attempts import ATTEMPTS_A_HOST
from outpace.dispatch.patience import SAME_MOMENT_S
from outpace.ground.records import FailedAttempt, RequestRecord, Run
from outpace.simulation.fault_schedule import KINDS, Fault
from synthetic import Played, Synthetic, answer_to, play

SCHEDULES = LAW_SCHEDULES[settings.get_current_profile_name()]
TIMEOUTS_S = (1.0, 5.0, 30.0)

hosts = st.lists(
    st.tuples(
        st.sampled_from([5.0, 90.0, 400.0, 900.0, 2000.0, 4600.0]),  # ms of work
        st.integers(1, 3),  # slots
        st.sampled_from(["ollama", "openai"]),
        st.sampled_from([0.0, 2.0, 60.0]),  # ms of round trip
        st.booleans(),  # whether the status comes with the first text only
    ),
    min_size=1,
    max_size=5,
).map(lambda found: [Synthetic(f"h{index}", *each) for index, each in enumerate(found)])


async def send_all_to_all(job: Job) -> None:
    """As wrong as a strategy can be: each prompt to each host at once."""
    async with anyio.create_task_group() as tasks:
        for host in job.hosts:
            for prompt in job.prompts:
                tasks.start_soon(job.send, host, prompt)


async def copy_all_to_all(job: Job) -> None:
    """As greedy as a strategy can be: each host copies whatever is under way elsewhere, again and again."""

    async def copy_all(host: str) -> None:
        while True:
            for prompt in job.prompts:
                await job.copy(host, prompt)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_all_to_all, job)
        for host in job.hosts:
            tasks.start_soon(copy_all, host)


WRONG = {"all-to-all": send_all_to_all, "copy-all": copy_all_to_all}
EVERY_STRATEGY = [*STRATEGIES, *WRONG]
COPYING = ("hedged", "copy-all")
times = st.sampled_from([0.0, 0.001, 0.05, 0.3, 0.9, 1.0, 2.5, 7.0])


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[Synthetic], list[Fault]]:
    chosen = draw(hosts)
    names = st.sampled_from([*(host.name for host in chosen), "*"])
    faults = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        start_s = draw(times)
        length_s = draw(st.sampled_from([0.01, 0.5, 3.0, float("inf")]))
        parameter = {"slow": 10.0, "jumps": draw(st.sampled_from([0.25, 0.9, 3.0, 45.0]))}.get(kind)
        if kind == "busy":
            parameter = draw(st.sampled_from([None, 0.0, 3.0]))
        faults.append(Fault(draw(names), kind, start_s, start_s + length_s, parameter))
    return chosen, faults


arrivals = st.lists(st.sampled_from([0.0, 0.0, 1.0, 40.0, 300.0, 1000.0, 5000.0]), min_size=1, max_size=12).map(
    lambda gaps_ms: list(accumulate(gaps_ms))
)


@given(
    schedules(),
    arrivals,
    st.sampled_from(EVERY_STRATEGY),
    st.sampled_from(TIMEOUTS_S),
    st.sampled_from([1, 3, "adaptive"]),
    st.sampled_from([None, None, 0, 1, 4]),
)
@settings(max_examples=SCHEDULES, suppress_health_check=list(HealthCheck))
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
@settings(max_examples=SCHEDULES, suppress_health_check=list(HealthCheck))
def hold(
    schedule: tuple[list[Synthetic], list[Fault]], prompts: int, strategy: str, timeout_s: float, limits: Limits
) -> None:
    chosen, faults = schedule
    played = play(
        chosen, faults, strategy=WRONG.get(strategy, strategy), prompts=prompts, timeout_s=timeout_s, limits=limits
    )
    the_law_holds(played, chosen, faults, strategy, timeout_s)
    if a_healthy_host_can_do_it(chosen, faults, prompts, timeout_s):
        SPENT["promised"] += 1
        assert not played.outcome.run.failed, played.outcome.run.failed


SPENT = {"requests": 0, "schedules": 0, "promised": 0}


def the_law_holds(
    played: Played, chosen: list[Synthetic], faults: list[Fault], strategy: str, timeout_s: float
) -> None:
    prompts = len(played.outcome.answers)
    SPENT["requests"] += played.requests
    SPENT["schedules"] += 1
    event(f"{len(played.outcome.run.failed)} of {prompts} failed")
    every_prompt_is_accounted_for(played, prompts)
    copies = strategy in COPYING
    the_record_adds_up(played, [host.name for host in chosen], copies=copies)
    assert played.left_open == 0
    it_ends_in_time(played, faults, prompts, len(chosen), timeout_s)
    nothing_is_tried_for_ever(played)
    each_prompt_is_at_one_host_at_a_time(played, copies=copies)
    no_answer_came_through_a_fault(played, chosen, faults)


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


def every_prompt_is_accounted_for(played: Played, prompts: int) -> None:
    run, answers = played.outcome.run, played.outcome.answers
    assert [request.prompt for request in run.requests] == list(range(prompts))
    assert len(answers) == prompts
    for request, answer in zip(run.requests, answers, strict=True):
        if request.error is None:
            assert answer == answer_to(request.prompt)
        else:
            assert answer is None
            assert request.error.strip()
    assert played.watched == [(done, prompts) for done in range(1, prompts + 1)], "a prompt was done twice"


def the_record_adds_up(played: Played, names: list[str], *, copies: bool) -> None:
    run = played.outcome.run
    assert list(run.hosts) == names
    ends = [0.0]
    for request in run.requests:
        failures = [each for each in run.failed_attempts if each.prompt == request.prompt]
        assert request.attempts == len(failures) + (request.error is None)
        assert request.host in names or (request.host is None and not failures)
        assert request.start_ms >= 0
        assert request.wall_ms >= 0
        for failure in failures:
            assert failure.host in names
            assert failure.start_ms >= 0
            assert failure.wall_ms >= 0
            # An answered prompt is asked no more; a failed one is recorded as its last attempt went.
            # A copy of it may fail while the first is on its way, and is called off when that is answered.
            copied = request.error is not None or copies
            over_by_ms = request.start_ms + request.wall_ms if copied else request.start_ms
            assert failure.start_ms + failure.wall_ms <= over_by_ms + 1e-6
        if request.error is None:
            ends.append(request.start_ms + request.wall_ms)
            assert request.output_tokens == len(answer_to(request.prompt).split())
        elif failures:
            assert (request.start_ms, request.wall_ms) == (failures[-1].start_ms, failures[-1].wall_ms)
            assert request.error.startswith(failures[-1].error)
    assert run.makespan_ms >= max(ends) - 1e-6
    assert len(run.failed_attempts) == sum(request.attempts for request in run.requests) - (len(ends) - 1)
    if not run.failed:
        assert run.makespan_ms == pytest.approx(max(ends))
        assert run.output_tokens == sum(request.output_tokens or 0 for request in run.requests)


def it_ends_in_time(played: Played, faults: list[Fault], prompts: int, host_count: int, timeout_s: float) -> None:
    jumps_s = sum(fault.parameter for fault in faults if fault.kind == "jumps" and fault.parameter)
    last_due_s = max(request.due_ms for request in played.outcome.run.requests) / 1000
    limit_s = last_due_s + timeout_s * (prompts + ATTEMPTS_A_HOST * host_count) + jumps_s
    assert played.took_s <= limit_s + 1e-6
    assert played.outcome.run.makespan_ms <= limit_s * 1000 + 1e-3
    for attempt in (*played.outcome.run.requests, *played.outcome.run.failed_attempts):
        since_ms = counts_from_ms(attempt, played.outcome.run)
        assert attempt.start_ms + attempt.wall_ms <= since_ms + (timeout_s + jumps_s) * 1000 + 1e-3
        if "no whole answer" in (attempt.error or "") and not jumps_s:
            assert attempt.start_ms + attempt.wall_ms >= since_ms + timeout_s * 1000 - 1e-3, attempt


def counts_from_ms(attempt: RequestRecord | FailedAttempt, run: Run) -> float:
    """When the time of ``attempt`` began: when it was sent, or its host last answered one that was sent before it."""
    answers = [each for each in run.requests if each.error is None and each.host == attempt.host]
    before = [each for each in answers if each.start_ms <= attempt.start_ms + SAME_MOMENT_S * 1000 + 1e-6]
    ended = [each.start_ms + each.wall_ms for each in before]
    over_ms = attempt.start_ms + attempt.wall_ms
    return max([attempt.start_ms, *(end for end in ended if attempt.start_ms < end < over_ms - 1e-6)])


def nothing_is_tried_for_ever(played: Played) -> None:
    """A host spoils a prompt so often and no more; it may be busy, or find a connection stale, as often as it likes."""
    spoilt = Counter(
        (each.prompt, each.host)
        for each in played.outcome.run.failed_attempts
        if each.kind not in ("busy", "stale", "spent")
    )
    assert max(spoilt.values(), default=0) <= ATTEMPTS_A_HOST, spoilt


def each_prompt_is_at_one_host_at_a_time(played: Played, *, copies: bool) -> None:
    """Or, where stragglers are copied, at two different ones; a copy that lost is called off when the other answers."""
    attempts = [*played.outcome.run.failed_attempts, *(each for each in played.outcome.run.requests if not each.error)]
    for prompt, request in enumerate(played.outcome.run.requests):
        mine = sorted(
            (each.start_ms, each.start_ms + each.wall_ms, each.host) for each in attempts if each.prompt == prompt
        )
        if not copies:
            assert all(after[0] >= before[1] - 1e-6 for before, after in pairwise(mine)), mine
        for begins_ms in (begins_ms for begins_ms, over_ms, _ in mine if over_ms > begins_ms):  # or it is over at once
            assert sum(each[0] <= begins_ms < each[1] - 1e-6 for each in mine) <= 2, mine
        for host in {each[2] for each in mine}:
            here = [each for each in mine if each[2] == host]
            assert all(after[0] >= before[1] - 1e-6 for before, after in pairwise(here)), mine
        spent = [each for each in played.outcome.run.failed_attempts if (each.prompt, each.kind) == (prompt, "spent")]
        assert len(spent) <= copies
        for each in spent:
            assert each.start_ms + each.wall_ms == pytest.approx(request.start_ms + request.wall_ms)


def no_answer_came_through_a_fault(played: Played, chosen: list[Synthetic], faults: list[Fault]) -> None:
    """Or the law would be held over faults that do not act. Where the clock jumps, times say nothing of it."""
    if any(fault.kind == "jumps" for fault in faults):
        return
    by_name = {host.name: host for host in chosen}
    for request in played.outcome.run.requests:
        if request.error is None:
            host = by_name[request.host]
            began_s, ended_s = request.start_ms / 1000, (request.start_ms + request.wall_ms) / 1000
            mine = [fault for fault in faults if fault.concerns(host.name)]
            for fault in mine:
                assert not spoils(fault, mine, host, began_s, ended_s), (fault, request)


def spoils(fault: Fault, mine: list[Fault], host: Synthetic, began_s: float, ended_s: float) -> bool:
    """Whether ``fault`` rules out that ``host`` answered a request so; what happens at one moment may do either."""

    def inside(at_s: float) -> bool:
        return fault.start_s + 1e-6 < at_s < fault.end_s - 1e-6

    if fault.kind == "refuses":
        return inside(began_s)
    if fault.kind == "dies":
        return inside(began_s) or began_s + 1e-6 < fault.start_s < ended_s - 1e-6
    if fault.kind == "busy":  # a request that a silence held back arrives after it
        return inside(began_s) and not any(each.kind == "silent" for each in mine)
    if fault.kind == "silent":
        return inside(ended_s)
    throughout = fault.start_s <= began_s and ended_s < fault.end_s
    if fault.kind == "slow":
        least_s = (host.work_ms + host.round_trip_ms) / 1000 * (fault.parameter or 1.0)
        return throughout and ended_s - began_s < least_s - 1e-6
    return throughout


def a_healthy_host_can_do_it(chosen: list[Synthetic], faults: list[Fault], prompts: int, timeout_s: float) -> bool:
    """Whether there is a host without a fault, and time enough for it: then nothing may be among the failed.

    While the clock runs as it should, a host has time enough if one prompt alone takes it 95 % of the timeout at most.
    A jump makes whatever is under way time out, and takes its length from the run's limit: one of 45 s ends a run of
    one prompt and 5 s timeout whatever its host does. Jumps of one timeout in all are survived by a host that could do
    all prompts, given to it at once, in half a timeout.
    """
    jumps_s = sum(fault.parameter or 0.0 for fault in faults if fault.kind == "jumps")
    for host in chosen:
        if not any(fault.concerns(host.name) for fault in faults):
            alone_s = (host.work_ms + host.round_trip_ms) / 1000
            if alone_s <= 0.95 * timeout_s and not jumps_s:
                return True
            if prompts * alone_s <= 0.5 * timeout_s and jumps_s <= timeout_s:
                return True
    return False


@given(
    st.sampled_from(["refuses", "dies", "busy", "silent"]),
    times,
    st.floats(0.001, 3.0),
    st.sampled_from(sorted(STRATEGIES)),
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
