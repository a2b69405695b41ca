"""The lower bound of the makespan: against every assignment, against good schedules, against simulated execution."""

import math
import random
from itertools import product

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from outpace import bounds
from outpace.bounds import EXACT_UP_TO, Machine, lower_bound_ms

CLOSE = 1e-9
EIGHT = [362.875] * 8
"""The published run's baseline, 2903 ms for eight prompts on the quicker host, shared out evenly."""

works_of = st.one_of(st.integers(0, 5), st.floats(0.1, 100.0), st.sampled_from([1.0, 2.5, 1e-6]))
machines_of = st.builds(
    Machine,
    st.one_of(st.sampled_from([1.0, 2.0]), st.floats(0.1, 10.0)),
    st.one_of(st.just(1.0), st.floats(1.0, 4.0)),
    st.one_of(st.just(0.0), st.floats(0.0, 50.0)),
)
some_works = st.lists(works_of, min_size=1, max_size=EXACT_UP_TO + 8)
some_machines = st.lists(machines_of, min_size=1, max_size=6)
seeds = st.integers(0, 2**32)


def time_ms(machine, works):
    """What the module's docstring says a host takes, at least, for these prompts."""
    if not works:
        return 0.0
    alone, together = max(works) / machine.speed, sum(works) / (machine.speed * machine.gain)
    return machine.trip_ms + max(alone, together)


def makespan_ms(machines, shares):
    return max(time_ms(machine, share) for machine, share in zip(machines, shares, strict=True))


def all_makespans(works, machines):
    """The makespan of every assignment that there is."""
    for hosts in product(range(len(machines)), repeat=len(works)):
        shares = [[w for w, at in zip(works, hosts, strict=True) if at == i] for i in range(len(machines))]
        yield makespan_ms(machines, shares)


def optimum_ms(works, machines):
    return min(all_makespans(works, machines))


def longest_first(works, machines):
    """LPT: each prompt to the host that would then be done first."""
    shares = [[] for _ in machines]
    for work in sorted(works, reverse=True):
        pairs = zip(machines, shares, strict=True)
        done = [time_ms(machine, [*share[:1], sum(share[1:]) + work] if share else [work]) for machine, share in pairs]
        shares[done.index(min(done))].append(work)
    return shares


def improved_ms(works, machines):
    """The makespan of LPT after local search: a prompt moves off the busiest host, or is swapped, while that helps."""
    shares = longest_first(works, machines)
    times = [time_ms(machine, share) for machine, share in zip(machines, shares, strict=True)]
    for _ in range(30):
        busiest = times.index(max(times))
        best = None
        for work in set(shares[busiest]):
            left = shares[busiest].copy()
            left.remove(work)
            for other in range(len(machines)):
                if other == busiest:
                    continue
                for back in [
                    None,
                    *{min(shares[other], default=0.0), max(shares[other], default=0.0)} & {*shares[other]},
                ]:
                    theirs = [*shares[other], work]
                    mine = left if back is None else [*left, back]
                    if back is not None:
                        theirs.remove(back)
                    after = max(time_ms(machines[busiest], mine), time_ms(machines[other], theirs))
                    if after < times[busiest] and (best is None or after < best[0]):
                        best = after, other, mine, theirs
        if best is None:
            break
        _, other, shares[busiest], shares[other] = best
        for host in (busiest, other):
            times[host] = time_ms(machines[host], shares[host])
    return max(times)


def simulated_ms(works, machines, at_once, throughput):
    """Makespan of hosts that take the next prompt of a common queue whenever fewer than ``at_once`` are under way.

    A request takes half a trip there and half a trip back; k in work on a host progress at ``throughput[host][k - 1]``
    times its speed, together, shared evenly.
    """
    queue, now = list(works), 0.0
    in_work = [[] for _ in machines]
    away = []  # (when, host, work on its way there or None on its way back)
    under_way = [0] * len(machines)
    while True:
        for host, machine in enumerate(machines):
            while queue and under_way[host] < at_once[host]:
                under_way[host] += 1
                away.append((now + machine.trip_ms / 2, host, queue.pop(0)))
        rates = [
            machine.speed * throughput[host][len(in_work[host]) - 1] / len(in_work[host]) if in_work[host] else 0.0
            for host, machine in enumerate(machines)
        ]
        ends = [now + min(in_work[host]) / rate for host, rate in enumerate(rates) if rate]
        if not ends and not away:
            return now
        then = min([*ends, *(when for when, _, _ in away)])
        for host, rate in enumerate(rates):
            left = [work - rate * (then - now) for work in in_work[host]]
            in_work[host] = [work for work in left if work > 1e-9 * max(works)]
            away += [(then + machines[host].trip_ms / 2, host, None)] * (len(left) - len(in_work[host]))
        now = then
        for when, host, work in [arrival for arrival in away if arrival[0] <= now]:
            away.remove((when, host, work))
            if work is None:
                under_way[host] -= 1
            else:
                in_work[host].append(work)


def instance(seed, hosts=64, prompts=200):
    """Works and machines of some size, kind and spread, the same for the same seed."""
    chance = random.Random(seed)
    n, m = round(2 ** chance.uniform(3, math.log2(prompts))), round(2 ** chance.uniform(1, math.log2(hosts)))
    length = chance.choice(
        [lambda: 100.0, lambda: chance.uniform(100, 400), lambda: 100 * chance.lognormvariate(0, 0.8)]
    )
    spread, batches = chance.choice([1.0, 3.0, 10.0]), chance.random() < 0.5
    machines = [
        Machine(spread ** chance.random(), chance.uniform(1, 4) if batches else 1.0, chance.uniform(0, 60) * batches)
        for _ in range(m)
    ]
    return [length() for _ in range(n)], machines


