"""Records: the numbers that are derived from what was measured."""

from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.records import FailedAttempt, RequestRecord, Round, Run, set_gains

milliseconds = st.floats(min_value=0.001, max_value=1e7)


def answer(prompt=0, host="a", wall_ms=100.0, **more):
    return RequestRecord(prompt, host, 0.0, wall_ms, **more)


def lost(prompt=0, why="connect: refused"):
    return RequestRecord(prompt, None, 0.0, 0.0, attempts=0, error=why)


def run(*requests, makespan_ms=100.0):
    return Run("serial-per-side", ("a", "b"), makespan_ms, requests)


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        answer().wall_ms = 1.0
    with pytest.raises(FrozenInstanceError):
        run().makespan_ms = 1.0


@given(milliseconds, milliseconds)
def test_overhead_is_wall_less_server_even_where_that_is_negative(wall, server):
    assert answer(wall_ms=wall, server_ms=server).overhead_ms == wall - server


def test_overhead_is_unknown_where_the_engine_tells_no_server_time():
    assert answer(server_ms=None).overhead_ms is None
    assert answer(server_ms=0.0).overhead_ms == 100.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [("connect: a takes no connection: refused.", "connect"), ("timeout: a: no answer", "timeout"), ("cut", "cut")],
)
def test_the_kind_of_a_failed_attempt_is_what_its_error_begins_with(error, kind):
    assert FailedAttempt(0, "a", 0.0, 1.0, error).kind == kind


def test_failed_are_the_prompts_without_an_answer_in_their_order():
    assert run(lost(0), answer(1), lost(2)).failed == (lost(0), lost(2))
    assert run(answer(0), answer(1)).failed == ()


def test_a_prompt_that_was_answered_at_the_second_attempt_is_not_failed():
    attempt = FailedAttempt(0, "b", 0.0, 5.0, "connect: refused")
    assert replace(run(answer(attempts=2)), failed_attempts=(attempt,)).failed == ()


@given(st.lists(st.integers(0, 10_000), max_size=8))
def test_output_tokens_are_those_of_all_answers_together(tokens):
    answers = [answer(index, output_tokens=count) for index, count in enumerate(tokens)]
    assert run(*answers).output_tokens == sum(tokens)


def test_output_tokens_are_unknown_where_one_answer_does_not_tell_them():
    assert run(answer(0, output_tokens=5), answer(1)).output_tokens is None


def test_a_prompt_without_an_answer_adds_no_tokens():
    assert run(answer(0, output_tokens=5), lost(1)).output_tokens == 5


@given(milliseconds, milliseconds)
def test_the_overhead_ratio_is_the_run_s_makespan_by_the_baseline_s(ours, theirs):
    each = Round(run(answer(), makespan_ms=theirs), run(answer(), makespan_ms=ours))
    assert each.finished
    assert each.overhead_ratio == ours / theirs


@pytest.mark.parametrize("side", ["baseline", "run"])
def test_a_round_with_an_unanswered_prompt_has_no_ratio(side):
    whole = run(answer(0, output_tokens=5), answer(1, output_tokens=5))
    cut = run(answer(0, output_tokens=5), lost(1))
    each = replace(Round(whole, whole), **{side: cut})
    assert not each.finished
    assert each.overhead_ratio is None
    assert each.overhead_ratio_per_token is None


@given(milliseconds, milliseconds, milliseconds)
def test_the_set_gain_is_the_best_alone_s_makespan_by_the_run_s(ours, theirs, alone):
    baseline = run(answer(), makespan_ms=theirs)
    each = Round(baseline, run(answer(), makespan_ms=ours), run(answer(), makespan_ms=alone))
    assert each.set_gain == alone / ours
    assert set_gains([each, Round(baseline, each.run)]) == (alone / ours,)
    itself = replace(each, alone=baseline)
    assert itself.set_gain == pytest.approx(1 / itself.overhead_ratio)
    assert (len(each.runs), len(itself.runs)) == (3, 2)


@pytest.mark.parametrize("side", ["run", "alone"])
def test_a_round_with_an_unanswered_prompt_has_no_set_gain_and_one_in_the_baseline_alone_has(side):
    whole = run(answer(0, output_tokens=5), answer(1, output_tokens=5))
    cut = run(answer(0, output_tokens=5), lost(1))
    each = Round(whole, replace(whole, strategy="x"), replace(whole, strategy="y"))
    assert replace(each, **{side: cut}).set_gain is None
    assert replace(each, baseline=cut).set_gain == 1.0


def test_a_round_without_a_run_of_the_best_alone_has_no_set_gain():
    assert Round(run(answer()), run(answer())).set_gain is None


@given(milliseconds, milliseconds, st.integers(1, 1000), st.integers(1, 1000))
def test_the_ratio_a_token_is_of_the_time_that_one_token_took(ours, theirs, our_tokens, their_tokens):
    each = Round(
        run(answer(output_tokens=their_tokens), makespan_ms=theirs),
        run(answer(output_tokens=our_tokens), makespan_ms=ours),
    )
    assert each.overhead_ratio_per_token == pytest.approx((ours / our_tokens) / (theirs / their_tokens))


@pytest.mark.parametrize(("ours", "theirs"), [(None, 5), (5, None), (0, 5), (5, 0)])
def test_the_ratio_a_token_is_unknown_without_tokens(ours, theirs):
    each = Round(run(answer(output_tokens=theirs)), run(answer(output_tokens=ours)))
    assert each.overhead_ratio == 1.0
    assert each.overhead_ratio_per_token is None
