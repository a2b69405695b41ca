"""What is expected of prompts and hosts: guesses at first, then what answers showed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.dispatch import HostKnowledge
from outpace.dispatch.expectation import (
    ANSWERS_OF_A_GUESS,
    ANSWERS_REMEMBERED,
    CHARACTERS_A_TOKEN,
    PROMPT_TOKEN_WORK,
    Expectation,
    work_of,
)
from outpace.dispatch.health import Gauge
from outpace.engines import Completion
from outpace.workload.prompts import Generation, Prompt, workload

MAX_TOKENS = 64
SPEEDS = {"quick": HostKnowledge(30.0), "slow": HostKnowledge(10.0)}


def expectation(known: dict[str, HostKnowledge] = SPEEDS, guess=lambda _: None, prompts: int = 8) -> Expectation:
    work = workload([f"prompt {index}" for index in range(prompts)], Generation(MAX_TOKENS))
    return Expectation(work, list(known), known, guess)


def prompt(index: int = 0, text: str = "") -> Prompt:
    return Prompt(index, text)


def answered(tokens: int | None) -> Completion:
    return Completion("answer", output_tokens=tokens)


def teach(expect: Expectation, host: str, tokens: int | None, seconds: float, times: int = 1) -> None:
    """Let ``host``, always busy, answer so many prompts, each in ``seconds``."""
    for _ in range(times):
        expect.learn(host, prompt(), answered(tokens), expect._busy_s[host] + seconds)


# Work


def test_an_answer_is_expected_to_be_as_long_as_the_limit_allows() -> None:
    assert expectation().work(prompt()) == MAX_TOKENS


def test_text_to_read_is_work_too_but_less() -> None:
    expect = expectation()
    longer = expect.work(prompt(text="x" * 400)) - expect.work(prompt())
    assert longer == pytest.approx(400 / CHARACTERS_A_TOKEN * PROMPT_TOKEN_WORK)
    assert longer < 100
    assert work_of(prompt(text="x" * 400), 5) == pytest.approx(15)


def test_lengths_are_learned_from_answers() -> None:
    expect = expectation()
    expected = [expect.work(prompt())]
    for _ in range(50):
        teach(expect, "quick", 8, 1.0)
        expected.append(expect.work(prompt()))
    assert expected == sorted(expected, reverse=True)
    assert expected[1] == pytest.approx((MAX_TOKENS + 8) / 2)
    assert expected[-1] == pytest.approx(8, rel=0.15)


def test_what_one_host_answers_is_expected_of_all() -> None:
    expect = expectation()
    teach(expect, "quick", 8, 1.0, times=20)
    assert expect.alone_s("slow", expect.work(prompt())) == pytest.approx(expect.work(prompt()) / 10.0)


def test_a_guess_of_the_caller_wins_before_and_after_answers() -> None:
    expect = expectation(guess=lambda each: 17.0 if each.index == 3 else None)
    assert (expect.work(prompt(3, "long " * 50)), expect.work(prompt(2))) == (17.0, MAX_TOKENS)
    teach(expect, "quick", 8, 1.0, times=20)
    assert expect.work(prompt(3)) == 17.0
    assert expect.work(prompt(2)) < 12


def test_a_guess_of_nothing_is_a_guess() -> None:
    assert expectation(guess=lambda _: 0.0).work(prompt()) == 0.0


def test_an_engine_that_tells_no_tokens_teaches_no_length() -> None:
    expect = expectation()
    teach(expect, "quick", None, 1.0, times=20)
    assert expect.work(prompt()) == MAX_TOKENS
    assert expect.rate("quick") == pytest.approx(MAX_TOKENS, rel=0.2)


# Rates


def test_the_speed_that_is_known_is_the_rate_at_first() -> None:
    expect = expectation()
    assert expect.rate("quick") == pytest.approx(30)
    assert expect.rate("slow") == pytest.approx(10)
    assert expect.alone_s("quick", 60.0) == pytest.approx(2)


def test_hosts_of_which_nothing_is_known_are_alike() -> None:
    expect = Expectation(workload(["a", "b"]), ["one", "other", "third"], {})
    assert expect.rate("one") == expect.rate("other")
    assert expect.share("third") == pytest.approx(1 / 3)


def test_with_several_in_flight_a_host_does_more_but_one_alone_takes_as_long() -> None:
    expect = expectation({"batches": HostKnowledge(10.0, limit=4, gain=3.0), "plain": HostKnowledge(10.0)})
    assert expect.rate("batches") == pytest.approx(30)
    assert expect.alone_s("batches", 20.0) == pytest.approx(2)
    assert expect.share("batches") == pytest.approx(0.75)


def test_a_rate_is_learned_and_a_guess_weighs_as_much_as_two_answers() -> None:
    expect = expectation()
    teach(expect, "quick", MAX_TOKENS, MAX_TOKENS / 60.0, times=int(ANSWERS_OF_A_GUESS))
    # As much work at 30 a second as at 60: the mean is that of the times. What is forgotten meanwhile makes it more.
    assert 40 <= expect.rate("quick") < 43
    teach(expect, "quick", MAX_TOKENS, MAX_TOKENS / 60.0, times=60)
    assert expect.rate("quick") == pytest.approx(60, rel=0.05)


def test_rates_follow_a_host_that_slows_down() -> None:
    expect = expectation()
    teach(expect, "quick", 60, 2.0, times=200)
    assert expect.rate("quick") == pytest.approx(30, rel=0.01)
    teach(expect, "quick", 60, 20.0, times=int(ANSWERS_REMEMBERED))
    assert expect.rate("quick") < 5
    teach(expect, "quick", 60, 20.0, times=100)
    assert expect.rate("quick") == pytest.approx(3, rel=0.05)


def test_what_one_host_does_changes_no_other_hosts_rate() -> None:
    expect = expectation()
    teach(expect, "quick", 60, 20.0, times=30)
    assert expect.rate("slow") == pytest.approx(10)
    assert expect.share("slow") > 0.7


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]), st.one_of(st.none(), st.integers(0, 4000)), st.floats(0.001, 1000.0)
        ),
        max_size=60,
    ),
    st.floats(0.01, 1000.0),
    st.floats(1.0, 16.0),
)
def test_shares_add_up_to_one_and_are_as_the_rates(events, speed: float, gain: float) -> None:
    expect = expectation({"a": HostKnowledge(speed, 4, gain), "b": HostKnowledge(), "c": HostKnowledge(7.0)})
    for host, tokens, seconds in events:
        teach(expect, host, tokens, seconds)
    rates = {host: expect.rate(host) for host in "abc"}
    assert all(rate > 0 for rate in rates.values())
    assert sum(expect.share(host) for host in "abc") == pytest.approx(1)
    for host, rate in rates.items():
        assert expect.share(host) == pytest.approx(rate / sum(rates.values()))


# Time


def test_with_several_in_flight_the_time_counts_in_which_the_host_was_busy() -> None:
    """Four at once, each of which takes 4 s: 16 s of requests, 4 s of the host's time."""
    expect = expectation({"batches": HostKnowledge(16.0)})
    gauge = Gauge()
    for turn in range(50):
        for _ in range(4):
            gauge.add(1, turn * 4.0)
        for _ in range(4):
            gauge.add(-1, turn * 4.0 + 4.0)
            expect.learn("batches", prompt(), answered(MAX_TOKENS), gauge.busy_s)
    assert gauge.busy_s == pytest.approx(200)
    assert expect.rate("batches") == pytest.approx(4 * MAX_TOKENS / 4.0, rel=0.2)


def test_time_without_a_request_in_flight_does_not_count() -> None:
    gauge = Gauge()
    gauge.add(1, 10.0)
    gauge.add(-1, 13.0)
    gauge.add(1, 100.0)
    assert gauge.busy_s == pytest.approx(3)
    gauge.add(1, 101.0)
    gauge.add(-1, 103.0)
    assert gauge.busy_s == pytest.approx(6)
    assert gauge.in_flight == 1
