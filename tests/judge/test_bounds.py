"""The lower bound of the makespan: against good schedules and simulated execution, by its laws, and by examples."""

import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bound_schedules import (
    CLOSE,
    improved_ms,
    instance,
    longest_first,
    machines_of,
    makespan_ms,
    simulated_ms,
    some_machines,
    some_works,
    time_ms,
    works_of,
)
from outpace.judge import bounds
from outpace.judge.bounds import Machine, lower_bound_ms

EIGHT = [362.875] * 8
"""The published run's baseline, 2903 ms for eight prompts on the quicker host, shared out evenly."""


# Soundness at size


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_no_schedule_beats_it(seed):
    works, machines = instance(seed)
    bound = lower_bound_ms(works, machines)
    assert 0 < bound <= improved_ms(works, machines)
    chance = random.Random(seed)
    shares = [[] for _ in machines]
    for work in works:
        chance.choice(shares).append(work)
    assert bound <= makespan_ms(machines, shares)


@settings(max_examples=100)
@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=20), some_machines, st.data())
def test_no_execution_that_shares_hosts_between_requests_ends_before_it(works, machines, data):
    at_once = [data.draw(st.integers(1, 6), label="at once") for _ in machines]
    throughput = []
    for machine in machines:
        steps = data.draw(st.lists(st.floats(0.5, machine.gain), min_size=6, max_size=6), label="throughput")
        throughput.append([min(1.0 if k == 0 else step, k + 1) for k, step in enumerate(steps)])
    simulated = simulated_ms(works, machines, at_once, throughput)
    assert lower_bound_ms(works, machines) <= simulated * (1 + 1e-7)


def test_a_host_that_batches_perfectly_reaches_it():
    works, machine = [2.0] * 4, Machine(1.0, 2.0, 10.0)
    assert lower_bound_ms(works, [machine]) == pytest.approx(14.0)
    assert simulated_ms(works, [machine], [2], [[1.0, 2.0]]) == pytest.approx(24.0)  # a trip waits for a place
    assert simulated_ms(works, [machine], [4], [[1.0, 2.0, 2.0, 2.0]]) == pytest.approx(14.0)


@pytest.mark.parametrize(
    ("prompts", "hosts", "at_least"),
    [(32, 4, 0.99), (100, 8, 0.995), (200, 16, 0.99), (1_000, 64, 0.99), (24, 16, 0.9)],
)
def test_it_is_tight(prompts, hosts, at_least):
    chance = random.Random(prompts)
    works = [chance.uniform(100, 400) for _ in range(prompts)]
    machines = [Machine(10 ** chance.random()) for _ in range(hosts)]
    assert at_least <= lower_bound_ms(works, machines) / improved_ms(works, machines) <= 1


def test_ten_thousand_prompts_on_a_thousand_hosts_are_bounded():
    chance = random.Random(0)
    works = [chance.uniform(100, 400) for _ in range(10_000)]
    machines = [Machine(10 ** chance.random(), chance.uniform(1, 4), chance.uniform(0, 60)) for _ in range(1_000)]
    throughput = sum(machine.speed * machine.gain for machine in machines)
    assert lower_bound_ms(works, machines) >= sum(works) / throughput


# Laws


@settings(max_examples=60)
@given(some_works, some_machines, st.floats(0.01, 1_000.0))
def test_without_trips_it_scales_with_the_works(works, machines, factor):
    machines = [Machine(machine.speed, machine.gain) for machine in machines]
    scaled = lower_bound_ms([factor * work for work in works], machines)
    assert scaled == pytest.approx(factor * lower_bound_ms(works, machines), rel=1e-6)


@settings(max_examples=60)
@given(some_works, some_machines, machines_of, st.floats(1.0, 5.0), st.data())
def test_a_better_or_another_host_never_raises_it(works, machines, another, factor, data):
    bound = lower_bound_ms(works, machines)
    assert lower_bound_ms(works, [*machines, another]) <= bound * (1 + CLOSE)
    host = data.draw(st.integers(0, len(machines) - 1))
    was = machines[host]
    for better in (
        Machine(was.speed * factor, was.gain, was.trip_ms),
        Machine(was.speed, was.gain * factor, was.trip_ms),
        Machine(was.speed, was.gain, was.trip_ms / factor),
    ):
        assert lower_bound_ms(works, [*machines[:host], better, *machines[host + 1 :]]) <= bound * (1 + CLOSE)


