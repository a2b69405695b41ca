"""The lower bound of few prompts is the least makespan of all assignments, and what proves it is sound and needed."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bound_schedules import CLOSE, all_makespans, machines_of, optimum_ms, some_machines, works_of
from outpace.judge import bounds
from outpace.judge.bounds import Machine, lower_bound_ms


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