# Exactness


@settings(max_examples=200)
@given(st.lists(works_of, min_size=1, max_size=5), st.lists(machines_of, min_size=1, max_size=3))
def test_of_a_few_prompts_it_is_the_least_makespan_of_all_assignments(works, machines):
    optimum = optimum_ms(works, machines)
    assert optimum * (1 - CLOSE) <= lower_bound_ms(works, machines) <= optimum


@settings(max_examples=60)
@given(st.lists(works_of, min_size=6, max_size=8), st.lists(machines_of, min_size=1, max_size=2))
def test_the_relaxations_stay_below_the_least_makespan(works, machines):
    optimum = optimum_ms(works, machines)
    assert bounds._proven_ms(sorted(map(float, works), reverse=True), machines) <= optimum
    assert optimum * (1 - CLOSE) <= lower_bound_ms(works, machines) <= optimum


@settings(max_examples=150)
@given(st.lists(works_of, min_size=1, max_size=6), st.lists(machines_of, min_size=1, max_size=3))
@example([4.0, 4.0, 3.0, 1.0, 1.0], [Machine(2.0), Machine(1.0), Machine(0.25)])
@example([56.0, 55.0, 55.0, 50.0, 36.0], [Machine(1.0)] * 2)  # 141; longest first 142
def test_the_search_finds_it_without_a_bound_or_a_good_start(works, machines):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "_proven_ms", lambda *_: 0.0)
        patch.setattr(bounds, "_longest_first_ms", lambda *_: 1e6)
        assert lower_bound_ms(works, machines) == pytest.approx(optimum_ms(works, machines), rel=CLOSE)


@given(st.lists(works_of, min_size=1, max_size=4), st.lists(machines_of, min_size=1, max_size=3))
def test_its_start_is_the_makespan_of_some_schedule(works, machines):
    start = bounds._longest_first_ms(sorted(map(float, works), reverse=True), machines)
    assert any(start == pytest.approx(makespan, rel=CLOSE) for makespan in all_makespans(works, machines))


@settings(max_examples=150)
@given(st.lists(works_of, min_size=1, max_size=12), some_machines)
def test_the_relaxations_stay_below_the_search(works, machines):
    longest_first = sorted(map(float, works), reverse=True)
    assert bounds._proven_ms(longest_first, machines) <= bounds._least_ms(longest_first, machines) * (1 + CLOSE)


@pytest.mark.parametrize("relaxation", ["_counting", "_rounding", "_splitting"])
@settings(max_examples=200)
@given(st.lists(st.floats(0.5, 10), min_size=1, max_size=6), st.floats(0.5, 10), st.floats(0.5, 10), st.data())
def test_no_room_holds_more_than_a_relaxation_says(relaxation, works, one, other, data):
    works = sorted(works, reverse=True)
    arguments = {
        "_counting": (data.draw(st.sampled_from(works)),),
        "_rounding": (one, data.draw(st.sampled_from([0.5, 0.8, 1.0]))),
        "_splitting": (one, other),
    }
    worth, most = getattr(bounds, relaxation)(works, *arguments[relaxation])
    inside = data.draw(st.lists(st.booleans(), min_size=len(works), max_size=len(works)))
    held = [(work, worth[k + 1] - worth[k]) for k, work in enumerate(works) if inside[k]]
    assume(held)
    longest, area = max(work for work, _ in held), sum(work for work, _ in held)
    assert sum(value for _, value in held) <= most(longest * (1 + 1e-11), area * (1 + 1e-11)) + CLOSE


@pytest.mark.parametrize(
    ("relaxation", "works", "speeds", "bound", "without"),
    [
        ("_counting", [9.0, 8.0, 7.0, 6.0, 5.0], [2.0, 2.0], 9, 71 / 8),
        ("_rounding", [8.0, 6.0, 2.0, 1.0], [2.0, 2.0], 9 / 2, 35 / 8),
        ("_splitting", [4.0, 4.0, 3.0, 3.0, 3.0], [1.0, 1.0, 1.0], 7, 19 / 3),
        ("_splitting", [9.0, 7.0, 3.0, 3.0], [2.0, 2.0, 1.0], 5, 14 / 3),
    ],
)
def test_each_relaxation_is_needed(relaxation, works, speeds, bound, without, monkeypatch):
    machines = [Machine(speed) for speed in speeds]
    assert bounds._proven_ms(works, machines) == pytest.approx(bound, rel=CLOSE)
    nothing = bounds._Relaxation([0.0] * (len(works) + 1), lambda longest, area: 0.0)
    monkeypatch.setattr(bounds, relaxation, lambda *_: nothing)
    assert bounds._proven_ms(works, machines) == pytest.approx(without, rel=CLOSE)


def test_a_search_that_is_cut_short_gives_the_proven_bound(monkeypatch):
    works, machines = [1.0 + i / 7 for i in range(12)], [Machine(1.0), Machine(1.3), Machine(1.7), Machine(2.9)]
    proven, exact = bounds._proven_ms(works[::-1], machines), lower_bound_ms(works, machines)
    assert proven < exact
    assert lower_bound_ms([*works, 0.0], machines) == exact  # the longest twelve, searched, bound thirteen
    monkeypatch.setattr(bounds, "NODES", 10)
    assert lower_bound_ms(works, machines) == proven


# Soundness at size


@settings(max_examples=25)
@given(seeds)
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
