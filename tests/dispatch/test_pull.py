"""The strategy pull: each host gets the next prompt when it has room."""

from __future__ import annotations

import pytest

from workers import Worker, dispatch, makespan_s


def test_pull_gives_each_host_the_next_when_it_has_room() -> None:
    works = [4.0, 1.0, 1.0, 1.0, 1.0, 2.0]
    a, b = Worker("a", works), Worker("b", works)
    assert makespan_s(dispatch("pull", [a, b], works)) == pytest.approx(6)
    assert a.asked == [(0.0, 0), (pytest.approx(4.0), 5)]
    assert b.asked == [(pytest.approx(float(at)), at + 1) for at in range(4)]


def test_pull_keeps_hosts_full() -> None:
    works = [1.0] * 24
    a, b = Worker("a", works), Worker("b", works, slots=3)
    assert makespan_s(dispatch("pull", [a, b], works)) == pytest.approx(6)
    assert (a.most_in_flight, b.most_in_flight) == (1, 3)
    assert len(b.asked) == 18


def test_pull_lets_no_host_take_more_than_its_share_of_the_last_prompts() -> None:
    works = [10.0] * 4
    b = Worker("b", works, 1.0, slots=4)
    dispatch("pull", [Worker("a", works, 10.0), b], works)
    assert b.most_in_flight == 2  # of four, at 4 of 14 tokens a second
