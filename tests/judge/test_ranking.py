"""Which strategy is the best: a clear one, a tie, and what is said of either."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.comparison import Comparison
from outpace.judge.ranking import best, foremost, in_words, ranked
from outpace.judge.stats import chosen_interval, median_interval

QUICK = (0.50, 0.51, 0.52, 0.50, 0.49)
SLOW = (0.90, 0.91, 0.88, 0.92, 0.90)


def measured(strategy: str, *ratios: float) -> Comparison:
    """A comparison of which only the ratios count."""
    interval = median_interval(ratios) if ratios else None
    return Comparison(strategy, len(ratios), interval, ratios, None, None, None, {}, ())


def gaining(strategy: str, ratios: tuple[float, ...], gains: tuple[float, ...]) -> Comparison:
    return replace(measured(strategy, *ratios), gain=median_interval(gains), gains=gains)


def test_the_highest_set_gain_is_the_best_whatever_the_ratios_say() -> None:
    found = best([gaining("lucky", QUICK, (0.8,) * 5), gaining("true", SLOW, (1.6,) * 5)])
    assert (found.winner, found.runner_up, found.tied) == ("true", "lucky", ())
    assert found.advantage.median == pytest.approx(2.0)


def test_figures_that_cannot_be_are_behind_all_others_and_win_nothing() -> None:
    cannot = replace(measured("router", *(0.01,) * 5), impossible={"no answer from memory": "at once"})
    assert [each.strategy for each in ranked([cannot, measured("pull", *QUICK)])] == ["pull", "router"]
    assert best([cannot, measured("pull", *QUICK)]) is None
    assert best([cannot, measured("pull", *QUICK), measured("weighted", *SLOW)]).runner_up == "weighted"


def test_where_one_has_no_set_gain_that_can_be_counted_with_ratios_decide() -> None:
    true = gaining("true", SLOW, (1.6,) * 5)
    for other in (measured("quick", *QUICK), gaining("quick", QUICK, (0.0,) * 5)):
        assert best([true, other]).winner == "quick"
        assert [each.strategy for each in ranked([true, other, measured("failed")])] == ["quick", "true"]


CLOSE = (1.01, 1.05, 1.02, 1.04, 1.03)


def test_the_best_of_several_has_the_interval_of_one_that_was_chosen() -> None:
    three = [
        gaining(name, QUICK, tuple(gain * by for gain in CLOSE)) for name, by in (("a", 1), ("b", 0.99), ("c", 0.9))
    ]
    baseline = gaining("sequential", SLOW, (3.0,) * 5)
    cannot = replace(gaining("router", QUICK, (9.0,) * 5), impossible={"no answer from memory": "at once"})
    found = foremost([baseline, three[1], cannot, three[0], measured("failed"), three[2]])
    assert (found.strategy, found.among, found.gain) == ("a", 3, chosen_interval(CLOSE, 3))
    assert three[0].gain.low > 1 > found.gain.low


def test_where_there_was_nothing_to_choose_from_its_interval_is_its_own() -> None:
    one = gaining("pull", QUICK, CLOSE)
    assert foremost([gaining("sequential", SLOW, (3.0,) * 5), one]) == one
    assert foremost([gaining("sequential", SLOW, (3.0,) * 5), measured("failed")]) is None


def test_where_there_is_no_set_gain_it_is_the_overhead_ratio_that_was_chosen_by() -> None:
    found = foremost([measured("quick", *QUICK), measured("slow", *SLOW)])
    assert (found.strategy, found.ratio, found.gain) == ("quick", chosen_interval(QUICK, 2), None)


@given(st.lists(st.floats(0.1, 10.0), min_size=5, max_size=9), st.lists(st.floats(0.1, 10.0), min_size=5, max_size=9))
def test_the_winner_s_advantage_is_never_less_than_one(one: list[float], other: list[float]) -> None:
    found = best([gaining("one", QUICK, tuple(one)), gaining("other", QUICK, tuple(other))])
    assert found.advantage.median >= 1


def test_the_one_with_the_least_ratio_is_the_best_and_the_next_is_named() -> None:
    found = best([measured("slow", *SLOW), measured("quick", *QUICK), measured("slowest", *(2.0,) * 5)])
    assert (found.winner, found.runner_up, found.tied) == ("quick", "slow", ())
    assert found.advantage.median == pytest.approx(0.90 / 0.50)
    assert 1 < found.advantage.low <= found.advantage.median <= found.advantage.high


def test_two_clearly_different_are_no_tie() -> None:
    assert best([measured("slow", *SLOW), measured("quick", *QUICK)]).tied == ()


def test_a_tie_is_called_a_tie() -> None:
    noisy = (0.48, 0.55, 0.47, 0.58, 0.52)
    found = best([measured("one", *QUICK), measured("other", *noisy), measured("slow", *SLOW)])
    assert (found.winner, found.tied) == ("one", ("other",))
    assert in_words(found).startswith("A tie: one cannot be told from other; ")


def test_all_that_cannot_be_told_from_the_winner_are_named_the_nearest_first() -> None:
    found = best([measured("third", 0.45, 0.7, 0.53, 0.54, 0.6), measured("other", *QUICK), measured("one", *QUICK)])
    assert {found.winner, found.runner_up} == {"one", "other"}
    assert found.tied == (found.runner_up, "third")
    assert f"cannot be told from {found.runner_up} and third" in in_words(found)


def test_one_further_away_may_be_tied_where_the_next_is_not() -> None:
    found = best([measured("one", *QUICK), measured("next", *(0.6,) * 5), measured("wild", 0.3, 0.4, 0.61, 0.9, 2.0)])
    assert (found.runner_up, found.tied) == ("next", ("wild",))


def test_equal_is_a_tie() -> None:
    found = best([measured("one", *QUICK), measured("other", *QUICK)])
    assert found.tied == ("other",)
    assert found.advantage.median == 1


@pytest.mark.parametrize(
    ("others", "tied"),
    [((0.52, 0.6), ("other",)), ((0.51, 0.6, 0.7), ("other",)), ((0.53, 0.6, 0.7), ()), ((0.53,), ())],
)
def test_with_fewer_than_five_rounds_it_is_a_tie_where_their_ranges_meet(others, tied) -> None:
    found = best([measured("one", 0.5, 0.52, 0.45), measured("other", *others)])
    assert found.winner == "one"
    assert found.tied == tied
    assert found.advantage.low is None
    assert found.advantage.median == pytest.approx(median(others) / 0.5)
    assert "(too few rounds for an interval)" in in_words(found)


def test_five_rounds_against_fewer_go_by_ranges_too() -> None:
    assert best([measured("one", *QUICK), measured("other", 0.53, 0.6)]).tied == ()
    assert best([measured("one", *QUICK), measured("other", 0.52, 0.6)]).tied == ("other",)


@pytest.mark.parametrize(
    "comparisons", [[], [measured("one", *QUICK)], [measured("one", *QUICK), measured("failed")], [measured("failed")]]
)
def test_without_two_that_finished_there_is_no_best(comparisons) -> None:
    assert best(comparisons) is None


def test_those_that_did_not_finish_are_left_out() -> None:
    found = best([measured("failed"), measured("slow", *SLOW), measured("quick", *QUICK)])
    assert (found.winner, found.runner_up) == ("quick", "slow")


def test_words_say_who_and_how_sure() -> None:
    found = best([measured("serial-per-side", *SLOW), measured("earliest-finish", *QUICK)])
    assert in_words(found) == (
        f"Best: earliest-finish, 1.80 times as fast as the next, serial-per-side "
        f"(94% interval {found.advantage.low:.2f} to {found.advantage.high:.2f} times)."
    )


def test_a_tie_in_words_names_all_of_them() -> None:
    words = in_words(best([measured(name, *QUICK) for name in ("one", "two", "three", "four")]))
    assert words.startswith("A tie: one cannot be told from two, three and four; it was 1.00 times as fast as two (94%")


names = st.sampled_from(["pull", "weighted", "hedged", "sequential", "my-router"])
measurements = st.lists(
    st.tuples(names, st.lists(st.floats(0.05, 20.0), max_size=7)), max_size=5, unique_by=lambda each: each[0]
)


@given(measurements)
def test_whatever_was_measured_the_parts_agree(found) -> None:
    comparisons = [measured(name, *ratios) for name, ratios in found]
    finished = {each.strategy: each for each in comparisons if each.ratios}
    answer = best(comparisons)
    assert (answer is None) == (len(finished) < 2)
    if answer is None:
        return
    medians = sorted(median(each.ratios) for each in finished.values())
    assert median(finished[answer.winner].ratios) == medians[0]
    assert median(finished[answer.runner_up].ratios) == medians[1]
    assert answer.winner != answer.runner_up
    assert answer.advantage.median >= 1
    assert answer.winner not in answer.tied
    assert set(answer.tied) < set(finished)
    tied = [median(finished[name].ratios) for name in answer.tied]
    assert tied == sorted(tied)
    for name in answer.tied:  # none whose every round was slower than each of the winner's
        assert min(finished[name].ratios) <= max(finished[answer.winner].ratios)
    words = in_words(answer)
    assert all(name in words for name in (answer.winner, answer.runner_up, *answer.tied))
    assert words.startswith("A tie: " if answer.tied else "Best: ")
    assert words.endswith(").")
