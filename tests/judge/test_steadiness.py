"""The warm-up that is cut off, and queues that grow: against queues whose truth is known."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest

from outpace.judge.steadiness import FEWEST, grew_since_half, grows, warm_up


def single_server(load: float, requests: int, seed: int) -> tuple[list[float], list[float]]:
    """When requests are due at one server that works 100 ms on each on average, and when they are done."""
    chance = random.Random(seed)
    due_ms = list(accumulate(chance.expovariate(load / 100) for _ in range(requests)))
    done_ms, free_ms = [], 0.0
    for due in due_ms:
        free_ms = max(free_ms, due) + chance.expovariate(1 / 100)
        done_ms.append(free_ms)
    return due_ms, done_ms


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_a_queue_that_is_steady_is_seldom_called_overload(load: float) -> None:
    said = sum(grows(*single_server(load, 400, seed)) for seed in range(200))
    assert said <= 6


@pytest.mark.parametrize(("load", "requests"), [(1.3, 600), (2.0, 100), (5.0, 80)])
def test_overload_is_found(load: float, requests: int) -> None:
    said = sum(grows(*single_server(load, requests, seed)) for seed in range(100))
    assert said >= 90


def test_many_in_work_at_once_are_no_overload() -> None:
    """A set with room for a hundred requests has a hundred in work, and none of them waits."""
    chance = random.Random(3)
    due_ms = list(accumulate(chance.expovariate(1.0) for _ in range(500)))
    assert not grows(due_ms, [due + chance.uniform(80, 120) for due in due_ms])


def test_many_hosts_of_all_speeds_are_no_queue_that_grows() -> None:
    """Nobody waits, yet a quick answer is one of the fastest few: far more are in work than it tells."""
    chance = random.Random(3)
    due_ms = list(accumulate(chance.expovariate(1.0) for _ in range(20_000)))
    done_ms = [due + chance.lognormvariate(7, 1) for due in due_ms]
    assert grows(due_ms, done_ms)
    assert not grew_since_half(due_ms, done_ms)


@pytest.mark.parametrize(("load", "requests"), [(1.3, 1500), (2.0, 300), (5.0, 100)])
def test_a_queue_that_grows_is_longer_at_the_end_than_half_way(load: float, requests: int) -> None:
    said = sum(grew_since_half(*single_server(load, requests, seed)) for seed in range(100))
    assert said >= 90
    assert sum(grew_since_half(*single_server(0.7, requests, seed)) for seed in range(100)) <= 3


def test_a_few_requests_are_no_overload() -> None:
    assert not grows([0.0] * (FEWEST - 1), [1e9] * (FEWEST - 1))


def test_a_warm_up_is_cut_off() -> None:
    chance = random.Random(1)
    values = [1000.0 - 40 * turn for turn in range(20)] + [100 + chance.random() for _ in range(200)]
    found = warm_up(values)
    assert found is not None
    assert 15 <= found <= 40


def test_what_is_steady_from_the_start_has_next_to_no_warm_up() -> None:
    chance = random.Random(2)
    found = warm_up([chance.gauss(100, 5) for _ in range(300)])
    assert found is not None
    assert found <= 60


def test_what_grows_to_the_end_has_no_steady_state() -> None:
    assert warm_up([float(turn) for turn in range(200)]) is None


def test_the_same_value_throughout_is_steady() -> None:
    assert warm_up([5.0] * 100) == 0
