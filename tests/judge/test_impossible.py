"""What cannot be: runs that somebody else must have done are found, and those that hosts can make are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity_levels import levels
from outpace.ground.records import RequestRecord, Round, Run
from outpace.judge.capacity import classify
from outpace.judge.fairness import Check
from outpace.judge.impossible import NO_FASTER, NO_SOONER, NOT_FROM_MEMORY, POSSIBLE, HostSeen, Most, checks, most

TOKENS = 8
TRIPS_MS = dict.fromkeys(("a", "b", "router"), [1.0] * 6)
works_of = st.lists(st.floats(600.0, 9000.0), min_size=1, max_size=12)
noise = st.floats(0.9, 1.1)


def one_after_another(works: Sequence[float], host: str = "a", pace: float = 1.0) -> Run:
    starts = [sum(works[:index]) * pace for index in range(len(works))]
    requests = [
        RequestRecord(prompt, host, start, work * pace + 1.0, output_tokens=TOKENS)
        for prompt, (start, work) in enumerate(zip(starts, works, strict=True))
    ]
    return Run("sequential", (host,), sum(each.wall_ms for each in requests), tuple(requests))


def routed(works: Sequence[float], makespan_ms: float) -> Run:
    """All prompts at once through a router that answers the last of them after ``makespan_ms``."""
    requests = [RequestRecord(prompt, "router", 0.0, makespan_ms, output_tokens=TOKENS) for prompt in range(len(works))]
    return Run("router", ("router",), makespan_ms, tuple(requests))


def two_hosts(*, gain: float | None = 1.0, speed: float = 0.5, rate: float = 1e9) -> dict[str, HostSeen]:
    most = None if gain is None else Most(gain, rate)
    return {"a": HostSeen(1.0, most, 1.0), "b": HostSeen(speed, most, 1.0)}


def held(rounds: Sequence[Round], hosts: dict[str, HostSeen]) -> dict[str, bool | None]:
    return {check.name: check.held for check in checks(rounds, hosts, TRIPS_MS)}


def said(rounds: Sequence[Round], hosts: dict[str, HostSeen], name: str) -> Check:
    return next(check for check in checks(rounds, hosts, TRIPS_MS) if check.name == name)


@given(works_of, st.floats(0.1, 1.0), st.floats(1.0, 6.0), st.lists(st.tuples(noise, noise), min_size=1, max_size=5))
def test_the_best_that_hosts_can_do_is_possible_though_they_drift(works, speed, gain, paces) -> None:
    least_ms = max(*works, sum(works) / (gain * (1 + speed))) if len(works) > 1 else works[0]
    rounds = [Round(one_after_another(works, pace=slow), routed(works, least_ms * pace + 1.0)) for slow, pace in paces]
    assert held(rounds, two_hosts(gain=gain, speed=speed))[POSSIBLE] is True


@given(works_of, st.floats(0.1, 1.0), st.floats(1.0, 6.0), st.integers(3, 5), st.floats(1.7, 30.0))
def test_a_run_quicker_than_its_hosts_is_not(works, speed, gain, rounds, quicker) -> None:
    least_ms = max(*works, sum(works) / (gain * (1 + speed))) if len(works) > 1 else works[0]
    cached = Round(one_after_another(works), routed(works, least_ms / quicker))
    assert held([cached] * rounds, two_hosts(gain=gain, speed=speed))[POSSIBLE] is False


@given(works_of, st.integers(3, 4))
def test_hosts_that_were_not_swept_may_do_all_prompts_at_once_but_none_quicker_than_alone(works, rounds) -> None:
    unswept = two_hosts(gain=None)
    at_once = Round(one_after_another(works), routed(works, max(works) + 1.0))
    from_memory = Round(one_after_another(works), routed(works, max(works) / 2))
    assert held([at_once] * rounds, unswept)[POSSIBLE] is True
    assert held([from_memory] * rounds, unswept)[POSSIBLE] is False


@pytest.mark.parametrize(
    ("tokens_per_s", "prompts", "tells"),
    [((10, 20, 40), 64, False), ((10, 20, 40), 4, True), ((10, 20, 20, 20), 64, True), ((10, 20, 5), 64, True)],
)
def test_a_sweep_that_ended_too_soon_tells_nothing_of_the_most(tokens_per_s, prompts: int, tells: bool) -> None:
    assert (most(classify(levels(*tokens_per_s)), prompts) is not None) is tells


@pytest.mark.parametrize("rounds", [1, 2])
def test_of_few_rounds_a_pause_in_one_answer_is_not_its_length(rounds: int) -> None:
    works = [100.0] * 7 + [900.0]
    for makespan_ms, holds in ((300.0, True), (20.0, False)):
        few = [Round(one_after_another(works), routed(works, makespan_ms))] * rounds
        assert held(few, two_hosts(gain=None))[POSSIBLE] is holds
    many = [Round(one_after_another(works), routed(works, 300.0))] * 3
    assert held(many, two_hosts(gain=None))[POSSIBLE] is False


def test_shorter_answers_take_less() -> None:
    works = [1000.0] * 4
    answers = [each._replace(output_tokens=1) for each in routed(works, 250.0).requests]
    short = replace(routed(works, 250.0), requests=tuple(answers))
    assert held([Round(one_after_another(works), short)], two_hosts())[POSSIBLE] is True
    assert held([Round(one_after_another(works), routed(works, 250.0))], two_hosts())[POSSIBLE] is False


def test_answers_of_a_few_milliseconds_are_not_told_from_pauses_of_the_machine() -> None:
    works = [10.0] * 4
    quick = Round(one_after_another(works), routed(works, 2.0))
    told = held([quick], {**two_hosts(), **first_asked(45.0, 45.0, 45.0)})
    assert (told[POSSIBLE], told[NOT_FROM_MEMORY]) == (True, True)


def test_one_impossible_round_of_many_is_told_with_its_figures() -> None:
    works = [100.0] * 8
    rounds = [Round(one_after_another(works), routed(works, ms)) for ms in (620.0, 600.0, 40.0, 610.0, 20.0)]
    found = said(rounds, two_hosts(), POSSIBLE)
    assert found.held is False
    assert "2 of 5 were, one took 20 ms and its hosts take 533 ms at least: somebody else did the work" in found.said


@pytest.mark.parametrize("spoilt", ["no baseline", "baseline on two hosts", "a prompt unanswered"])
def test_where_the_baseline_does_not_tell_nothing_is_held(spoilt: str) -> None:
    works = [100.0] * 4
    alone = one_after_another(works)
    requests = list(alone.requests)
    if spoilt == "a prompt unanswered":
        requests[0] = requests[0]._replace(error="refused: no")
    if spoilt == "baseline on two hosts":
        requests[0] = requests[0]._replace(host="b")
    rounds = [] if spoilt == "no baseline" else [Round(replace(alone, requests=tuple(requests)), routed(works, 10.0))]
    assert held(rounds, two_hosts())[POSSIBLE] is None


@pytest.mark.parametrize(("rate", "holds"), [(100.0, True), (21.0, True), (19.0, False), (0.0, None)])
def test_a_run_gives_no_more_tokens_a_second_than_all_sweeps_together(rate: float, holds: bool | None) -> None:
    works = [100.0] * 8  # 64 tokens in 800 ms are 80 a second, from two hosts
    round_made = Round(one_after_another(works, pace=9.0), routed(works, 800.0))
    assert held([round_made], two_hosts(rate=rate))[NO_FASTER] is holds
    assert held([round_made], two_hosts(gain=None))[NO_FASTER] is None


def test_a_baseline_is_held_against_the_sweep_of_its_own_host() -> None:
    works = [100.0] * 8  # 79 tokens a second
    slow, quick = Round(one_after_another(works), routed(works, 2000.0)), HostSeen(1.0, Most(1.0, 1000.0))
    assert held([slow], {"a": HostSeen(1.0, Most(1.0, 30.0)), "b": quick})[NO_FASTER] is False
    assert held([slow], {"a": HostSeen(1.0, Most(1.0, 60.0)), "b": quick})[NO_FASTER] is True


@given(st.floats(0.0, 200.0), st.floats(0.1, 200.0))
def test_an_answer_takes_a_round_trip_at_least(wall_ms: float, trip_ms: float) -> None:
    run = routed([1.0], 50.0)
    sooner = replace(run, requests=(run.requests[0]._replace(wall_ms=wall_ms),))
    trips_ms = [9 * trip_ms] * 4
    for timed, holds in ((trips_ms, None), ([*trips_ms, trip_ms], 2 * min(wall_ms, 50.0) >= trip_ms)):
        (found,) = (c for c in checks([Round(run, sooner)], two_hosts(), {"router": timed}) if c.name == NO_SOONER)
        assert found.held is holds


def first_asked(*walls_ms: float, tokens: int = TOKENS) -> dict[str, HostSeen]:
    first = [RequestRecord(prompt, "a", 0.0, wall_ms, output_tokens=tokens) for prompt, wall_ms in enumerate(walls_ms)]
    return {"a": HostSeen(1.0, first=first), "b": HostSeen(1.0)}


@pytest.mark.parametrize(
    ("hosts", "holds"),
    [
        (first_asked(101.0, 101.0, 101.0), True),
        (first_asked(900.0, 101.0, 101.0), True),  # what is made but once, such as a kernel
        (first_asked(390.0, 390.0, 390.0), True),  # slow to wake up
        (first_asked(420.0, 420.0, 420.0), False),
        (first_asked(900.0, 900.0), False),
        (first_asked(900.0), None),  # there is no telling it from what is made but once
        (first_asked(900.0, 900.0, 900.0, tokens=9 * TOKENS), True),  # longer answers
        (first_asked(), None),
    ],
)
def test_a_host_that_answers_from_memory_is_much_quicker_than_when_it_was_first_asked(hosts, holds) -> None:
    works = [100.0] * 8
    assert held([Round(one_after_another(works), routed(works, 600.0))], hosts)[NOT_FROM_MEMORY] is holds
