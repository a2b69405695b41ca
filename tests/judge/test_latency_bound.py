"""The lower bound of the mean latency: against schedules of requests that arrive, and where it is known exactly."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.records import RequestRecord, Run
from outpace.judge.bounds import Machine
from outpace.judge.efficiency import HostSpeed, latency_efficiency
from outpace.judge.latency_bound import least_mean_ms

arrivals = st.lists(st.tuples(st.floats(0, 500), st.floats(0.1, 100)), min_size=1, max_size=20)
machines = st.lists(
    st.builds(Machine, st.floats(0.1, 4), st.just(1.0), st.floats(0, 20)),
    min_size=1,
    max_size=4,
)


@given(arrivals, machines, st.data())
def test_no_schedule_beats_it(arrivals, machines, data):
    """Each request goes to any machine, and each machine takes its own in any order."""
    mine = [[] for _ in machines]
    for each in arrivals:
        mine[data.draw(st.integers(0, len(machines) - 1), label="machine")].append(each)
    latencies = []
    for machine, share in zip(machines, mine, strict=True):
        now = 0.0
        for due, work in data.draw(st.permutations(share), label="order") if share else ():
            now = max(now, due + machine.trip_ms / 2) + work / machine.speed
            latencies.append(now + machine.trip_ms / 2 - due)
    assert least_mean_ms(arrivals, machines) <= fmean(latencies) * (1 + 1e-9)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=20))
def test_one_machine_that_has_all_at_once_reaches_it_shortest_first(works):
    ends, now = [], 0.0
    for work in sorted(works):
        now += work
        ends.append(now)
    assert least_mean_ms([(0.0, work) for work in works], [Machine(1.0)]) == pytest.approx(fmean(ends))


def test_what_is_nearly_done_goes_before_what_is_short_and_a_short_one_before_a_long_one_that_has_begun() -> None:
    # The long one works from 0 to 1, the short one from 1 to 3, the long one on to 12.
    assert least_mean_ms([(0.0, 10.0), (1.0, 2.0)], [Machine(1.0)]) == pytest.approx((12 + 2) / 2)
    # The long one has 1 left when the short one comes, and ends first.
    assert least_mean_ms([(0.0, 10.0), (9.0, 2.0)], [Machine(1.0)]) == pytest.approx((10 + 3) / 2)


def test_nobody_is_quicker_than_alone_however_many_machines_there_are() -> None:
    assert least_mean_ms([(0.0, 10.0)], [Machine(2.0, trip_ms=1.0)] * 50) == pytest.approx(6.0)


def test_a_machine_that_batches_has_its_throughput() -> None:
    assert least_mean_ms([(0.0, 1.0)] * 64, [Machine(1.0, 4.0)]) == pytest.approx(fmean(k / 4 for k in range(1, 65)))


BASELINE = Run("sequential", ("a",), 40.0, (RequestRecord(0, "a", 0.0, 10.0), RequestRecord(1, "a", 10.0, 30.0)))


def test_the_share_of_the_limit_is_of_prompts_that_come_again_and_again() -> None:
    def run(*walls: float) -> Run:
        requests = [
            RequestRecord(index, "a", 100.0 * index, wall, due_ms=100.0 * index) for index, wall in enumerate(walls)
        ]
        return Run("s", ("a",), 999.0, tuple(requests))

    hosts = {"a": HostSpeed(40.0)}
    assert latency_efficiency(run(10, 30, 10, 30), BASELINE, hosts) == pytest.approx(1)
    assert latency_efficiency(run(20, 60, 20, 60), BASELINE, hosts) == pytest.approx(0.5)
    assert latency_efficiency(run(9, 29, 9, 29), BASELINE, hosts) == 1  # hosts drift


def test_it_is_not_told_where_one_has_no_answer() -> None:
    unanswered = Run("s", ("a",), 999.0, (RequestRecord(0, None, None, 0.0, error="refused: x"),))
    assert latency_efficiency(unanswered, BASELINE, {"a": HostSpeed(40.0)}) is None
