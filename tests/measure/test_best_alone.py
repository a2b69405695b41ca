"""The best alone and the set gain, on engines whose truth is known: which host it is, and what the others add."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from outpace.ground.records import BestAlone
from outpace.judge import capacity
from outpace.judge.capacity import Level
from outpace.judge.comparison import Comparison
from outpace.measure.best_alone import find_best_alone
from outpace.measure.measurement import ORDERS, Measurement
from outpace.measure.session import Session
from outpace.measure.sweep import sweep
from outpace.recording import har
from outpace.report import document
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from recorded import measured as recorded_and_measured
from recorded import recorded
from reference.truth import Truth
from reference_session import virtual_session
from true_makespan import Shares, dealt, makespan_ms

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


def measured(session: Session, strategy: str, folder: Path, rounds: int = 6) -> Comparison:
    measurement = Measurement(session, strategy, report_dir=folder)
    measurement.measure(rounds)
    return measurement.comparison()


EVERYTHING = range(8)
LONGEST_FIRST = sorted(EVERYTHING, key=lambda prompt: -LENGTHS[prompt])


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
        (host, count, order is LONGEST_FIRST): makespan_ms(truths, {host: (order, count)})
        for host in truths
        for count in range(1, 9)
        for order in (EVERYTHING, LONGEST_FIRST)
    }
    least_ms = min(alone_ms.values())
    with virtual_session(truths, workload=WORK, baseline="a") as session:
        for host in truths if swept else ():
            sweep(session, host)
        found = measured(session, strategy, tmp_path)
    assert found.best_alone is not None
    assert found.gain is not None
    alone = found.best_alone
    assert alone.host == best
    assert alone_ms[alone.host, alone.in_flight, alone.longest_first] == pytest.approx(least_ms, rel=0.01)
    assert found.gain.median == pytest.approx(least_ms / makespan_ms(truths, shares), rel=0.01)
    assert ("sweep of" in found.best_alone.found) is swept


def test_two_equal_hosts_that_queue_gain_exactly_what_they_are_faster(tmp_path: Path) -> None:
    with virtual_session({"a": QUEUEING, "b": QUEUEING}, workload=WORK) as session:
        found = measured(session, "serial-per-side", tmp_path)
    assert found.gain is not None
    assert found.gain.median == pytest.approx(found.speedup)


def with_nothing(truth: Truth, folder: Path, **asked: bool) -> tuple[Session, Comparison]:
    """Earliest-finish, which sends the longest first, over a host and one that answers nothing in time."""
    with virtual_session({"a": truth, "b": NOTHING}, workload=WORK, timeout_s=1e7, **asked) as session:
        for host, most in (("a", truth.slots), ("b", 1)):  # of which a sweep would take days
            gains = [float(min(level, most)) for level in (1, 2, 4, 8)]
            levels = [Level(round(2**at), gain, 1.0, (gain,) * 3) for at, gain in enumerate(gains)]
            session.knowledge.capacities[host] = capacity.classify(levels)
        return session, measured(session, "earliest-finish", folder)


def test_a_host_that_adds_nothing_gains_nothing_whatever_the_order_of_prompts_brings(tmp_path: Path) -> None:
    _, found = with_nothing(BATCHING, tmp_path)
    assert found.best_alone is not None
    assert found.best_alone.longest_first
    assert found.gain is not None
    assert found.gains == pytest.approx([1.0] * 6, rel=0.01)
    one_by_one_ms, at_best_ms = (
        makespan_ms({"a": BATCHING}, {"a": share}) for share in ((EVERYTHING, 1), (LONGEST_FIRST, 4))
    )
    assert found.speedup == pytest.approx(one_by_one_ms / at_best_ms, rel=0.01)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"know_lengths": False}, id="lengths that strategies may not know"),
        pytest.param({"tokens": 20}, id="lengths all alike"),
        pytest.param({"tokens": dict(zip(DEFAULT_PROMPTS, sorted(LENGTHS)[::-1], strict=True))}, id="as good already"),
        pytest.param({"slots": 1}, id="one at a time"),
    ],
)
def test_prompts_keep_their_order_where_another_is_no_better(asked: dict, tmp_path: Path) -> None:
    session_s = {name: asked.pop(name) for name in ("know_lengths",) if name in asked}
    session, found = with_nothing(replace(BATCHING, **asked), tmp_path, **session_s)
    assert session.best_alone is not None
    assert not session.best_alone.longest_first
    alone = found.best_alone
    assert alone is not None
    assert (alone.host, alone.order) == ("a", "")


def test_a_recording_keeps_the_order_and_its_replay_has_it(tmp_path: Path) -> None:
    best = BestAlone("laptop", 4, "as it was", True)
    har.write(tmp_path / "kept.json", replace(recorded("llama-server-np4"), best_alone=best))
    found = har.read(tmp_path / "kept.json")
    assert found.best_alone == best
    measurement, comparison = recorded_and_measured(found, "pull", tmp_path)
    assert comparison.best_alone == replace(best, found="as in the recording: as it was")
    (alone,) = {(each.alone.strategy, each.alone.hosts) for each in measurement.rounds if each.alone is not None}
    assert alone == ("earliest-finish", ("laptop",))
    assert document.read(measurement.path)["summary"]["best_alone"]["longest_first"]


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

    def noting(host: str, in_flight: int, *more):
        asked.append((host, in_flight))
        return run_alone(host, in_flight, *more)

    session.run_alone = noting  # type: ignore[method-assign]
    found = find_best_alone(session)
    assert (found.host, found.in_flight) == asked[0] == ("a", 1)
    return asked


def test_a_host_that_queues_is_left_alone_after_two_levels_and_one_that_cannot_win_at_once() -> None:
    slow, hopeless = (replace(QUEUEING, tokens_per_s=QUEUEING.tokens_per_s / by) for by in (3, 9))
    with virtual_session({"a": QUEUEING, "slow": slow, "hopeless": hopeless}, workload=WORK) as session:
        assert tried(session) == [("a", 1), ("a", 2), ("slow", 2), ("a", 4), ("slow", 4)]


@pytest.mark.parametrize(("alike", "in_flight", "runs"), [(True, 4, "1 run"), (False, 4, "7 runs")])
def test_after_sweeps_the_plain_winner_is_tried_in_both_orders_where_lengths_differ(
    alike: bool, in_flight: int, runs: str
) -> None:
    batching = replace(BATCHING, tokens=20) if alike else BATCHING
    with virtual_session({"a": batching, "b": FAR}, workload=WORK) as session:
        for host in "ab":
            sweep(session, host)
        found = find_best_alone(session)
    assert (found.host, found.in_flight, found.longest_first) == ("a", in_flight, not alike)
    assert found.found == f"found by a sweep of each host and {runs} of the workload"


def test_after_sweeps_nothing_is_tried_where_one_at_a_time_is_best() -> None:
    with virtual_session({"a": QUEUEING, "b": FAR}, workload=WORK) as session:
        for host in "ab":
            sweep(session, host)
        before_s = session.now()
        assert find_best_alone(session).host == "a"
        assert session.now() == before_s


def test_hosts_that_come_near_do_the_whole_workload_three_times() -> None:
    near, nearest = (replace(BATCHING, tokens_per_s=BATCHING.tokens_per_s * by, tokens=20) for by in (0.9, 1.0))
    with virtual_session({"a": near, "b": nearest}, workload=WORK, baseline="a") as session:
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
