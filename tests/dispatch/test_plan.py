"""The plan: longest first to where it would be done first, improved as time goes by, and each prompt taken once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.engines import Completion
from outpace.workload.prompts import workload
from plans import NAMES, ends_s, make, optimum_s, planned, take_all


@pytest.fixture(autouse=True, params=[64, 0], ids=["few hosts", "many hosts"])
def each_up_to(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds for few hosts, each of which is looked at, holds for very many, which are kept in order."""
    monkeypatch.setattr("outpace.dispatch.shares.EACH_UP_TO", request.param)


# How it is made


@pytest.fixture
def longest_first_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the two other rules looks at it."""
    monkeypatch.setattr("outpace.dispatch.shares.FITS_UP_TO", 0)
    monkeypatch.setattr("outpace.dispatch.plan.SWAPS_UP_TO", 0)


@pytest.mark.usefixtures("longest_first_alone")
def test_each_goes_to_where_it_would_be_done_first_the_longest_first() -> None:
    # 6 to a (3 s; b would take 6), 5 to b (5 s; a would end at 5.5), 4 to a (5; b 9), 2 to a (6; b 7), 1 to b (6).
    plan, _ = make([1.0, 2.0, 4.0, 5.0, 6.0], [2.0, 1.0])
    assert planned(plan) == {"a": [4, 2, 1], "b": [3, 0]}


def test_prompts_alike_are_shared_by_speed() -> None:
    plan, _ = make([1.0] * 12, [3.0, 2.0, 1.0])
    assert [len(queue) for queue in planned(plan).values()] == [6, 4, 2]


def test_a_host_too_slow_to_help_gets_nothing() -> None:
    plan, _ = make([1.0] * 4, [10.0, 1.0])
    assert planned(plan) == {"a": [0, 1, 2, 3], "b": []}


def test_a_prompt_is_no_quicker_on_a_host_that_batches_than_alone() -> None:
    # b does 4 a second with several at once, but one alone at 1 a second: 8 s there, 4 s on a.
    plan, _ = make([8.0], [2.0, 1.0], gains=[1.0, 4.0])
    assert planned(plan) == {"a": [0], "b": []}


def test_throughput_counts_where_there_are_many() -> None:
    plan, _ = make([1.0] * 12, [2.0, 1.0], gains=[1.0, 4.0])
    assert [len(queue) for queue in planned(plan).values()] == [4, 8]


def test_nothing_is_a_plan_too() -> None:
    plan, _ = make([], [1.0, 2.0])
    assert len(plan) == 0
    assert plan.take("a", 0.0) is None
    plan.improve(1.0)


@pytest.mark.usefixtures("longest_first_alone")
def test_longest_first_alone_is_not_always_the_best() -> None:
    assert graham() == 7


@pytest.mark.usefixtures("longest_first_alone")
def test_a_swap_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outpace.dispatch.plan.SWAPS_UP_TO", 64)
    assert graham() == 6


@pytest.mark.usefixtures("longest_first_alone")
def test_fitting_by_a_deadline_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outpace.dispatch.shares.FITS_UP_TO", 16_384)
    assert graham() == 6


def graham() -> float:
    """Graham's case for two hosts: longest first it ends at 7, where 3 3 on one and 2 2 2 on the other end at 6."""
    works = [3.0, 3.0, 2.0, 2.0, 2.0]
    plan, _ = make(works, [1.0, 1.0])
    return ends_s(plan, works, [1.0, 1.0])


def test_for_three_hosts_too() -> None:
    works = [5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 3.0]  # longest first 11, best 9
    plan, _ = make(works, [1.0] * 3)
    assert ends_s(plan, works, [1.0] * 3) == 9


def test_very_many_prompts_are_planned_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outpace.dispatch.shares._fit", lambda *_: pytest.fail("a search"))
    plan, _ = make([1.0] * 20_000, [1.0, 1.0])
    assert [len(queue) for queue in planned(plan).values()] == [10_000] * 2


works_of = st.lists(st.one_of(st.integers(1, 9).map(float), st.floats(0.1, 50.0)), min_size=1, max_size=7)
speeds_of = st.lists(st.sampled_from([1.0, 1.0, 2.0, 3.5, 10.0]), min_size=1, max_size=3)


@given(works_of, speeds_of)
def test_a_plan_is_never_far_from_the_best_there_is(works: list[float], speeds: list[float]) -> None:
    """Longest first is within 20/12 of the best on hosts of unequal speed (Gonzalez, Ibarra and Sahni)."""
    plan, _ = make(works, speeds)
    best_s = optimum_s(works, speeds)
    assert best_s * (1 - 1e-9) <= ends_s(plan, works, speeds) <= best_s * 20 / 12
    assert sorted(index for queue in planned(plan).values() for index in queue) == list(range(len(works)))


# How it is used


def test_the_longest_is_taken_first_and_what_is_taken_is_gone() -> None:
    plan, _ = make([2.0, 9.0, 5.0, 7.0], [1.0])
    assert len(plan) == 4
    assert take_all(plan, "a") == [1, 3, 2, 0]
    assert len(plan) == 0


def test_equal_prompts_are_taken_in_their_order() -> None:
    plan, _ = make([1.0] * 5, [1.0])
    assert take_all(plan, "a") == [0, 1, 2, 3, 4]


