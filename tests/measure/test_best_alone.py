"""The best alone and the set gain, on engines whose truth is known: which host it is, and what the others add."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from outpace.judge import capacity
from outpace.judge.capacity import Level
from outpace.judge.comparison import Comparison
from outpace.measure.best_alone import find_best_alone
from outpace.measure.measurement import ORDERS, Measurement
from outpace.measure.session import Session
from outpace.measure.sweep import sweep
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from reference.model import Model, Work
from reference.truth import Truth
from reference_session import virtual_session

LENGTHS = (10, 7, 13, 9, 11, 5, 12, 8)
TOKENS = dict(zip(DEFAULT_PROMPTS, LENGTHS, strict=True))
WORK = workload(DEFAULT_PROMPTS, Generation(max_tokens=64))

BATCHING = Truth(1000 / 8, 5.0, 4, batching={4: 4.0}, tokens=TOKENS)
"""Four slots that batch, 8 ms a token."""
FAR = Truth(1000 / 14, 5.0, 1, delay_to_ms=7.5, delay_from_ms=7.5, tokens=TOKENS)
"""One slot, 14 ms a token, 15 ms away."""
QUEUEING = Truth(1000 / 8, 5.0, 1, tokens=TOKENS)
NOTHING = Truth(1000 / 80_000, 5.0, 1, tokens=TOKENS)
"""It answers one request in the time in which the others answer ten thousand."""

Shares = Mapping[str, tuple[Sequence[int], int]]
"""By host, the prompts that are its own to answer, in their order, and how many of them are in flight at once."""


def makespan_ms(truths: Mapping[str, Truth], shares: Shares) -> float:
    """What ``shares`` take where nothing but the engines takes time: their own model, and no client at all."""
    ends_ms = []
    for host, (prompts, in_flight) in shares.items():
        truth, waiting, ends = truths[host], deque(prompts), []
        model = Model(truth)

        def send(at_s: float, truth: Truth = truth, waiting=waiting, model=model, ends=ends) -> None:
            if waiting:
                text = DEFAULT_PROMPTS[waiting.popleft()]
                marks_ms = [truth.prompt_ms, truth.work_ms(text)]
                model.arrive(at_s + truth.delay_to_ms / 1000, Work(marks_ms, arrived()))

        def arrived(send=send, truth: Truth = truth, ends=ends):
            marks: list[float] = []

            def tell(at_s: float | None) -> None:
                marks.append(at_s or math.nan)
                if len(marks) == 2:
                    ends.append(at_s + truth.delay_from_ms / 1000)
                    send(ends[-1])

            return tell

        for _ in range(in_flight):
            send(0.0)
        while (next_s := model.next_s()) is not None:
            model.advance(next_s)
        ends_ms.append(max(ends, default=0.0) * 1000)
    return max(ends_ms)


def measured(session: Session, strategy: str, folder: Path, rounds: int = 6) -> Comparison:
    measurement = Measurement(session, strategy, report_dir=folder)
    measurement.measure(rounds)
    return measurement.comparison()


def dealt(hosts: Sequence[str], in_flight: int) -> Shares:
    return {host: (range(index, 8, len(hosts)), in_flight) for index, host in enumerate(hosts)}


EVERYTHING = range(8)


@pytest.mark.parametrize("swept", [True, False], ids=["after sweeps", "in passing"])
@pytest.mark.parametrize(
    ("truths", "best", "strategy", "shares"),
    [
        pytest.param({"a": BATCHING, "b": FAR}, "a", "all-parallel", dealt("ab", 4), id="a batches, b is far"),
        pytest.param({"a": QUEUEING, "b": QUEUEING}, "a", "serial-per-side", dealt("ab", 1), id="two that queue"),
        pytest.param({"a": BATCHING, "b": BATCHING}, "a", "all-parallel", dealt("ab", 4), id="two that batch"),
        pytest.param(
            {"a": QUEUEING, "b": replace(BATCHING, tokens_per_s=90.0)},
            "b",
            "all-parallel",
            dealt("ab", 4),
            id="the slower one is the best alone",
        ),
        pytest.param({"a": BATCHING}, "a", "sequential", {"a": (EVERYTHING, 1)}, id="a host by itself"),
    ],
)
def test_the_set_gain_is_within_a_hundredth_of_the_truth(
    truths: Mapping[str, Truth],
    best: str,
    strategy: str,
    shares: Shares,
    swept: bool,
    tmp_path: Path,
) -> None:
    alone_ms = {
        (host, count): makespan_ms(truths, {host: (EVERYTHING, count)}) for host in truths for count in range(1, 9)
    }
    least_ms = min(alone_ms.values())
    with virtual_session(truths, workload=WORK, baseline="a") as session:
        for host in truths if swept else ():
            sweep(session, host)
        found = measured(session, strategy, tmp_path)
    assert found.best_alone is not None
    assert found.gain is not None
    assert found.best_alone.host == best
    assert alone_ms[found.best_alone.host, found.best_alone.in_flight] == pytest.approx(least_ms, rel=0.01)
    assert found.gain.median == pytest.approx(least_ms / makespan_ms(truths, shares), rel=0.01)
    assert ("sweep of" in found.best_alone.found) is swept


def test_two_equal_hosts_that_queue_gain_exactly_what_they_are_faster(tmp_path: Path) -> None:
    with virtual_session({"a": QUEUEING, "b": QUEUEING}, workload=WORK) as session:
        found = measured(session, "serial-per-side", tmp_path)
    assert found.gain is not None
    assert found.gain.median == pytest.approx(found.speedup)


def test_a_host_that_adds_nothing_gains_nothing(tmp_path: Path) -> None:
    # Answers of one length: what comes of the order of prompts is not what the other machines add.
    alike, nothing = (replace(truth, tokens=10) for truth in (BATCHING, NOTHING))
    with virtual_session({"a": alike, "b": nothing}, workload=WORK, timeout_s=1e7) as session:
        sweep(session, "a")
        queues = capacity.classify([Level(1, 1.0, 1.0), Level(2, 1.0, 2.0)])
        session.knowledge.capacities["b"] = queues  # of which a sweep would take days
        found = measured(session, "earliest-finish", tmp_path)
    assert found.gain is not None
    assert found.gain.median == pytest.approx(1.0, rel=0.01)
    assert found.speedup == pytest.approx(4.0, rel=0.01)


# How a round goes


@pytest.mark.parametrize(("parts", "pairs"), [(("baseline", "alone", "run"), 3), (("baseline", "run"), 1)])
def test_every_order_is_followed_by_its_reverse_and_none_is_favoured(parts: Sequence[str], pairs: int) -> None:
    orders = [tuple(part for part in order if part in parts) for order in ORDERS]
    assert [order[::-1] for order in orders[::2]] == orders[1::2]
    before = Counter((one, other) for order in orders for one in order for other in order[order.index(one) + 1 :])
    assert set(before.values()) == {3}
    assert len(before) == 2 * pairs
    assert len(set(ORDERS)) == len(ORDERS) == 6


def parts_run(session: Session, strategy: str, folder: Path, rounds: int) -> list[list[str]]:
    """The parts of each round, in the order in which they were run."""
    seen: list[list[str]] = []
    run = session.run

    def noting(scene):
        if scene.round == len(seen):
            seen.append([])
        seen[scene.round].append(scene.part)
        return run(scene)

    session.run = noting  # type: ignore[method-assign]
    measured(session, strategy, folder, rounds)
    return seen


def test_a_round_has_three_runs_whose_order_goes_round(tmp_path: Path) -> None:
    with virtual_session({"a": BATCHING, "b": FAR}, workload=WORK) as session:
        assert parts_run(session, "all-parallel", tmp_path, 7) == [*map(list, ORDERS), list(ORDERS[0])]


def test_where_the_baseline_is_the_best_alone_nothing_is_run_twice(tmp_path: Path) -> None:
    with virtual_session({"a": QUEUEING, "b": FAR}, workload=WORK) as session:
        pair = ["baseline", "run"]
        assert parts_run(session, "serial-per-side", tmp_path, 4) == [pair, pair[::-1]] * 2


def test_it_is_found_once_a_session_whatever_is_measured(tmp_path: Path) -> None:
    with virtual_session({"a": BATCHING, "b": FAR}, workload=WORK) as session:
        first = measured(session, "all-parallel", tmp_path, 1).best_alone
        before = session.now()
        again = measured(session, "serial-per-side", tmp_path, 1).best_alone
        assert first == again
        assert session.now() - before < 12.0  # a round, and no search


# How it is found


def tried(session: Session) -> list[tuple[str, int]]:
    """Which hosts did the whole workload, with how many in flight, until the best alone was found."""
    asked: list[tuple[str, int]] = []
    run_alone = session.run_alone

    def noting(host: str, in_flight: int, turn: int = 0):
        asked.append((host, in_flight))
        return run_alone(host, in_flight, turn)

    session.run_alone = noting  # type: ignore[method-assign]
    found = find_best_alone(session)
    assert (found.host, found.in_flight) == asked[0] == ("a", 1)
    return asked


def test_a_host_that_queues_is_left_alone_after_two_levels_and_one_that_cannot_win_at_once() -> None:
    slow, hopeless = (replace(QUEUEING, tokens_per_s=QUEUEING.tokens_per_s / by) for by in (3, 9))
    with virtual_session({"a": QUEUEING, "slow": slow, "hopeless": hopeless}, workload=WORK) as session:
        assert tried(session) == [("a", 1), ("a", 2), ("slow", 2), ("a", 4), ("slow", 4)]


def test_after_sweeps_nothing_is_tried_where_it_is_plain() -> None:
    with virtual_session({"a": BATCHING, "b": FAR}, workload=WORK) as session:
        for host in "ab":
            sweep(session, host)
        before_s = session.now()
        assert find_best_alone(session).host == "a"
        assert session.now() == before_s


def test_hosts_that_come_near_do_the_whole_workload_three_times() -> None:
    near = replace(BATCHING, tokens_per_s=BATCHING.tokens_per_s * 0.9)
    with virtual_session({"a": near, "b": BATCHING}, workload=WORK, baseline="a") as session:
        for host in "ab":
            sweep(session, host)
        found = find_best_alone(session)
    assert found.host == "b"
    assert found.found == "found by a sweep of each host and 6 runs of the workload"


def test_the_baseline_wins_a_tie() -> None:
    near = replace(QUEUEING, tokens_per_s=QUEUEING.tokens_per_s * 0.97)
    with virtual_session({"a": near, "b": QUEUEING}, workload=WORK, baseline="a") as session:
        found = find_best_alone(session)
    assert (found.host, found.in_flight) == ("a", 1)


def test_a_host_that_fails_with_several_at_once_is_as_good_as_it_was_with_fewer() -> None:
    easily_full = replace(BATCHING, slots=2, queue=0, retry_after_s=60)
    with virtual_session({"a": easily_full, "b": FAR}, workload=WORK, timeout_s=5.0) as session:
        found = find_best_alone(session)
    assert (found.host, found.in_flight) == ("a", 2)


def test_strategies_with_one_in_flight_are_not_held_against_four_without_a_word(tmp_path: Path) -> None:
    with virtual_session({"a": BATCHING, "b": FAR}, workload=WORK) as session:
        unswept = measured(session, "pull", tmp_path, 1)
        published = measured(session, "all-parallel", tmp_path, 1)
    (note,) = [note for note in unswept.notes if "No sweep was made" in note]
    assert "one request in flight" in note
    assert not any("No sweep was made" in note for note in published.notes)
