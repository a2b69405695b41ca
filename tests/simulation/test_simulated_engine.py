"""The simulated engine against the replay of the recorded bytes over the whole client: the same to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.dispatch import STRATEGIES, Outcome
from outpace.ground.errors import HostUnusable
from outpace.ground.records import FailedAttempt, Run
from outpace.measure import session as measuring
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording.recording import Recording, Scene
from outpace.simulation.altered_recording import altered
from outpace.simulation.fault_schedule import Fault, parse_all
from outpace.workload import arrivals
from outpace.workload.arrivals import arriving
from recorded import NAMES, changes, recorded
from replayed_over_http import ReplayedOverHttp, replaying


def played(
    recording: Recording, strategies: Sequence[str], times: int, *, over_http: bool, **asked: Any
) -> tuple[list[Outcome], list[list[str]]]:
    """A round of each strategy: what came of it, and what was noticed of each host."""
    with replaying(recording, times, over_http=over_http, **asked) as session:
        found = [
            session.run(Scene(each, each, number, part))
            for number, each in enumerate(strategies)
            for part in ("run", "baseline")
        ]
        noticed = [engine.noticed.in_words(name) for name, engine in session.engines.items()]
        queues = [[str(engine.server_includes_queue)] for engine in session.engines.values()]
    return found, noticed + queues


def arrived(recording: Recording, strategy: str, how: str, *, over_http: bool, queue: int | None, **asked: Any) -> Run:
    """A run of forty requests that arrive."""
    with replaying(recording, 1, over_http=over_http, **asked) as session:
        work = arriving(session.settings.workload, arrivals.parse(how), seed=5, requests=40)
        hosts = session.hosts_of(strategy)
        return session.runs.execute(
            strategy, session.find_strategy(strategy), hosts, work=work, healthy=False, queue=queue
        ).run


def agree(recording: Recording, strategies: Sequence[str], times: int = 1, **asked: Any) -> list[Outcome]:
    """Require that both replays are equal; gives what came of them."""
    ours = played(recording, strategies, times, over_http=False, **asked)
    theirs = played(recording, strategies, times, over_http=True, **asked)
    for mine, other in zip(ours[0], theirs[0], strict=True):
        assert mine.answers == other.answers
        assert mine.run.makespan_ms == other.run.makespan_ms
        assert mine.run.requests == other.run.requests
        assert mine == other
    assert ours[1] == theirs[1]
    return ours[0]


@pytest.mark.parametrize("name", NAMES)
def test_both_give_the_same_figures_under_every_strategy(name: str) -> None:
    agree(recorded(name), list(STRATEGIES))


@pytest.mark.parametrize("name", ["llama-server-np4", "vllm"])
def test_they_do_where_limits_listen(name: str) -> None:
    agree(recorded(name), ["pull", "capacity-aware", "earliest-finish"], times=4, limits="adaptive")


@settings(max_examples=5)
@given(
    st.sampled_from(["ollama-np1", "llama-server-np4", "vllm"]),
    st.lists(
        st.sampled_from(["add=HOST*3", "speed=HOST:1.7x", "rtt=HOST:0ms", "rtt=HOST:35ms", "slots=HOST:3"]), max_size=3
    ),
    st.sampled_from(["pull", "earliest-finish", "all-parallel", "hedged", "weighted"]),
    st.sampled_from([1, 2, "sweep", "adaptive"]),
    st.integers(0, 1),
)
def test_they_do_whatever_is_altered(name: str, texts: list[str], strategy: str, limits: Any, which: int) -> None:
    found = recorded(name)
    for text in texts:
        found = altered(found, changes(text.replace("HOST", found.hosts[which].name)))
    agree(found, [strategy], times=2, limits=limits)


@settings(max_examples=5)
@given(
    st.sampled_from(NAMES),
    st.sampled_from(["poisson:2/s", "constant:5/s", "gamma:40/min,cv=3"]),
    st.sampled_from(["pull", "earliest-finish", "hedged", "serial-per-side", "random", "least-in-flight"]),
    st.sampled_from([None, 0, 3]),
    # None begins when a request is due: which is seen first in one moment depends on how long a failure is on its way.
    st.sampled_from(
        [(), ("resets@2003ms-3003ms",), ("dies@2003ms-4003ms",), ("busy(2s)@1003ms-4s", "slow(3)@5003ms-9s")]
    ),
)
def test_they_do_under_arrivals(name: str, how: str, strategy: str, queue: int | None, faults: tuple[str, ...]) -> None:
    found = recorded(name)
    given = parse_all([f"{found.hosts[-1].name}:{fault}" for fault in faults])
    ours, theirs = (
        arrived(found, strategy, how, over_http=over_http, queue=queue, faults=given) for over_http in (False, True)
    )
    assert ours.requests == theirs.requests
    assert ours.makespan_ms == theirs.makespan_ms
    assert [attempt(each) for each in ours.failed_attempts] == [attempt(each) for each in theirs.failed_attempts]


FAULTS = (
    "refuses@1s-3s", "resets@2s-3s", "truncates@1s-2s", "dies@1500ms", "dies@2s-4s", "silent@1s-9s", "silent@2s",
    "busy(2s)@1s-4s", "busy@0s-1s", "errors@2s-4s", "garbage@1s-3s", "endless@2s-3s", "slow(3)@1s-5s", "slow",
)  # fmt: skip


@pytest.mark.parametrize("name", ["ollama-np1", "llama-server-np4"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_faults_act_on_both(name: str, fault: str) -> None:
    found = recorded(name)
    ours, theirs = (
        played(found, ["pull"], 3, over_http=over_http, faults=parse_all([f"{found.hosts[1].name}:{fault}"]))[0]
        for over_http in (False, True)
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert list(map(attempt, mine.run.failed_attempts)) == list(map(attempt, other.run.failed_attempts))
        assert mine.answers == other.answers
        assert mine.run.requests == other.run.requests
        assert mine.run.makespan_ms == other.run.makespan_ms
    if fault != "slow" and not fault.startswith(("slow", "silent@1s")):
        assert ours[0].run.failed_attempts


def attempt(failed: FailedAttempt) -> tuple[Any, ...]:
    """An attempt that gave no answer; what is said of it may be said in other words."""
    return failed.prompt, failed.host, failed.start_ms, failed.wall_ms, failed.kind


def test_a_clock_that_jumps_and_faults_of_all_hosts_act_on_both() -> None:
    faults = (*parse_all(["clock:jumps(5s)@2s", "*:slow(2)@1s-4s"]), Fault("laptop", "resets", 6.0, 8.0))
    for over_http in (False, True):
        outcome = played(recorded("ollama-np1"), ["pull"], 2, over_http=over_http, faults=faults)[0][0]
        assert not outcome.run.failed


def test_a_prompt_that_is_not_recorded_is_refused_by_both() -> None:
    found = recorded("vllm")
    other = replace(found.workload.prompts[1], text="never asked")
    prompts = (found.workload.prompts[0], other)
    asked = {"know_lengths": False}
    for over_http in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if over_http:
                patch.setattr(measuring, "open_world", lambda given, _, faults: ReplayedOverHttp(found, given, faults))
            with (
                pytest.raises(HostUnusable, match="not in the recording"),
                Session(Settings(recording=found, workload=replace(found.workload, prompts=prompts), **asked)),
            ):
                pass