@settings(max_examples=100)
@given(some_works, some_machines, works_of)
@example([1.0, 2.0, 3.5] * 4, [Machine(1.0), Machine(1.7), Machine(2.3)], 0)
def test_another_prompt_never_lowers_it(works, machines, another):
    assert lower_bound_ms([*works, another], machines) >= lower_bound_ms(works, machines) * (1 - CLOSE)


@settings(max_examples=40)
@given(some_works, some_machines, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(works, machines, chance):
    bound = lower_bound_ms(works, machines)
    chance.shuffle(works)
    chance.shuffle(machines)
    assert lower_bound_ms(works, machines) == pytest.approx(bound, rel=CLOSE)


@given(st.integers(1, 300), st.integers(1, 40), st.floats(0.1, 1_000.0))
def test_equal_prompts_on_equal_hosts_go_in_full_rounds(prompts, hosts, work):
    bound = lower_bound_ms([work] * prompts, [Machine(1.0)] * hosts)
    assert bound == pytest.approx(math.ceil(prompts / hosts) * work, rel=CLOSE)


@given(st.lists(works_of, min_size=1, max_size=20), machines_of)
def test_one_host_takes_its_time(works, machine):
    assert lower_bound_ms(works, [machine]) == pytest.approx(time_ms(machine, works), rel=CLOSE)


# Examples


def test_the_published_eight_prompts_could_have_taken_1814_ms():
    """Published: walls of 381.6 ms a prompt on one host, 624.7 on the other; four on each took 2515 ms."""
    local, remote = Machine(1.0), Machine(381.55 / 624.65)
    bound = lower_bound_ms(EIGHT, [local, remote])
    assert bound == pytest.approx(5 * 362.875)  # five and three: three take 1782 ms on the slower host, four 2376
    assert bound / 2515 == pytest.approx(0.721, abs=0.0005)
    assert lower_bound_ms(EIGHT, [local]) == pytest.approx(2903)


def test_gain_and_trip_count():
    assert lower_bound_ms(EIGHT, [Machine(1.0, gain=2.0, trip_ms=20.0)]) == pytest.approx(20 + 2903 / 2)
    assert lower_bound_ms([362.875], [Machine(1.0, gain=2.0, trip_ms=20.0)]) == pytest.approx(20 + 362.875)


def test_a_host_too_far_away_is_left_out():
    assert lower_bound_ms([10.0], [Machine(1.0), Machine(100.0, trip_ms=500.0)]) == pytest.approx(10.0)


def test_graham_s_worst_case_of_longest_first_is_seen_through():
    """Two hosts, 3 3 2 2 2: LPT takes 7, the optimum 6 (R. L. Graham, 1969, with m = 2)."""
    works, machines = [3.0, 3.0, 2.0, 2.0, 2.0], [Machine(1.0)] * 2
    assert bounds._longest_first_ms(works, machines) == 7.0
    assert lower_bound_ms(works, machines) == pytest.approx(6.0)


@pytest.mark.parametrize("prompts", [1, 12, 13])
def test_no_work_takes_a_trip(prompts):
    assert lower_bound_ms([0] * prompts, [Machine(1.0, trip_ms=7.0), Machine(1.0, trip_ms=9.0)]) == pytest.approx(7.0)
    assert lower_bound_ms([0] * prompts, [Machine(1.0)]) == 0.0


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-9, 1e9, 1e290])
@pytest.mark.parametrize("prompts", [5, 20])
def test_very_small_and_large_works_come_to_an_end(scale, prompts):
    works = [scale * (1 + i % 3) for i in range(prompts)]
    machines = [Machine(1.0), Machine(2.0, 1.5)]
    assert 0 <= lower_bound_ms(works, machines) <= makespan_ms(machines, longest_first(works, machines))


@pytest.mark.parametrize(
    ("works", "machines", "says"),
    [
        ([], [Machine(1.0)], "no works"),
        ([1.0], [], "no machines"),
        ([1.0, -0.1], [Machine(1.0)], "work is negative"),
        ([math.nan], [Machine(1.0)], "work is negative"),
        ([math.inf], [Machine(1.0)], "work is negative"),
        ([1.0], [Machine(0.0)], "speed must be above 0"),
        ([1.0], [Machine(-1.0)], "speed must be above 0"),
        ([1.0], [Machine(math.nan)], "speed must be above 0"),
        ([1.0], [Machine(1.0), Machine(1.0, 0.99)], "gain at least 1"),
        ([1.0], [Machine(1.0, 1.0, -1.0)], "trip at least 0"),
        ([1.0], [Machine(1.0, 1.0, math.inf)], "all finite"),
    ],
)
def test_impossible_numbers_are_refused(works, machines, says):
    with pytest.raises(ValueError, match=says):
        lower_bound_ms(works, machines)
