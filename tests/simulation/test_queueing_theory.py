"""A simulated load against queueing theory: request by request what the recursion says, and that what theory says."""

from __future__ import annotations

import math
from statistics import fmean

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.judge.load import figures
from outpace.judge.slo import parse_slo
from queueing import coordinated, draws, erlang_c, mean_wait, mean_waits, waits
from virtual import NumberEngine, coordinate


@settings(max_examples=30)
@given(
    load=st.floats(0.05, 1.4),
    servers=st.integers(1, 5),
    requests=st.integers(1, 120),
    fixed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_wait_is_that_of_one_queue_before_all_hosts(
    load: float, servers: int, requests: int, fixed: bool, seed: int
) -> None:
    due_s, work_s = draws(load, servers, requests, fixed=fixed, seed=seed)
    assert coordinated(due_s, work_s, servers) == pytest.approx(waits(due_s, work_s, servers), abs=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("servers", [1, 2, 10])
def test_queues_wait_as_theory_has_it(servers: int, load: float, fixed: bool) -> None:
    """Within four standard errors; within 1 %, by more requests: tests/studies/queueing_theory.py."""
    found, truth = mean_waits(load, servers, fixed=fixed, requests=2000), mean_wait(load, servers, fixed=fixed)
    error = found.std() / math.sqrt(found.size)
    assert found.mean() == pytest.approx(truth, abs=4 * error)
    assert error < (0.01 if load * servers != 3 else 0.05) * truth, "as many requests as it takes to tell"


def test_the_formulas_agree_where_they_meet() -> None:
    assert erlang_c(0.7, 1) == pytest.approx(0.7)
    assert mean_wait(0.7, 1, fixed=False) == pytest.approx(0.7 / 0.3)
    assert mean_wait(0.99, 4, fixed=True) / mean_wait(0.99, 4, fixed=False) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("hosts", [2, 10])
@pytest.mark.parametrize("fixed", [True, False])
def test_one_queue_waits_less_than_the_fewest_in_flight_and_that_less_than_chance(hosts: int, fixed: bool) -> None:
    """No decision is better than one that is made when a host is free; the fewest in flight is not the least work."""
    due_s, work_s = draws(0.8, hosts, 1500, fixed=fixed)
    found = [fmean(coordinated(due_s, work_s, hosts, each)) for each in ("pull", "least-in-flight", "random")]
    assert found[0] == pytest.approx(fmean(waits(due_s, work_s, hosts)), abs=1e-6)
    assert found[0] <= found[1] + 1e-9
    assert 1.5 * found[1] < found[2]


def test_a_pause_is_in_the_latency_of_all_whom_it_kept_waiting() -> None:
    """Coordinated omission: a client that counts from sending sees the pause in one request, and some twenty met it."""

    async def pauses(_engine: NumberEngine, number: int, now_s: float) -> None:
        if number == 200:
            await anyio.sleep(2.0)

    outcome, _ = coordinate(
        [NumberEngine("a", lambda _: 0.01, pauses)], "pull", due_s=[0.1 * number for number in range(400)]
    )
    told = figures(outcome.run, parse_slo("e2e:p99<1s"))
    sent_ms = sorted(each.wall_ms for each in outcome.run.requests)
    assert (fmean(sent_ms), sent_ms[int(0.99 * len(sent_ms))]) == pytest.approx((15, 10), abs=0.1)
    assert told.latencies["e2e_ms"]["mean"].value == pytest.approx(68, abs=1)
    assert told.at_objectives == (pytest.approx(1740, abs=10),)
