"""What if: what more, faster, nearer or fewer hosts would bring, by replays of a changed recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.command import what_if as command
from outpace.command.what_if import Alteration, Outcome, altered, caveats, what_if
from outpace.ground.errors import StrategyUnknown, UsageError
from outpace.recording.recording import Recording
from recorded import NAMES, changes, measured, recorded

RULES = ["serial-per-side", "all-parallel", "weighted", "pull", "earliest-finish"]


once: dict[Any, Any] = {}
"""Replays by what was asked for: one that was made already is the same, which the last test here sees to."""


@pytest.fixture(autouse=True)
def replays_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = command._replay
    monkeypatch.setattr(command, "_replay", lambda *asked: once.get(asked) or once.setdefault(asked, replay(*asked)))


@cache
def two_equal() -> Recording:
    return altered(recorded("ollama-np1"), changes("remove=laptop", "add=desktop"))


def test_a_strategy_that_is_none_is_told_before_anything_is_replayed() -> None:
    with pytest.raises(StrategyUnknown):
        what_if(recorded("vllm"), [], ["quickest"])


@pytest.mark.parametrize("how", [{"rounds": 0}, {"times": 0}])
def test_nothing_to_replay_is_told(how: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="at least one round"):
        what_if(recorded("vllm"), [], ["pull"], **how)


def test_a_third_equal_host_takes_its_third() -> None:
    outcomes = what_if(two_equal(), changes("add=desktop"), RULES, times=8)
    for outcome in outcomes:
        assert outcome.after.makespan_ms == pytest.approx(outcome.before.makespan_ms * 2 / 3, rel=0.05), outcome
    best = [min(getattr(each, when).makespan_ms for each in outcomes) for when in ("before", "after")]
    assert best[1] < 0.68 * best[0]


@pytest.mark.parametrize("name", NAMES)
def test_another_host_never_slows_the_best_strategy_down(name: str) -> None:
    for host in recorded(name).hosts:
        outcomes = what_if(recorded(name), changes(f"add={host.name}"), RULES)
        after = min(outcome.after.makespan_ms for outcome in outcomes)
        assert after <= min(outcome.before.makespan_ms for outcome in outcomes)


@pytest.mark.parametrize("name", ["embedded", "ollama-np1", "llama-server-np4", "vllm"])
def test_twice_the_speed_of_all_halves_all_that_is_work(name: str) -> None:
    found = recorded(name)
    near = altered(found, [Alteration("rtt", host.name, 0.0) for host in found.hosts])
    near = replace(near, baseline=found.baseline)
    twice = [Alteration("speed", host.name, 2.0) for host in found.hosts]
    for outcome in what_if(near, twice, ["serial-per-side", "all-parallel", "sequential", "weighted"]):
        assert outcome.after.makespan_ms == pytest.approx(outcome.before.makespan_ms / 2, rel=1e-3)
        assert outcome.after.baseline == outcome.before.baseline
        assert outcome.after.overhead_ratio == pytest.approx(outcome.before.overhead_ratio, rel=1e-3)


@pytest.mark.parametrize("name", ["ollama-np1", "llama-server-np4"])
def test_the_times_that_an_engine_tells_go_with_its_speed(name: str, tmp_path: Path) -> None:
    found = recorded(name)
    both = found, altered(found, [Alteration("speed", host.name, 2.0) for host in found.hosts])
    before, after = (measured(each, "serial-per-side", tmp_path)[0].rounds[0].run.requests for each in both)
    for slow, fast in zip(before, after, strict=True):
        assert fast.host == slow.host
        assert fast.server_ms == pytest.approx(slow.server_ms / 2, abs=0.1)
        assert fast.output_tokens == slow.output_tokens


@pytest.mark.parametrize(("name", "strategy"), [("ollama-np1", "serial-per-side"), ("vllm", "all-parallel")])
@pytest.mark.parametrize("rtt_ms", [0.0, 25.0, 300.0])
def test_another_round_trip_is_added_latency_and_nothing_else(
    name: str, strategy: str, rtt_ms: float, tmp_path: Path
) -> None:
    found = recorded(name)
    far = altered(found, [Alteration("rtt", "desktop", rtt_ms)])
    trip_ms = next(host.round_trip_ms for host in found.hosts if host.name == "desktop")
    before, after = (measured(each, strategy, tmp_path)[1].hosts for each in (found, replace(far, baseline="laptop")))
    assert before["laptop"].added_latency_ms == pytest.approx(after["laptop"].added_latency_ms)
    assert before["laptop"].ms_per_token == pytest.approx(after["laptop"].ms_per_token)
    was, now = before["desktop"].added_latency_ms, after["desktop"].added_latency_ms
    assert was is not None
    assert now is not None
    assert now == pytest.approx([each + rtt_ms - trip_ms for each in was], abs=0.02)


def test_more_slots_on_a_host_that_batches_help_who_sends_all_at_once() -> None:
    batching = recorded("vllm")
    one = replace(batching, hosts=tuple(replace(host, slots=1) for host in batching.hosts))
    asked = changes("slots=laptop:4", "slots=desktop:4")
    (outcome,) = what_if(one, asked, ["all-parallel"])
    assert outcome.after.makespan_ms < 0.5 * outcome.before.makespan_ms
    assert "throughput beyond what was measured is taken to stay" in " ".join(caveats(asked, [outcome]))


def test_more_slots_on_a_host_whose_levels_show_no_gain_bring_none() -> None:
    (outcome,) = what_if(recorded("ollama-np1"), changes("slots=laptop:4", "slots=desktop:4"), ["all-parallel"])
    assert outcome.after.makespan_ms == pytest.approx(outcome.before.makespan_ms, rel=0.1)


def test_a_host_that_is_removed_is_gone_and_the_baseline_found_anew() -> None:
    found = altered(recorded("vllm"), changes("remove=laptop"))
    assert [host.name for host in found.hosts] == ["desktop"]
    assert {each.host for each in found.exchanges} == {"desktop"}
    assert {name for run in found.runs for name in run.hosts} == {"desktop"}
    assert found.baseline is None
    (outcome,) = what_if(recorded("vllm"), changes("remove=laptop"), ["pull"])
    assert outcome.after.makespan_ms > outcome.before.makespan_ms
    assert outcome.after.baseline == "desktop"
    assert "of laptop alone ->" in outcome.in_words()


def test_a_host_that_became_the_fastest_is_the_baseline() -> None:
    (outcome,) = what_if(recorded("phase-0"), changes("speed=remote:4x"), ["serial-per-side"])
    assert (outcome.before.baseline, outcome.after.baseline) == ("local", "remote")


def better(hosts: Sequence[str]) -> st.SearchStrategy[Alteration]:
    host = st.sampled_from(hosts)
    # On hosts that batch plans err by a tenth or so, either way: what changes less than that may seem to cost time.
    faster = st.builds(Alteration, st.just("speed"), host, st.floats(1.25, 8).map(lambda factor: round(factor, 2)))
    return faster | st.builds(Alteration, st.just("add"), host, st.integers(1, 3))


@settings(deadline=None, max_examples=25)
@given(
    st.data(),
    # Few prompts on hosts that batch: one that was kept back for a faster host may end alone, and late.
    st.sampled_from([("embedded", 1), ("ollama-np1", 1), ("phase-0", 1), ("llama-server-np4", 4), ("vllm", 4)]),
)
def test_a_faster_or_additional_host_never_slows_earliest_finish_down(data, case: tuple[str, int]) -> None:
    name, times = case
    change = data.draw(better([host.name for host in recorded(name).hosts]))
    (outcome,) = what_if(recorded(name), [change], ["earliest-finish"], rounds=1, times=times)
    assert outcome.after.makespan_ms <= 1.02 * outcome.before.makespan_ms


@pytest.mark.parametrize("name", ["embedded", "ollama-np1", "llama-server-np4", "vllm"])
@pytest.mark.parametrize("strategy", ["serial-per-side", "all-parallel"])
@pytest.mark.parametrize("known", [0, 1])
def test_a_second_host_is_predicted_from_the_first_alone(name: str, strategy: str, known: int) -> None:
    found = recorded(name)
    host, other = found.hosts[known], found.hosts[1 - known]
    two = altered(found, [Alteration("remove", other.name), Alteration("add", host.name)])
    two = altered(two, [Alteration("rtt", two.hosts[1].name, other.round_trip_ms)])
    (outcome,) = what_if(two, [], [strategy])
    makespans = [run.makespan_ms for run in found.runs if run.strategy == strategy and run.makespan_ms]
    assert outcome.after.makespan_ms == pytest.approx(median(makespans), rel=0.15)


def test_the_error_is_that_of_replays_that_did_not_know_the_strategy() -> None:
    asked = ["all-parallel", "serial-per-side", "pull"]
    parallel, serial, pull = what_if(recorded("embedded"), changes("add=embedded-1"), asked, rounds=1)
    for known in (parallel, serial):
        assert known.error is not None
        assert 0.01 < known.error < 0.15
        low, high = known.after.makespan_ms * (1 - known.error), known.after.makespan_ms * (1 + known.error)
        assert known.band_ms == pytest.approx((low, high))
    assert (pull.error, pull.band_ms) == (None, None)
    assert pull.worst_error == parallel.worst_error >= max(parallel.error, serial.error)
    assert "no run to tell how far replays are off for pull." in " ".join(caveats([], [parallel, pull]))


def test_where_nothing_else_tells_of_a_host_there_is_no_error() -> None:
    (serial,) = what_if(recorded("phase-0"), changes("add=local"), ["serial-per-side"])
    assert serial.error is None
    assert serial.worst_error is not None


def test_what_one_more_machine_brings_is_told_in_set_gain() -> None:
    # Two that batch eight at once are no quicker than one of them where each gets one prompt at a time.
    (pair,) = what_if(recorded("vllm"), changes("add=laptop"), ["serial-per-side"])
    assert pair.before.set_gain < 1
    (burst,) = what_if(recorded("vllm"), changes("add=laptop"), ["all-parallel"])
    assert 1 < burst.before.set_gain < burst.after.set_gain
    assert burst.before.alone == burst.after.alone == "laptop at its best, 8 in flight"


def test_an_outcome_is_one_line() -> None:
    (outcome,) = what_if(recorded("embedded"), changes("add=embedded-1*2", "slots=embedded-1:1"), ["pull"])
    said = outcome.in_words()
    assert said.startswith(f"pull: set gain {outcome.before.set_gain:.2f} now, {outcome.after.set_gain:.2f} with ")
    assert " with embedded-3 to embedded-4, with 1 slot on embedded-1 (embedded-1 at its best, 1 in flight); " in said
    assert f"; {outcome.before.makespan_ms:,.0f} ms now, {outcome.after.makespan_ms:,.0f} ms then (" in said
    assert " of embedded-1 alone); no error of its own, replays of other strategies were off by up to " in said
    assert "\n" not in said
    own = replace(outcome, error=0.05, after=outcome.after._replace(makespan_ms=2000.0))
    assert own.in_words().endswith("; replays of it were off by up to 5.0%: 1,900 to 2,100 ms")
    assert "no run to hold" in replace(outcome, worst_error=None).in_words()


def test_outcomes_are_the_same_every_time() -> None:
    def anew() -> list[Outcome]:
        once.clear()
        return what_if(recorded("vllm"), changes("add=desktop"), ["pull", "weighted"], times=2)

    assert anew() == anew()
