"""The search for the highest rate, against an oracle that answers each trial as a known share says."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.judge.load_gate import judge_rates
from outpace.judge.quantiles import Kept
from outpace.judge.slo import judged_together, parse_slo
from outpace.judge.sustainable import MOST_TRIALS, Rate, Search, Trial, rate_gain
from outpace.judge.under_way import CONFIDENCE, Look

SLO = parse_slo("e2e:p95<2s")


def searched(
    share: Callable[[float], float],
    *,
    start: float = 1.0,
    within: float = 0.1,
    requests: int = 5_000,
    most: int = 12,
    trials: int = MOST_TRIALS,
) -> Search:
    """A search whose trials have so many independent ``requests``, of which exactly that share keeps the SLO."""
    search = Search(SLO, start, within, most * requests, trials)
    while (rate := search.next_rate) is not None:
        kept = (Kept(share(rate), requests, float(requests)),)
        look = Look(judged_together(SLO, kept, CONFIDENCE), requests, share(rate), kept)
        search.note(Trial(rate, look))
        assert len(search.trials) <= trials
    return search


def falling(root: float) -> Callable[[float], float]:
    """A share that is 95 % at ``root`` and falls as rates rise."""
    return lambda rate: 1 / (1 + math.exp(2 * math.log(rate / root) - math.log(19)))


@settings(max_examples=20)
@given(root=st.floats(0.1, 10.0))
def test_it_closes_in_on_the_rate_from_wherever_it_begins(root: float) -> None:
    found = searched(falling(root)).found
    assert found.low <= root <= found.high
    assert found.value == pytest.approx(root, rel=0.03)


@settings(max_examples=20)
@given(root=st.floats(0.3, 3.0))
def test_a_search_that_may_send_little_has_a_wide_interval(root: float) -> None:
    search = searched(falling(root), requests=200, most=8)
    assert sum(each.look.requests for each in search.trials) <= 9 * 200
    assert search.found.low <= root
    assert search.found.high is None or search.found.high >= root


def test_a_search_goes_on_until_it_is_as_near_as_was_asked_for() -> None:
    searches = [searched(falling(1.3), requests=500, within=0.05, most=most, trials=5 * most) for most in (8, 400)]
    widths = [math.sqrt((each.found.high or math.inf) / each.found.low) - 1 for each in searches]
    assert widths[1] <= 0.05 < widths[0]


def test_neighbours_tell_together_what_none_tells_alone() -> None:
    def trial(rate: float, share: float) -> Trial:
        kept = (Kept(share, 300, 300.0),)
        return Trial(rate, Look("open", 300, share, kept))

    search = Search(SLO, 1.0, 0.02, 10_000)
    for rate in (1.0, 1.1, 1.2):
        search.note(trial(rate, 0.972))
    for rate in (1.5, 1.4, 1.6):
        search.note(trial(rate, 0.92))
    assert {judged_together(SLO, each.look.kept, 0.99) for each in search.trials} == {"open"}
    assert 1.0 < search.found.low < 1.2 < search.found.value < 1.4 < (search.found.high or 0) < 1.6


def test_where_no_rate_keeps_it_the_rate_is_none() -> None:
    search = searched(lambda _: 0.5)
    assert search.found.low == 0
    assert min(each.rate for each in search.trials) < 0.1


def test_where_every_rate_keeps_it_no_end_is_told() -> None:
    assert searched(lambda _: 1.0).found.high is None


def test_an_overload_is_an_upper_end_and_a_void_trial_is_none() -> None:
    search = Search(SLO, 1.0, 0.02, 10_000)
    search.note(Trial(1.0, Look("keeps", 400, 1.0, (Kept(1.0, 400, 400.0),))))
    search.note(Trial(1.2, Look("open", 400, 0.1, (Kept(0.1, 400, 400.0),)), void="late"))
    search.note(Trial(1.5, Look("breaks", 40, 0.9, (Kept(0.9, 40, 4.0),), overload=True), "the queue grew"))
    assert 1.0 < search.found.value < (search.found.high or 0) <= 1.5


def test_a_single_wrong_answer_widens_the_interval() -> None:
    search = Search(SLO, 1.0, 0.02, 10_000)
    search.note(Trial(1.2, Look("keeps", 400, 1.0, (Kept(1.0, 400, 400.0),))))
    search.note(Trial(1.0, Look("breaks", 400, 0.5, (Kept(0.5, 400, 400.0),))))
    assert search.found.low <= search.found.value <= search.found.high


def test_the_gain_is_as_far_off_as_both_rates_are_together() -> None:
    gain = rate_gain(Rate(2.2, 2.0, 2.4), Rate(1.0, 0.8, 1.25))
    assert gain is not None
    assert (gain.value, gain.low, gain.high) == pytest.approx((2.2, 1.726, 2.795), abs=0.001)
    assert rate_gain(Rate(2.2, 2.0, None), Rate(1.0, 0.8, 1.25)).high is None
    assert rate_gain(Rate(2.2, 2.0, 2.4), Rate(0.1, 0.0, 0.2)) is None


def test_of_a_set_that_adds_nothing_a_gain_is_seldom_claimed() -> None:
    """Each trial is drawn as chance would have it; tests/studies/rate_search.py does it over whole coordinators."""
    chance = random.Random(7)

    def drawn(root: float) -> Callable[[float], float]:
        share = falling(root)
        return lambda rate: sum(chance.random() < share(rate) for _ in range(300)) / 300

    claimed = 0
    for _ in range(20):
        ours, alone = (searched(drawn(1.0), requests=300, most=8).found for _ in range(2))
        gain = rate_gain(ours, alone)
        claimed += gain is not None and gain.low > 1
    assert claimed <= 2


@pytest.mark.parametrize(
    ("rate", "gain", "least_rate", "least_gain", "verdict"),
    [
        (Rate(1.0, 0.9, 1.1), None, 0.5, None, "pass"),
        (Rate(1.0, 0.5, 1.1), None, 0.5, None, "pass"),
        (Rate(1.0, 0.9, 1.1), None, 1.0, None, "inconclusive"),
        (Rate(1.0, 0.9, 1.1), None, 1.2, None, "fail"),
        (Rate(1.0, 0.9, None), None, 1.2, None, "inconclusive"),
        (Rate(1.0, 0.9, 1.1), Rate(2.0, 1.8, 2.2), 0.5, 1.2, "pass"),
        (Rate(1.0, 0.9, 1.1), Rate(2.0, 1.8, 2.2), 1.2, 1.2, "fail"),
        (Rate(1.0, 0.9, 1.1), Rate(1.1, 1.0, 1.3), 0.5, 1.2, "inconclusive"),
        (Rate(1.0, 0.9, 1.1), None, None, 1.2, "inconclusive"),
    ],
)
def test_the_gates(
    rate: Rate, gain: Rate | None, least_rate: float | None, least_gain: float | None, verdict: str
) -> None:
    found = judge_rates(rate, gain, least_rate, least_gain)
    assert found is not None
    assert found[0] == verdict


def test_a_gate_that_was_not_asked_for_says_nothing() -> None:
    assert judge_rates(Rate(1.0, 0.9, 1.1), None, None, None) is None


def test_a_rate_is_told_a_minute() -> None:
    found = judge_rates(Rate(1.0, 0.9, 1.1), None, 0.5, None)
    assert found is not None
    assert found[1] == "sustainable rate 60 a minute (54 to 66), least 30: not below it."
