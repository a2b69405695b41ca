"""The gate: a verdict that agrees with the interval, and a reason that says why."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outpace.judge.comparison import Comparison
from outpace.judge.gate import DEFAULT_THRESHOLD, NOT_ENFORCED, judge, judge_gain
from outpace.judge.stats import median_interval

ratio_lists = st.lists(st.floats(min_value=0.01, max_value=50.0), min_size=1, max_size=12)
thresholds = st.floats(min_value=0.01, max_value=50.0)


def measured(*ratios, strategy="serial-per-side", gains=()):
    ratio = median_interval(ratios) if ratios else None
    speedup = 1 / ratio.median if ratio else None
    gain = median_interval(gains) if gains else None
    return Comparison(strategy, len(ratios), ratio, ratios, speedup, None, None, {}, (), gain, gains)


def bounds(ratios):
    """What the ratio is held to lie in: the interval, or all rounds where they are too few for one."""
    ratio = median_interval(ratios)
    return (min(ratios), max(ratios)) if ratio.low is None else (ratio.low, ratio.high)


def test_the_threshold_is_2_unless_another_is_asked_for():
    assert DEFAULT_THRESHOLD == 2.0
    assert judge(measured(1.9)).threshold == 2.0
    assert judge(measured(1.9), 1.5).threshold == 1.5
    assert frozenset({"all-parallel"}) == NOT_ENFORCED


@given(ratio_lists, thresholds)
@example([2.0], 2.0)
@example([1.0, 2.0], 2.0)
@example([1.9, 1.9, 1.9, 1.9, 2.0], 2.0)
@example([1.0, 1.0, 2.0, 3.0, 3.0], 2.0)
def test_the_verdict_agrees_with_where_the_interval_lies(ratios, threshold):
    low, high = bounds(ratios)
    expected = "pass" if high < threshold else "fail" if low >= threshold else "inconclusive"
    found = judge(measured(*ratios), threshold)
    assert found.verdict == expected
    assert found.threshold == threshold


@given(ratio_lists, thresholds, thresholds)
def test_a_higher_threshold_never_fails_what_a_lower_one_passes(ratios, one, other):
    order = ["fail", "inconclusive", "pass"]
    lower, higher = (judge(measured(*ratios), threshold).verdict for threshold in sorted((one, other)))
    assert order.index(lower) <= order.index(higher)


@given(ratio_lists, thresholds)
def test_the_reason_names_strategy_ratio_interval_rounds_and_threshold(ratios, threshold):
    low, high = bounds(ratios)
    said = judge(measured(*ratios), threshold).reason
    assert said.startswith("serial-per-side: ")
    assert f"overhead ratio {median_interval(ratios).median:.3f}" in said
    assert f"{low:.3f} to {high:.3f} over {len(ratios)} round" in said
    assert f"threshold {threshold:g}" in said
    assert ("94% interval" in said) == (len(ratios) == 5)
    assert ("95% interval" in said) == (len(ratios) > 5)
    assert ("too few for an interval" in said) == (len(ratios) < 5)
    assert "\n" not in said


@given(ratio_lists, thresholds)
def test_inconclusive_says_how_many_more_rounds_might_settle_it(ratios, threshold):
    found = judge(measured(*ratios), threshold)
    more = re.search(r"about (\d+) more rounds might settle it \(--rounds=(\d+)\)", found.reason)
    hardly = "hardly settle it" in found.reason
    assert bool(more) + hardly == (found.verdict == "inconclusive")
    if more:
        assert int(more[1]) >= 1
        assert int(more[2]) == len(ratios) + int(more[1]) >= 5


def test_more_rounds_are_asked_for_the_nearer_the_threshold_lies():
    # The interval of 1.0, 1.1, ... reaches 0.28 beyond its median, 1.4; it narrows with the square root of the rounds.
    ratios = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8]
    low, high = bounds(ratios)
    assert (low, high) == (pytest.approx(1.123, abs=1e-3), pytest.approx(1.677, abs=1e-3))
    assert "about 5 more rounds" in judge(measured(*ratios), 1.625).reason
    assert "about 22 more rounds" in judge(measured(*ratios), 1.55).reason
    assert "hardly settle it" in judge(measured(*ratios), 1.41).reason


def test_a_ratio_on_the_threshold_is_not_below_it():
    assert judge(measured(2.0)).verdict == "fail"
    assert judge(measured(1.999)).verdict == "pass"


def test_one_slow_round_among_few_is_inconclusive_and_five_are_asked_for():
    found = judge(measured(0.9, 0.9, 2.01))
    assert found.verdict == "inconclusive"
    assert "about 2 more rounds might settle it (--rounds=5)" in found.reason


def test_nothing_measured_fails():
    found = judge(measured())
    assert found.verdict == "fail"
    assert found.reason == "serial-per-side was not measured: no round of it finished."


@given(ratio_lists)
def test_a_strategy_that_did_not_finish_fails_however_fast_it_was(ratios):
    found = judge(measured(*ratios), threshold=100.0, problem="prompt 3 was answered by no host")
    assert found.verdict == "fail"
    assert found.reason == "serial-per-side did not finish: prompt 3 was answered by no host"


def test_a_strategy_that_is_not_enforced_by_default_is_judged_like_any_other():
    assert judge(measured(6.47, strategy="all-parallel")).verdict == "fail"


@given(ratio_lists, thresholds, st.none() | thresholds)
def test_what_cannot_be_settles_nothing_on_either_side_of_a_limit(ratios, threshold, least):
    cannot = replace(measured(*ratios, gains=ratios), impossible={"no answer from memory": "a answered at once"})
    found = judge(cannot, threshold, least_gain=least)
    assert found.verdict == "inconclusive"
    assert found.reason.endswith("cannot be the hosts' work. Not held: no answer from memory: a answered at once.")
    assert judge(cannot, threshold, problem="it broke").verdict == "fail"


# The set gain


@given(ratio_lists, thresholds)
@example([1.0], 1.0)
@example([1.0, 1.1, 1.2, 1.3, 1.4], 1.0)
@example([1.0, 1.0, 2.0], 1.0)
def test_the_set_gain_must_lie_above_what_is_asked_of_it_and_is_judged_by_where_its_interval_lies(gains, least):
    low, high = bounds(gains)
    expected = "pass" if low > least else "fail" if high <= least else "inconclusive"
    word, reason = judge_gain(measured(0.5, gains=tuple(gains)), least)
    assert word == expected
    assert f"least gain {least:g}" in reason
    assert judge(measured(0.5, gains=tuple(gains)), 2.0, least_gain=least).verdict == expected


@pytest.mark.parametrize(
    ("ratio", "gain", "verdict"),
    [(0.5, 1.5, "pass"), (0.5, 0.9, "fail"), (2.5, 1.5, "fail"), (2.5, 0.9, "fail")],
)
def test_where_a_gain_is_asked_for_too_both_must_pass_and_both_are_told(ratio, gain, verdict):
    found = judge(measured(*(ratio,) * 5, gains=(gain,) * 5), least_gain=1.0)
    assert (found.verdict, found.least_gain) == (verdict, 1.0)
    assert found.reason == (
        f"serial-per-side: overhead ratio {ratio:.3f}, 94% interval {ratio:.3f} to {ratio:.3f} over 5 rounds, "
        f"threshold 2: {'' if ratio < 2 else 'not '}below it. serial-per-side: set gain {gain:.3f}, 94% interval "
        f"{gain:.3f} to {gain:.3f} over 5 rounds, least gain 1: {'' if gain > 1 else 'not '}above it."
    )


def test_the_worse_of_two_verdicts_counts():
    open_gain = measured(*(0.5,) * 5, gains=(0.9, 1.0, 1.1, 1.2, 1.3))
    assert judge(open_gain, least_gain=1.0).verdict == "inconclusive"
    assert judge(open_gain, 0.4, least_gain=1.0).verdict == "fail"
    assert "about 15 more rounds might settle it" in judge(open_gain, least_gain=1.0).reason


def test_nothing_is_asked_of_the_gain_unless_somebody_does():
    found = judge(measured(*(0.5,) * 5, gains=(0.1,) * 5))
    assert (found.verdict, found.least_gain) == ("pass", None)
    assert "gain" not in found.reason


def test_a_gain_that_was_not_measured_does_not_pass_and_the_baseline_is_no_set():
    assert judge(measured(0.5), least_gain=1.0).verdict == "fail"
    assert judge_gain(measured(0.5), 1.0) == ("fail", "serial-per-side: the set gain was not measured.")
    assert judge(measured(1.0, strategy="sequential", gains=(0.3,)), least_gain=1.0).verdict == "pass"
