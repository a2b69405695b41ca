"""Each kind of fault, through the whole client and the real parsers, ends as it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.errors import UsageError
from outpace.replay.faults import KINDS, Fault, parse, parse_all, require_hosts
from synthetic import Synthetic, answer_to, play

BOTH = [Synthetic("a"), Synthetic("b", protocol="openai")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("desktop:dies@2s", Fault("desktop", "dies", 2.0)),
        ("desktop:dies@2s-9s", Fault("desktop", "dies", 2.0, 9.0)),
        ("127.0.0.1:11434:refuses", Fault("127.0.0.1:11434", "refuses")),
        ("*:slow(3)@500ms-1.5s", Fault("*", "slow", 0.5, 1.5, 3.0)),
        ("a:slow", Fault("a", "slow", parameter=10.0)),
        ("a:busy", Fault("a", "busy")),
        ("a:busy(3s)@1s", Fault("a", "busy", 1.0, parameter=3.0)),
        ("clock:jumps(30s)@1s", Fault("clock", "jumps", 1.0, parameter=30.0)),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert parse(text) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("desktop", "The kinds are"),
        ("desktop:explodes", "refuses: connections are refused"),
        ("desktop:dies@2", "such as 2s or 500ms"),
        ("desktop:dies@5s-2s", "ends before it begins"),
        ("desktop:dies(3)", "dies takes nothing"),
        ("desktop:slow(0.5)", "a factor of 1 or more"),
        ("desktop:busy(3)", "a time such as 3s"),
        ("clock:jumps@1s", "how far"),
    ],
)
def test_a_fault_that_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="--fault") as raised:
        parse(text)
    assert said in str(raised.value)


@given(st.text() | st.from_regex(r"[a-z*]+:[a-z]+(\([0-9a-z.]*\))?@[0-9.]+m?s(-[0-9.]+m?s)?", fullmatch=True))
def test_whatever_is_written_is_read_or_told(text: str) -> None:
    try:
        fault = parse(text)
    except UsageError as error:
        fault, said = None, str(error)
    if fault is None:
        assert "\n" not in said
    else:
        assert fault.kind in KINDS
        assert fault.end_s > fault.start_s >= 0


def test_several_faults_may_come_in_one_option_or_in_several() -> None:
    assert parse_all(["a:dies@1s,b:slow", "c:busy"]) == (parse("a:dies@1s"), parse("b:slow"), parse("c:busy"))


def test_a_fault_of_an_unknown_host_is_told() -> None:
    require_hosts(parse_all(["*:dies", "clock:jumps(1s)", "a:slow"]), ["a"])
    with pytest.raises(UsageError, match="no host is called 'c'; the hosts are a, b"):
        require_hosts([parse("c:dies")], ["a", "b"])


@pytest.mark.parametrize("protocol", ["ollama", "openai"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("b:refuses", "connect"),
        ("b:dies@1500ms", "cut"),
        ("b:resets", "cut"),
        ("b:silent@1500ms", "timeout"),
        ("b:busy", "busy"),
        ("b:truncates", "cut"),
        ("b:errors", "engine"),
        ("b:garbage", "unreadable"),
        ("b:endless", "unreadable"),
    ],
)
def test_what_a_faulty_host_spoils_the_other_answers(fault: str, kind: str, protocol: str) -> None:
    hosts = [Synthetic("a", protocol=protocol), Synthetic("b", protocol=protocol)]
    outcome = play(hosts, [parse(fault)]).outcome
    assert outcome.answers == tuple(answer_to(prompt) for prompt in range(8))
    assert {each.host for each in outcome.run.failed_attempts} == {"b"}
    assert kind in {each.kind for each in outcome.run.failed_attempts}


def test_a_death_cuts_what_is_under_way_when_it_happens() -> None:
    outcome = play(BOTH, [parse("b:dies@1500ms")]).outcome
    first = outcome.run.failed_attempts[0]
    assert first.start_ms + first.wall_ms == pytest.approx(1500, abs=1)


def test_a_host_that_dies_and_comes_back_is_used_again() -> None:
    outcome = play([Synthetic("a", 4000.0), Synthetic("b")], [parse("b:dies@1500ms-3s")]).outcome
    by_b = [request for request in outcome.run.requests if request.host == "b"]
    assert max(request.start_ms for request in by_b) > 3000
    assert not outcome.run.failed


def test_a_busy_host_is_left_alone_for_as_long_as_it_says() -> None:
    only = [Synthetic("a")]
    outcome = play(only, [parse("a:busy(3s)@0s-1s")], strategy="sequential", prompts=2).outcome
    assert [request.start_ms for request in outcome.run.requests] == pytest.approx([3002, 4004], abs=5)


def test_a_silence_that_ends_costs_its_length_alone() -> None:
    outcome = play([Synthetic("a")], [parse("a:silent@500ms-3s")], strategy="sequential", prompts=1).outcome
    assert outcome.run.makespan_ms == pytest.approx(3000, abs=10)
    assert not outcome.run.failed_attempts


def test_a_host_that_slows_tenfold_takes_ten_times_as_long() -> None:
    healthy = play([Synthetic("a")], strategy="sequential", prompts=2).outcome.run.makespan_ms
    slow = play([Synthetic("a")], [parse("a:slow(10)")], strategy="sequential", prompts=2).outcome.run.makespan_ms
    assert slow == pytest.approx(10 * healthy, rel=0.01)


def test_a_clock_that_jumps_loses_nothing() -> None:
    for jump in ("3s", "45s"):
        outcome = play(BOTH, [parse(f"clock:jumps({jump})@1500ms")]).outcome
        assert outcome.answers == tuple(answer_to(prompt) for prompt in range(8))


def test_faults_add_up() -> None:
    faults = parse_all(["a:slow(2)@0s-3s", "a:errors@3s-6s", "b:busy@0s-1s", "b:dies@5s-8s"])
    outcome = play(BOTH, faults).outcome
    assert outcome.answers == tuple(answer_to(prompt) for prompt in range(8))
    assert {each.kind for each in outcome.run.failed_attempts} >= {"busy", "engine"}


def test_with_every_host_dead_each_prompt_is_named() -> None:
    played = play(BOTH, [parse("*:dies@1500ms")])
    assert len(played.outcome.run.failed) == 6
    assert all(
        "on purpose" in str(request.error) or "no host" in str(request.error) for request in played.outcome.run.failed
    )
