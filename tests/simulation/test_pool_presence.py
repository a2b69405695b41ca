"""Churn: spans follow one another, and contributors are there for the share of the time that was asked for."""

from __future__ import annotations

import random
from itertools import islice, pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.simulation.pool.draws import Draw, draw_of
from outpace.simulation.pool.presence import Churn, Day, DrawnAgain, Outages, Sessions, Trace, both, within_s

DAY_S = 86400.0
EVENINGS = Day(18.0, 23.0, (0.0, 9.0, -8.0), 12.0)
COMMUTER = Trace(((0.0, 3600.0), (7200.0, 9000.0)), 14400.0)
PARTS = [Sessions(draw_of({"exponential": 600}), draw_of({"weibull": {"mean": 300, "shape": 0.6}})), COMMUTER, None]
OUTAGES = [Outages(5000.0, 0.3, 700.0), None]
WITHIN_S = 20 * DAY_S


def spans(churn: Churn, outages: Outages | None, seed: int) -> list[tuple[float, float]]:
    chance = random.Random(seed)
    taken = outages and outages.spans(random.Random(5), random.Random(seed))
    return list(islice(churn.spans(chance, taken), 200))


@given(st.sampled_from(PARTS), st.sampled_from([EVENINGS, None]), st.sampled_from(OUTAGES), st.integers(0, 99))
def test_spans_come_one_after_another_and_last_for_some_time(sessions, day, outages, seed):
    found = spans(Churn(sessions, day), outages, seed)
    assert found
    assert found[0][0] >= 0.0
    assert all(from_s < until_s for from_s, until_s in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))


@given(st.sampled_from(PARTS), st.sampled_from([EVENINGS, None]), st.integers(0, 99))
def test_spans_that_are_drawn_again_are_the_same(sessions, day, seed):
    churn = Churn(sessions, day)
    again = DrawnAgain(lambda: churn.spans(random.Random(seed)))
    assert list(islice(again, 50)) == list(islice(churn.spans(random.Random(seed)), 50))
    few = [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0)]
    assert list(DrawnAgain(lambda: iter(few))) == few


@pytest.mark.parametrize("churn", [Churn(part, day) for part in PARTS for day in (EVENINGS, None)], ids=str)
def test_one_is_away_for_the_share_of_the_time_that_is_told(churn):
    there = [within_s(churn.spans(random.Random(seed)), WITHIN_S) / WITHIN_S for seed in range(60)]
    assert fmean(there) == pytest.approx(1 - churn.away, abs=0.02)


def test_as_many_are_there_at_the_start_as_later():
    churn = Churn(Sessions(draw_of({"weibull": {"mean": 900, "shape": 0.5}}), draw_of({"exponential": 900})))
    found = [next(churn.spans(random.Random(seed))) for seed in range(2000)]
    assert fmean(from_s == 0.0 for from_s, _ in found) == pytest.approx(0.5, abs=0.03)


def test_an_outage_takes_its_share_at_one_moment():
    outages = Outages(1000.0, 0.5, 60.0)
    leave_s = [
        next(Churn().spans(random.Random(0), outages.spans(random.Random(3), random.Random(n))))[1] for n in range(400)
    ]
    first_s = min(leave_s)
    assert fmean(each == first_s for each in leave_s) == pytest.approx(0.5, abs=0.06)


@given(st.lists(st.floats(0.1, 9.0), max_size=30), st.lists(st.floats(0.1, 9.0), max_size=30), st.floats(0, 200))
def test_what_is_in_both_is_in_each(one, other, at_s):
    def spans_of(lengths):
        ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
        return list(zip(ends[::2], ends[1::2], strict=False))

    def holds(found):
        return any(from_s <= at_s < until_s for from_s, until_s in found)

    mine, theirs = spans_of(one), spans_of(other)
    assert holds(both(iter(mine), iter(theirs))) == (holds(mine) and holds(theirs))


def test_each_way_of_leaving_is_as_likely_as_told():
    churn = Churn(leaving=(("drains", 1.0), ("cuts", 2.0), ("silent", 1.0)))
    chance = random.Random(1)
    found = [churn.leaves(chance) for _ in range(4000)]
    assert found.count("cuts") / len(found) == pytest.approx(0.5, abs=0.03)
    assert set(found) == {"drains", "cuts", "silent"}


@pytest.mark.parametrize(
    "told",
    [
        7,
        {"lognormal": {"median": 30, "sigma": 0.4}},
        {"exponential": 12.5},
        {"weibull": {"mean": 90, "shape": 0.7}},
        {"empirical": [1, 2.5, 40]},
    ],
    ids=str,
)
def test_what_is_drawn_has_the_mean_that_is_told_and_keeps_its_bounds(told):
    chance = random.Random(2)
    draw = draw_of(told)
    assert fmean(draw(chance) for _ in range(40_000)) == pytest.approx(draw.mean, rel=0.03)
    bounded = Draw(draw.form, draw.parameters, least=5.0, most=30.0)
    assert all(5.0 <= bounded(chance) <= 30.0 for _ in range(1000))
