"""The model of the reference engine alone, in time that is given to it: exact; and what it can be told to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reference.model import Model, Work
from reference.truth import Truth, from_plain, to_plain

QUICK = Truth(tokens_per_s=500.0, prompt_ms=10.0, tokens=10)


def modelled(truth: Truth, *came_ms: float) -> tuple[Model, list[Work]]:
    """A model with requests that come at these times, in ms."""
    model, works = Model(truth), []
    step_ms = 1000 / truth.tokens_per_s
    for at_ms in came_ms:
        marks_ms = [truth.prompt_ms + index * step_ms for index in range(truth.answer_tokens("") + 1)]
        works.append(Work(marks_ms, lambda _: None))
        model.arrive(at_ms / 1000, works[-1])
    return model, works


def ends_ms(works: list[Work]) -> list[float]:
    return [work.reached[-1] * 1000 for work in works]


@pytest.mark.parametrize("late_s", [0.0, 0.7, 3.0])
def test_one_alone_takes_what_was_set_however_late_the_model_is_asked(late_s: float) -> None:
    model, works = modelled(QUICK, 5.0)
    model.advance(late_s)
    model.advance(4.0)
    assert works[0].reached == pytest.approx([0.015 + 0.002 * index for index in range(11)])
    assert (works[0].came, works[0].began) == (0.005, 0.005)


def test_those_that_find_no_slot_wait_in_their_order() -> None:
    model, works = modelled(QUICK, 0.0, 1.0, 2.0)
    model.advance(1.0)
    assert ends_ms(works) == pytest.approx([30.0, 60.0, 90.0])
    assert [(work.began - work.came) * 1000 for work in works] == pytest.approx([0.0, 29.0, 58.0])


@pytest.mark.parametrize(
    ("batching", "end_ms"),
    [
        ({}, 120.0),
        ({2: 2.0, 4: 4.0}, 30.0),
        ({2: 1.5, 4: 2.0}, 60.0),
        ({4: 0.25}, 480.0),
        (lambda in_work: in_work**0.5, 60.0),
        ({2: 1.0, 6: 3.0}, 60.0),
    ],
)
def test_those_in_work_share_what_the_curve_gives(batching: Any, end_ms: float) -> None:
    model, works = modelled(replace(QUICK, slots=4, batching=batching), 0.0, 0.0, 0.0, 0.0)
    model.advance(1.0)
    assert ends_ms(works) == pytest.approx([end_ms] * 4)


def test_one_that_comes_later_slows_the_one_in_work_from_then_on() -> None:
    model, works = modelled(replace(QUICK, slots=2), 0.0, 20.0)
    model.advance(1.0)
    # 10 ms are left of the first: they take 20; 20 of the second then, alone.
    assert ends_ms(works) == pytest.approx([40.0, 60.0])


def test_one_that_leaves_makes_room_at_once_and_one_that_waits_is_forgotten() -> None:
    model, works = modelled(QUICK, 0.0, 1.0, 2.0)
    model.leave(0.010, works[0])
    model.leave(0.011, works[2])
    model.leave(0.500, works[1])  # is over by then
    model.advance(1.0)
    assert ends_ms([works[1]]) == pytest.approx([40.0])
    assert not works[2].reached
    assert works[0].reached[-1:] in ([], [0.010])
    assert model.next_s() is None


def test_one_too_many_for_the_queue_is_told_so() -> None:
    truth = replace(QUICK, queue=1)
    model, works = modelled(truth, 0.0, 1.0)
    told: list[float | None] = []
    model.arrive(0.002, Work([1.0], told.append))
    model.arrive(0.031, Work([1.0], told.append))  # the first is done by then
    model.advance(1.0)
    assert told == [None, pytest.approx(0.061)]
    assert ends_ms(works) == pytest.approx([30.0, 60.0])


def test_a_truth_survives_its_way_into_the_process_of_the_engine() -> None:
    truth = replace(QUICK, slots=3, batching=lambda in_work: in_work**0.5, tokens={"": 4, "a": 9})
    again = from_plain(to_plain(truth))
    assert [again.gain(in_work) for in_work in (1, 2, 3)] == [truth.gain(in_work) for in_work in (1, 2, 3)]
    assert [again.answer_tokens(prompt) for prompt in ("a", "b")] == [9, 4]
    assert replace(again, batching={}) == replace(truth, batching={})


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens_per_s": 0.0},
        {"slots": 0},
        {"queue": -1},
        {"delay_to_ms": -1.0},
        {"error_rate": 1.5},
        {"error": "sulk"},
        {"failing": {"a": "sulk"}},
        {"engine": "abacus"},
        {"slots": 2, "batching": {2: 0.0}},
    ],
)
def test_what_no_engine_can_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=" "):
        Truth(**wrong)
