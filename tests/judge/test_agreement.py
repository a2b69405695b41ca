"""Agreement: prompts are read alike and answered alike on all hosts, or the host that stands out is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.records import RequestRecord
from outpace.judge.agreement import ANSWERED_ALIKE, READ_ALIKE, TEMPLATE_TOKENS, Agreement
from outpace.judge.fairness import Check
from outpace.workload.prompts import Generation, workload

PROMPTS = 6
BLUE = "The sky is blue because air scatters short waves of light more than long ones."


def agreement(
    *answers: tuple[str, int, str | None, int | None],
    texts: list[str] | None = None,
    temperature: float = 0.0,
    blotted: bool = False,
) -> dict[str, Check]:
    """What is found of answers: host, prompt, text, prompt tokens."""
    work = workload(texts or ["why?"] * PROMPTS, Generation(temperature=temperature))
    found = Agreement(work, blotted=blotted)
    for host, prompt, text, tokens in answers:
        error = "connect: refused" if text is None else None
        found.note([RequestRecord(prompt, host, 0.0, 1.0, prompt_tokens=tokens, error=error)], [text])
    return {check.name: check for check in found.checks()}


def both(prompt: int, *texts: str) -> list[tuple[str, int, str | None, int | None]]:
    return [(host, prompt, text, 9) for host, text in zip("abcdef", texts, strict=False)]


@given(
    st.lists(st.text(), min_size=1, max_size=PROMPTS),
    st.lists(st.integers(0, 3000), min_size=PROMPTS, max_size=PROMPTS),
    st.data(),
)
def test_hosts_that_say_the_same_agree_whatever_they_say_and_in_whatever_order(said, tokens, data) -> None:
    answers = [(host, prompt, text, tokens[prompt]) for host in "abc" for prompt, text in enumerate(said)]
    found = agreement(*data.draw(st.permutations(answers)))
    assert {check.held for check in found.values()} == {True}


@given(st.lists(st.integers(0, 8000), min_size=2, max_size=4))
def test_prompts_are_read_alike_where_they_differ_by_what_templates_do(read: list[int]) -> None:
    found = agreement(*[(host, 2, "so", tokens) for host, tokens in zip("abcd", read, strict=False)])[READ_ALIKE]
    spread = max(read) - min(read)
    assert found.held is (spread <= max(TEMPLATE_TOKENS, 0.05 * max(read)))
    if found.held is False:
        host = "abcd"[read.index(min(read))]
        assert f"{host} read {min(read)} tokens of prompt 2, " in found.said
        assert found.said.endswith(f" {max(read)}")


def test_a_host_that_cuts_a_prompt_is_named_with_both_figures() -> None:
    found = agreement(("a", 3, "so", 2051), ("b", 3, "so", 7931), ("a", 1, "so", 30), ("b", 1, "so", 30))
    assert found[READ_ALIKE] == Check(READ_ALIKE, False, "a read 2051 tokens of prompt 3, b 7931")


def test_a_prompt_that_all_hosts_cut_alike_is_not_read_whole() -> None:
    answers = [(host, 0, "so", 2048) for host in "ab"]
    assert agreement(*answers, texts=["word " * 6_000])[READ_ALIKE] == Check(
        READ_ALIKE, False, "a read 2048 tokens of prompt 0, b 2048, which has 30000 characters"
    )
    assert agreement(*answers, texts=["word " * 1_600])[READ_ALIKE].held is True
    assert agreement(*answers, texts=["word " * 6_000], blotted=True)[READ_ALIKE].held is True


def test_what_a_cache_hid_in_one_run_is_told_by_another() -> None:
    assert agreement(("a", 0, "so", 1), ("b", 0, "so", 900), ("a", 0, "so", 900))[READ_ALIKE].held is True


@pytest.mark.parametrize("answers", [[], [("a", 0, "so", None), ("b", 0, "so", None)], [("a", 0, None, None)]])
def test_what_no_engine_tells_is_not_called_held(answers) -> None:
    assert agreement(*answers)[READ_ALIKE].held is None


def test_one_host_alone_agrees_with_nobody() -> None:
    found = agreement(("a", 0, "so", 9), ("b", 1, "so", 9))
    assert [check.held for check in found.values()] == [None, None]


@given(st.integers(0, PROMPTS))
def test_hosts_that_part_in_most_prompts_answer_otherwise(apart: int) -> None:
    answers = [
        each for prompt in range(PROMPTS) for each in both(prompt, BLUE, "It is not." if prompt < apart else BLUE)
    ]
    found = agreement(*answers)[ANSWERED_ALIKE]
    assert found.held is (2 * apart <= PROMPTS)
    assert f"{apart} of {PROMPTS} prompts" in found.said


def test_equal_models_that_part_late_answer_alike() -> None:
    long = "word " * 60
    answers = [each for prompt in range(PROMPTS) for each in both(prompt, long + "red", long + "green and more")]
    assert agreement(*answers)[ANSWERED_ALIKE].held is True


def test_an_engine_that_stops_a_token_sooner_or_spaces_otherwise_answers_alike() -> None:
    answers = [each for prompt in range(PROMPTS) for each in both(prompt, f" {BLUE}\n", BLUE[:-8].replace(" ", "  "))]
    assert agreement(*answers)[ANSWERED_ALIKE].held is True


def test_a_host_that_says_nothing_answers_otherwise() -> None:
    answers = [each for prompt in range(PROMPTS) for each in both(prompt, BLUE, "")]
    assert agreement(*answers)[ANSWERED_ALIKE].held is False


def test_a_host_that_varies_by_itself_agrees_by_any_of_its_answers() -> None:
    answers = [
        each for prompt in range(PROMPTS) for each in [*both(prompt, BLUE, "Not so."), ("a", prompt, "Not so.", 9)]
    ]
    assert agreement(*answers)[ANSWERED_ALIKE].held is True


@pytest.mark.parametrize("odd", range(3))
def test_the_one_that_stands_out_among_several_is_named_with_an_example_and_nothing_that_was_said(odd: int) -> None:
    texts = [BLUE] * 3
    texts[odd] = "The sky is grey."
    found = agreement(*[each for prompt in range(PROMPTS) for each in both(prompt, *texts)])[ANSWERED_ALIKE]
    assert found.held is False
    assert found.said.startswith(f"{'abc'[odd]} answers otherwise than ")
    assert "prompt 0 for example from character 11 on" in found.said
    assert "sky" not in found.said


def test_nothing_is_promised_above_temperature_0_or_told_by_a_redacted_recording() -> None:
    answers = [each for prompt in range(PROMPTS) for each in both(prompt, BLUE, "Not so.")]
    assert agreement(*answers, temperature=0.7)[ANSWERED_ALIKE].held is None
    assert agreement(*answers, blotted=True)[ANSWERED_ALIKE].held is None
