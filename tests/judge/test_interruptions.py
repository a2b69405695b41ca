"""When the way to a host carried nothing: whose it was, and what it cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.records import FailedAttempt, RequestRecord, Round, Run
from outpace.judge.interruptions import Interruption, at_once, interruptions, notes

USUAL_MS = 20.0
WORK_MS = 500.0


def answer(prompt: int, host: str, start_ms: float, over_ms: float = USUAL_MS) -> RequestRecord:
    return RequestRecord(prompt, host, start_ms, WORK_MS + over_ms, server_ms=WORK_MS)


def lost(prompt: int, host: str, start_ms: float, wall_ms: float = 30_000.0, kind: str = "path") -> FailedAttempt:
    return FailedAttempt(prompt, host, start_ms, wall_ms, f"{kind}: the way to {host} is lost")


def in_a_row(host: str, first: int, *over_ms: float) -> list[RequestRecord]:
    """Answers of ``host`` one after another, each with what it took beyond its engine's work."""
    found, start_ms = [], 0.0
    for place, over in enumerate(over_ms):
        found.append(answer(first + place, host, start_ms, over))
        start_ms += WORK_MS + over
    return found


def run(requests: list[RequestRecord], *attempts: FailedAttempt, hosts: tuple[str, ...] = ("a", "b")) -> Run:
    end_ms = max((each.start_ms + each.wall_ms for each in requests if each.start_ms is not None), default=0.0)
    return Run("serial-per-side", hosts, end_ms, tuple(requests), tuple(attempts))


def told(*runs: Run) -> list[str]:
    baseline = run(in_a_row("a", 0, *[USUAL_MS] * 4), hosts=("a",))
    return notes([Round(baseline, each) for each in runs])


def test_nothing_is_said_of_a_run_in_which_nothing_happened() -> None:
    assert told(run([*in_a_row("a", 0, 20, 25, 18), *in_a_row("b", 3, 30, 60, 13)])) == []


def test_an_answer_that_was_late_is_told_with_what_it_cost() -> None:
    (said,) = told(run([*in_a_row("a", 0, 20, 20, 20), *in_a_row("b", 3, 20, 2_170, 20)]))
    assert said.startswith("The way to b was interrupted: an answer came later than the engine was done, by 2.1 s")
    assert "where 20 ms are usual" in said


def test_of_several_late_answers_the_worst_is_told() -> None:
    (said,) = told(run([*in_a_row("a", 0, 20, 20, 20), *in_a_row("b", 3, 20, 3_020, 20, 1_520, 20)]))
    assert "2 answers came later than the engine was done, by 3.0 s at most" in said


def test_far_hosts_are_not_late_because_they_are_far() -> None:
    """What is usual on that way counts, not what is usual elsewhere."""
    assert told(run([*in_a_row("a", 0, 20, 20, 20), *in_a_row("b", 3, 900, 2_000, 880)])) == []


def test_answers_that_waited_for_each_other_are_not_late() -> None:
    requests = [answer(0, "a", 0.0), *(answer(number, "b", 0.0, number * 1_500.0) for number in range(1, 5))]
    assert told(run(requests)) == []


def test_an_attempt_that_was_lost_is_told_with_the_time_until_that_was_known() -> None:
    (said,) = told(run(in_a_row("a", 0, 20, 20, 20), lost(1, "b", 100.0, 30_500.0)))
    assert said == (
        "The way to b was lost once; 30.5 s went by until that was known, and what was under way was sent again."
    )


def test_an_engine_that_is_slow_or_refuses_is_no_interruption() -> None:
    attempts = [lost(1, "b", 0.0, kind=kind) for kind in ("timeout", "connect", "cut", "busy")]
    assert told(run(in_a_row("a", 0, 20, 20, 20), *attempts)) == []


def test_silence_of_all_hosts_at_once_is_this_machines_own() -> None:
    late = [answer(0, "a", 0.0, 3_400.0), answer(1, "b", 200.0, 3_000.0)]
    (said,) = told(run([*late, answer(2, "a", 3_900.0), answer(3, "b", 3_700.0)]))
    assert said.startswith("All hosts fell silent at the same time, for 3.5 s: that is this machine's own network")


def test_attempts_lost_on_all_hosts_at_once_are_this_machines_own() -> None:
    (said,) = told(run([answer(0, "a", 0.0), answer(1, "b", 0.0)], lost(2, "a", 520.0), lost(3, "b", 530.0)))
    assert said.startswith("All hosts fell silent at the same time, for 30.0 s")


def test_silence_of_one_host_after_the_other_is_theirs() -> None:
    requests = [*in_a_row("a", 0, 20, 4_000, 20, 20), answer(7, "b", 0.0), answer(8, "b", 6_000.0, 3_000.0)]
    assert [said[:16] for said in told(run([*requests, answer(9, "b", 9_600.0)]))] == [
        "The way to a was",
        "The way to b was",
    ]


def test_silence_in_which_another_answered_is_not_this_machines_own() -> None:
    """Two of three: the third shows that this machine could be heard."""
    requests = [*in_a_row("c", 4, *[20.0] * 8), *in_a_row("a", 0, 20, 20), *in_a_row("b", 2, 20, 20)]
    attempts = [lost(12, "a", 1_100.0, 6_000.0), lost(13, "b", 1_100.0, 6_000.0)]
    said = told(run(requests, *attempts, hosts=("a", "b", "c")))
    assert [each[:16] for each in said] == ["The way to a was", "The way to b was"]


def test_one_host_alone_is_no_set() -> None:
    found = [Interruption("a", 0.0, 1_000.0, 1_000.0, lost=True)]
    assert at_once(run([], hosts=("a",)), found) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 10_000), st.floats(1, 10_000)), min_size=1, max_size=8))
def test_what_is_called_this_machines_own_was_silent_on_every_host(spans: list[tuple[str, float, float]]) -> None:
    found = sorted(
        (Interruption(host, start, start + length, length, lost=True) for host, start, length in spans),
        key=lambda each: each.start_ms,
    )
    common = at_once(run([], hosts=("a", "b", "c")), found)
    everywhere = [
        start
        for _, start, _ in spans
        if {each.host for each in found if each.start_ms <= start < each.end_ms} == {"a", "b", "c"}
    ]
    assert (common is not None) == bool(everywhere)
    if common is not None:
        middle = sum(common) / 2
        assert {each.host for each in found if each.start_ms <= middle <= each.end_ms} == {"a", "b", "c"}


def test_what_is_found_lies_where_it_was() -> None:
    usual = {"a": USUAL_MS, "b": USUAL_MS}
    found = interruptions(run([answer(0, "a", 100.0, 2_020.0)], lost(1, "b", 50.0, 700.0)), usual)
    assert found == [
        Interruption("b", 50.0, 750.0, 700.0, lost=True),
        Interruption("a", 100.0, 2_620.0, 2_000.0, lost=False),
    ]
