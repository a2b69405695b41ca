"""The law of the coordinator: whatever hosts do, each prompt has one answer or is named among the failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import event

from law_schedules import WRONG, a_healthy_host_can_do_it
from outpace.dispatch import Limits
from outpace.dispatch.attempts import ATTEMPTS_A_HOST
from outpace.dispatch.patience import SAME_MOMENT_S
from outpace.ground.records import FailedAttempt, RequestRecord
from outpace.simulation.fault_schedule import Fault
from synthetic import Played, Synthetic, answer_to, play

COPYING = ("hedged", "copy-all")
"""Strategies that may have one prompt at two hosts."""


SPENT = {"requests": 0, "schedules": 0, "promised": 0}


def hold_over_a_batch(
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
    assert not played.outcome.faults
    it_ends_in_time(played, faults, prompts, len(chosen), timeout_s)
    nothing_is_tried_for_ever(played)
    each_prompt_is_at_one_host_at_a_time(played, copies=copies)
    no_answer_came_through_a_fault(played, chosen, faults)


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
        run, over_ms = played.outcome.run, attempt.start_ms + attempt.wall_ms
        # What is spent may have been answered whole at the very moment at which another host's answer came.
        spent = [each for each in run.failed_attempts if each.kind == "spent"]
        latest_ms = counts_from_ms(attempt, [*run.requests, *spent])
        assert over_ms <= latest_ms + (timeout_s + jumps_s) * 1000 + 1e-3
        if "no whole answer" in (attempt.error or "") and not jumps_s:
            assert over_ms >= counts_from_ms(attempt, run.requests) + timeout_s * 1000 - 1e-3, attempt


def counts_from_ms(attempt: RequestRecord | FailedAttempt, ended: Sequence[RequestRecord | FailedAttempt]) -> float:
    """When the time of ``attempt`` began: when it was sent, or one that was sent before it ``ended`` at its host."""
    answers = [each for each in ended if isinstance(each, FailedAttempt) or each.error is None]
    answers = [each for each in answers if each.host == attempt.host]
    before = [each for each in answers if each.start_ms <= attempt.start_ms + SAME_MOMENT_S * 1000 + 1e-6]
    ends_ms = [each.start_ms + each.wall_ms for each in before]
    over_ms = attempt.start_ms + attempt.wall_ms
    return max([attempt.start_ms, *(end for end in ends_ms if attempt.start_ms < end < over_ms - 1e-6)])


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
