"""How near to the limit a run came: bounds of simulated runs against the truth that they were simulated from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.records import RequestRecord, Run
from outpace.judge.bounds import Machine, lower_bound_ms
from outpace.judge.efficiency import HostSpeed, seen_speeds, with_lower_bound

NAMES = "abcdef"

works_of = st.lists(st.floats(5.0, 5000.0), min_size=1, max_size=10)
hosts_of = st.lists(st.tuples(st.floats(0.1, 1.0), st.sampled_from([0.0, 2.0, 40.0])), min_size=1, max_size=4)
orders = st.lists(st.integers(0, 3), min_size=10, max_size=10)


def known(hosts: Sequence[tuple[float, float]], gain: float = 1.0) -> dict[str, HostSpeed]:
    """Speeds and trips by host; the first is the fastest, of speed 1."""
    return {
        name: HostSpeed(speed if name != "a" else 1.0, gain, trip)
        for name, (speed, trip) in zip(NAMES, hosts, strict=False)
    }


def machines(hosts: dict[str, HostSpeed]) -> list[Machine]:
    return [Machine(host.speed, host.gain, host.trip_ms) for host in hosts.values()]


def one_at_a_time(works: Sequence[float], at: Sequence[str], hosts: dict[str, HostSpeed], slower: float = 1.0) -> Run:
    """Each prompt on its host, one after another there; all of them ``slower`` than they are known to be."""
    until = dict.fromkeys(hosts, 0.0)
    requests = []
    for prompt, (work, name) in enumerate(zip(works, at, strict=True)):
        wall_ms = work / hosts[name].speed * slower + hosts[name].trip_ms
        requests.append(RequestRecord(prompt, name, until[name], wall_ms, output_tokens=8))
        until[name] += wall_ms
    return Run("serial-per-side", tuple(hosts), max(until.values()), tuple(requests))


def baseline(works: Sequence[float], hosts: dict[str, HostSpeed]) -> Run:
    return replace(one_at_a_time(works, "a" * len(works), hosts), strategy="sequential", hosts=("a",))


def efficiency(run: Run) -> float:
    assert run.lower_bound_ms is not None
    return run.lower_bound_ms / run.makespan_ms


@given(works_of, hosts_of, orders)
def test_with_one_at_a_time_it_is_the_bound_of_the_truth(works, hosts, order) -> None:
    truth = known(hosts)
    at = [NAMES[index % len(truth)] for index in order[: len(works)]]
    run = one_at_a_time(works, at, truth)
    found = with_lower_bound(run, baseline(works, truth), truth)
    # Rounding may be granted twice, and no run is quicker than it was.
    assert found.lower_bound_ms == pytest.approx(min(run.makespan_ms, lower_bound_ms(works, machines(truth))), rel=1e-8)
    assert replace(found, lower_bound_ms=None) == run


@given(works_of, hosts_of, orders)
def test_what_was_known_wrong_of_hosts_is_seen_in_the_run(works, hosts, order) -> None:
    truth = known(hosts)
    at = [NAMES[index % len(truth)] for index in order[: len(works)]]
    run = one_at_a_time(works, at, truth)
    wrong = {
        name: replace(host, speed=host.speed * 0.3) if name in at and name != "a" else host
        for name, host in truth.items()
    }
    right = with_lower_bound(run, baseline(works, truth), truth)
    assert with_lower_bound(run, baseline(works, truth), wrong).lower_bound_ms == pytest.approx(
        right.lower_bound_ms, rel=1e-8
    )


def test_the_best_run_there_is_has_an_efficiency_of_one() -> None:
    hosts = known([(1.0, 0.0), (0.5, 0.0)])
    works = [600.0, 500.0, 400.0, 200.0, 100.0]
    best = one_at_a_time(works, "abaab", hosts)
    assert best.makespan_ms == 1200
    assert efficiency(with_lower_bound(best, baseline(works, hosts), hosts)) == pytest.approx(1)
    assert efficiency(with_lower_bound(one_at_a_time(works, "aaaaa", hosts), baseline(works, hosts), hosts)) == (
        pytest.approx(1200 / 1800)
    )


def test_a_baseline_is_measured_against_all_hosts() -> None:
    hosts = known([(1.0, 0.0), (1.0, 0.0), (1.0, 0.0)])
    alone = baseline([100.0] * 6, hosts)
    assert efficiency(with_lower_bound(alone, alone, hosts)) == pytest.approx(1 / 3)


def test_the_unit_of_speeds_does_not_matter() -> None:
    hosts = known([(1.0, 0.0), (0.5, 0.0)])
    works = [600.0, 500.0, 400.0]
    run, alone = one_at_a_time(works, "aaa", hosts), baseline(works, hosts)
    tokens = {name: replace(host, speed=host.speed * 37.5) for name, host in hosts.items()}
    assert with_lower_bound(run, alone, tokens).lower_bound_ms == with_lower_bound(run, alone, hosts).lower_bound_ms


records = st.lists(
    st.tuples(st.sampled_from("abcx"), st.one_of(st.none(), st.floats(0.0, 5000.0)), st.floats(0.0, 5000.0)),
    min_size=1,
    max_size=10,
)


@given(records, st.lists(st.floats(0.0, 3000.0), min_size=10, max_size=10), st.floats(1.0, 8.0), st.floats(0.01, 100.0))
def test_it_never_exceeds_the_makespan(found, walls, gain, speed) -> None:
    requests = tuple(RequestRecord(prompt, *each) for prompt, each in enumerate(found))
    run = Run("any", ("a", "b", "c"), max((each.start_ms or 0.0) + each.wall_ms for each in requests), requests)
    alone = Run(
        "sequential",
        ("a",),
        sum(walls),
        tuple(RequestRecord(prompt, "a", 0.0, walls[prompt]) for prompt in range(len(requests))),
    )
    hosts = {"a": HostSpeed(1.0, gain, 3.0), "b": HostSpeed(speed, 1.0), "c": HostSpeed(1.0, 1.0, 60.0)}
    bound_ms = with_lower_bound(run, alone, hosts).lower_bound_ms
    assert bound_ms is None or 0 < bound_ms <= run.makespan_ms
    assert bound_ms is None or run.makespan_ms > 0


# Where it is not known


def failing(run: Run, prompt: int = 0) -> Run:
    requests = list(run.requests)
    requests[prompt] = requests[prompt]._replace(error="refused: no")
    return replace(run, requests=tuple(requests))


def test_there_is_none_where_a_prompt_failed() -> None:
    hosts = known([(1.0, 0.0), (0.5, 0.0)])
    works = [100.0] * 4
    run, alone = one_at_a_time(works, "abab", hosts), baseline(works, hosts)
    assert with_lower_bound(failing(run), alone, hosts) == failing(run)
    assert with_lower_bound(run, failing(alone), hosts) == run
    assert with_lower_bound(run, alone, hosts).lower_bound_ms is not None
    assert seen_speeds(failing(run), alone, hosts) == seen_speeds(run, failing(alone), hosts) == {}


def test_there_is_none_where_the_baseline_is_not_of_one_host_that_is_known() -> None:
    hosts = known([(1.0, 0.0), (0.5, 0.0)])
    works = [100.0] * 4
    run = one_at_a_time(works, "abab", hosts)
    assert with_lower_bound(run, run, hosts) == run
    assert with_lower_bound(run, baseline(works, hosts), {"b": hosts["b"]}) == run


# Routers


def through(router: str, works: Sequence[float], makespan_ms: float) -> Run:
    requests = (RequestRecord(prompt, router, 0.0, makespan_ms) for prompt in range(len(works)))
    return Run(router, (router,), makespan_ms, tuple(requests))


@given(works_of, hosts_of)
def test_a_router_is_bounded_by_the_hosts_behind_it(works, hosts) -> None:
    behind = known(hosts)
    bound_ms = lower_bound_ms(works, machines(behind))
    found = with_lower_bound(through("router", works, 3 * bound_ms), baseline(works, behind), behind)
    assert found.lower_bound_ms == pytest.approx(bound_ms, rel=1e-8)
    quicker = through("router", works, bound_ms / 1.2)  # within what speeds err
    assert efficiency(with_lower_bound(quicker, baseline(works, behind), behind)) == 1
    impossible = through("router", works, bound_ms / 1.3)  # the hosts were others, or somebody else did the work
    assert with_lower_bound(impossible, baseline(works, behind), behind) == impossible


# Machines that drift


@pytest.mark.parametrize("slower", [0.7, 1.4, 3.0])
@given(works_of, st.lists(st.floats(0.1, 1.0), min_size=1, max_size=4), orders)
def test_a_machine_that_is_slower_than_in_its_baseline_distorts_nothing(slower, works, speeds, order) -> None:
    hosts = known([(speed, 0.0) for speed in speeds[: len(works)]])
    # Each has something to do: of one that has nothing, nothing is seen.
    at = [NAMES[index % len(hosts)] for index in (*range(len(hosts)), *order)][: len(works)]
    alone = baseline(works, hosts)
    steady = with_lower_bound(one_at_a_time(works, at, hosts), alone, hosts)
    drifted = with_lower_bound(one_at_a_time(works, at, hosts, slower), alone, hosts)
    assert efficiency(drifted) == pytest.approx(efficiency(steady), rel=1e-8)


def test_only_one_host_that_drifts_is_seen_too() -> None:
    hosts = known([(1.0, 0.0), (1.0, 0.0)])
    works = [100.0] * 8
    slow = {**hosts, "b": replace(hosts["b"], speed=1 / 1.4)}
    run = one_at_a_time(works, "abababab", slow)
    assert efficiency(with_lower_bound(run, baseline(works, hosts), hosts)) == pytest.approx(500 / 560)


# Several at once


def together(works: Sequence[float], host: str, speed: float, gain: float, at_once: int) -> Run:
    """Blocks of so many at once, all of equal work, which the host does at ``gain`` times its speed."""
    requests, now_ms = [], 0.0
    for prompt, work in enumerate(works):
        wall_ms = work / speed * at_once / gain
        requests.append(RequestRecord(prompt, host, now_ms, wall_ms))
        if prompt % at_once == at_once - 1:
            now_ms += wall_ms
    return Run("pull", (host,), now_ms, tuple(requests))


def test_a_host_that_batches_at_its_best_has_an_efficiency_of_one() -> None:
    hosts = known([(1.0, 0.0)], gain=3.0)
    works = [90.0] * 8
    run = together(works, "a", 1.0, 3.0, 4)
    assert run.makespan_ms == pytest.approx(240)
    assert efficiency(with_lower_bound(run, baseline(works, hosts), hosts)) == pytest.approx(1)


def test_where_several_are_sent_to_a_host_that_can_do_better_alone_it_shows() -> None:
    hosts = known([(1.0, 0.0)])
    works = [90.0] * 8
    run = together(works, "a", 1.0, 0.25, 4)
    assert efficiency(with_lower_bound(run, baseline(works, hosts), hosts)) == pytest.approx(0.25)


def test_a_gain_that_was_not_known_is_read_off_the_run() -> None:
    hosts = known([(1.0, 0.0)])
    works = [90.0] * 8
    found = with_lower_bound(together(works, "a", 1.0, 2.0, 4), baseline(works, hosts), hosts)
    assert efficiency(found) == pytest.approx(1)


# Speeds that are seen


def test_speeds_are_seen_where_a_host_had_one_request_at_a_time() -> None:
    hosts = known([(1.0, 5.0), (0.5, 20.0), (0.25, 0.0)])
    works = [100.0, 200.0, 300.0, 400.0]
    run = one_at_a_time(works, "abba", hosts)
    assert seen_speeds(run, baseline(works, hosts), hosts) == {"a": pytest.approx(1), "b": pytest.approx(0.5)}
    slower = one_at_a_time(works, "abba", hosts, slower=1.4)
    assert seen_speeds(slower, baseline(works, hosts), hosts)["b"] == pytest.approx(0.5 / 1.4)


def test_of_a_host_with_several_at_once_no_speed_is_seen() -> None:
    hosts = known([(1.0, 0.0), (0.5, 0.0)])
    works = [100.0] * 4
    assert seen_speeds(together(works, "b", 0.5, 2.0, 2), baseline(works, hosts), hosts) == {}
