"""The story of the set gain: what the other machines add, in the first sentence and wherever else it is told."""

import pytest

from outpace.report.answer import answer, cautions
from outpace.report.gain import steps_of
from outpace.report.story import tell
from report_documents import holding, levels, plain, report, said, swept

AT_ITS_BEST = ("near", 4, 416.0)


@pytest.mark.parametrize(
    ("ratios", "more", "first", "verdict"),
    [
        (
            [0.5] * 5,
            {"gain_interval": (1.01, 1.07)},
            "Two machines answer eight prompts 1.04 times as fast as near at its best (four at once; interval 1.01 to "
            "1.07), and 2.00 times as fast as near one after another, the published baseline.",
            "The set outpaces near; ",
        ),
        (
            [0.65, 0.65, 0.64],
            {},
            "Two machines answer eight prompts no faster than near at its best: 0.80 times as fast (four at once; "
            "rounds 0.80 to 0.81), and 1.54 times as fast as near one after another, the published baseline.",
            "The set does not outpace near; ",
        ),
        (
            [0.5, 0.51, 0.53],
            {},
            "Whether two machines answer eight prompts faster than near at its best cannot be told from these rounds: "
            "1.02 times as fast (four at once; rounds 0.98 to 1.04), and 1.96 times as fast as near one after another, "
            "the published baseline.",
            "Whether the set outpaces near cannot be told; ",
        ),
    ],
)
def test_the_first_sentence_says_what_the_other_machines_add(ratios, more, first, verdict):
    told = answer(tell([report(ratios, best_alone=AT_ITS_BEST, **more)], None))
    assert plain(told[0]) == first
    assert plain(told[1]).startswith(verdict)


CLOSE = [0.5, 0.507, 0.503, 0.509, 0.505]


def chosen_among(count, ratios=CLOSE):
    strategies = ["pull", "weighted", "hedged"][:count]
    slower = [[each * (1 + 0.001 * place) for each in ratios] for place in range(count)]
    given = {"best_alone": AT_ITS_BEST, "gain_interval": (1.022, 1.04)}
    return tell([report(each, name, **given) for name, each in zip(strategies, slower, strict=True)], None)


def test_a_best_that_was_chosen_among_several_outpaces_only_where_chance_has_not_chosen_it():
    alone, story = chosen_among(1), chosen_among(3, [each * 1.018 for each in CLOSE])
    assert plain(answer(alone)[1]).startswith("The set outpaces near; the best strategy is pull")
    assert not any("Chosen" in plain(each) for each in cautions(alone))
    assert plain(answer(story)[1]).startswith("Whether the set outpaces near cannot be told; the best strategy is pull")
    assert holding(story, "The set outpaces near").holds is None
    (said,) = [plain(each) for each in cautions(story) if "Chosen" in plain(each)]
    assert said == (
        "Chosen as the best of three, its interval is wider than that of one by itself. Five rounds bear that for "
        "gains that scatter normally (Student's t), seven however they scatter (--rounds=7)."
    )


def test_rounds_that_bear_the_choice_are_not_told_to_be_too_few():
    story = chosen_among(2, CLOSE * 2)
    assert "interval 1.0" in plain(answer(story)[0])
    (said,) = [plain(each) for each in cautions(story) if "Chosen" in plain(each)]
    assert said == "Chosen as the best of two, its interval is wider than that of one by itself."


def test_a_best_alone_that_is_the_baseline_is_told_once():
    assert said(report([0.5], best_alone=("near", 1, 800.0))).startswith(
        "Two machines answer eight prompts 2.00 times as fast as near at its best (one after another, the published "
        "baseline). The set outpaces near; "
    )


def test_the_best_alone_need_not_be_the_baseline_s_host():
    assert "as fast as far at its best (eight at once), and 2.00 times as fast as near one after another" in said(
        report([0.5], best_alone=("far", 8, 500.0))
    )


def test_each_part_of_the_speedup_is_told_for_itself():
    first, at_best, together = steps_of(tell([report([0.5, 0.5, 0.4], best_alone=AT_ITS_BEST)], None))
    assert (first.makespan_ms, at_best.makespan_ms, together.makespan_ms) == (800.0, 416.0, 400.0)
    assert (at_best.brings, together.brings) == ("batching", "the other machines")
    assert at_best.faster.median * together.faster.median == pytest.approx(2.0)
    another = steps_of(tell([report([0.5], best_alone=("far", 4, 416.0))], None))
    assert another[1].brings == "another machine, batching"


def test_what_batching_and_what_machines_bring_is_not_told_apart_where_the_best_alone_was_not_measured():
    story = tell([report([0.5])], None)
    (_, together) = steps_of(story)
    assert together.brings == "batching, and the other machines"
    assert any("do not tell what the others add" in plain(each) for each in cautions(story))


def test_a_sweep_tells_what_the_best_alone_would_have_been():
    story = tell([report([0.25])], swept(("near", levels((1, 10), (4, 32))), ("far", levels((1, 10), (2, 10)))))
    assert "By its sweep near alone is 3.20 times as fast with four at once: against that the set would be 1.25" in (
        plain(list(cautions(story))[1])
    )


def test_timelines_and_latencies_tell_of_the_best_alone_too():
    story = tell([report([0.5], best_alone=AT_ITS_BEST)], None)
    assert [len(lane.rows) for lane in story.timelines[0].alone.lanes] == [4]
    assert [what for what, _ in story.latencies[0].alone] == [" alone", " at its best"]


def test_the_order_of_strategies_is_that_of_their_set_gains():
    one = report([0.5], "pull", best_alone=("near", 4, 400.0))
    other = report([0.52], "hedged", best_alone=("near", 4, 430.0))
    assert [row.strategy for row in tell([one, other], None).rows] == ["hedged", "pull"]


def test_the_first_condition_is_the_set_gain_and_one_more_machine_is_told_in_it():
    found = tell(
        [report([0.5] * 5, best_alone=AT_ITS_BEST, gain_interval=(1.01, 1.07))],
        swept(("near", levels((1, 10), (4, 20))), ("far", levels((1, 10), (2, 10)))),
    )
    gain, more = holding(found, "The set outpaces near"), holding(found, "The workload is long enough")
    assert gain.holds is True
    assert "It is 1.04 under serial-per-side, 1.010 to 1.070." in plain(gain.text)
    assert "a set gain of 1.04 now, of 1.39 then" in plain(more.text)
    unknown = holding(tell([report([0.5])], None), "The set outpaces near")
    assert unknown.holds is None
    assert "was not measured" in plain(unknown.text)