def test_a_host_that_is_idle_early_gets_what_another_would_end_last_with() -> None:
    plan, _ = make([2.0] * 6, [1.0, 1.0])
    take = [plan.take("a", 0.0), plan.take("b", 0.0)]
    assert all(take)
    plan.idle("a", 0.1)  # it was far quicker than expected
    plan.improve(0.1)
    assert [len(queue) for queue in planned(plan).values()] == [2, 2]
    for _ in range(2):
        plan.take("a", 0.1)
        plan.idle("a", 0.1)
    plan.improve(0.1)
    assert [len(queue) for queue in planned(plan).values()] == [1, 1]


def test_a_host_that_is_late_is_not_believed_to_end_in_the_past() -> None:
    plan, _ = make([20.0, 10.0, 160.0], [4.0, 2.0])
    assert planned(plan) == {"a": [2], "b": [0, 1]}
    plan.take("a", 0.0)
    plan.take("b", 0.0)  # until 10 s, it is thought
    plan.idle("a", 20.0)
    plan.improve(20.0)
    assert planned(plan) == {"a": [1], "b": []}  # a would be done at 22.5 s, b not before 25 s


def test_a_host_that_turns_out_to_be_slow_loses_what_it_has_not_begun() -> None:
    plan, expect = make([4.0] * 8, [1.0, 1.0])
    assert len(planned(plan)["b"]) == 4
    for turn in range(60):
        expect.learn("b", workload(["x"]).prompts[0], Completion("x", output_tokens=1), 100.0 * (turn + 1))
    plan.learned("b", 0.0)
    plan.improve(0.0)
    assert planned(plan)["b"] == []
    assert len(plan) == 8


@pytest.mark.parametrize("swap", [False, True])
def test_what_is_meant_for_a_host_that_does_not_stand_goes_to_one_that_does(swap: bool) -> None:
    down: set[str] = set()
    plan, _ = make([3.0, 2.0, 2.0, 1.0], [1.0, 1.0, 1.0], down)
    assert planned(plan)["b"]
    down.add("b")
    plan.improve(0.0, swap=swap)
    assert planned(plan)["b"] == []
    assert len(plan) == 4
    assert sorted(take_all(plan, "a") + take_all(plan, "c")) == [0, 1, 2, 3]


def test_nothing_is_meant_for_a_host_that_never_stood() -> None:
    plan, _ = make([1.0] * 6, [5.0, 1.0], {"a"})
    assert planned(plan)["a"] == []


def test_with_no_host_that_stands_the_plan_stays_as_it_is() -> None:
    down: set[str] = set()
    plan, _ = make([1.0] * 6, [2.0, 1.0], down)
    before = planned(plan)
    down |= {"a", "b"}
    plan.improve(3.0, swap=True)
    assert planned(plan) == before


@given(works_of, speeds_of, st.floats(0.0, 10.0), st.booleans())
def test_improving_never_makes_it_end_later(works: list[float], speeds: list[float], now_s: float, swap: bool) -> None:
    plan, _ = make(works, speeds)
    for host in NAMES[: len(speeds)]:
        plan.take(host, 0.0)
    hosts = NAMES[: len(speeds)]
    waiting = plan._queues
    before = max(waiting.ends(host, now_s) for host in hosts if waiting.by_host[host] or waiting.busy_until[host])
    plan.improve(now_s, swap=swap)
    assert max(waiting.ends(host, now_s) for host in hosts) <= before * (1 + 1e-9)


events = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "idle", "improve", "swap", "falls", "stands", "learns"]),
        st.integers(0, 3),
        st.floats(0.0, 20.0),
    ),
    max_size=60,
)


@given(
    st.lists(st.floats(0.0, 50.0), max_size=20),
    st.lists(st.floats(0.01, 50.0), min_size=1, max_size=4),
    events,
)
def test_every_prompt_is_taken_exactly_once_whatever_happens(
    works: list[float], speeds: list[float], happens: list[tuple[str, int, float]]
) -> None:
    down: set[str] = set()
    hosts = NAMES[: len(speeds)]
    plan, expect = make(works, speeds, down)
    taken: list[int] = []
    now_s, busy_s = 0.0, dict.fromkeys(hosts, 0.0)

    def holds() -> None:
        assert len(plan) == len(works) - len(taken) == sum(map(len, planned(plan).values()))
        for host, queue in planned(plan).items():
            assert [works[index] for index in queue] == sorted((works[index] for index in queue), reverse=True)
            queued = sum(works[index] for index in queue)
            assert math.isclose(plan._queues.queued[host], queued, rel_tol=1e-9, abs_tol=1e-6)

    for what, which, later_s in happens:
        host = hosts[which % len(hosts)]
        if what == "take":
            if (prompt := plan.take(host, now_s)) is not None:
                taken.append(prompt.index)
        elif what == "idle":
            now_s += later_s
            plan.idle(host, now_s)
        elif what in ("improve", "swap"):
            plan.improve(now_s, swap=what == "swap")
        elif what == "learns":
            busy_s[host] += later_s + 1e-3
            expect.learn(host, workload(["x"]).prompts[0], Completion("x", output_tokens=which), busy_s[host])
        else:
            (down.add if what == "falls" else down.discard)(host)
        holds()
    for host in hosts:
        taken += take_all(plan, host, now_s)
    assert sorted(taken) == list(range(len(works)))
    assert len(plan) == 0
