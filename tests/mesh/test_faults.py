"""What meshes do: nothing is lost, the right one is blamed, and the time that it cost is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mesh import Mesh
from mesh.engines import PORT
from mesh.faults import Told, engines, measured
from mesh.outcomes import Tables
from mesh.world import outpace, outside
from outpace.engines import path

TITLE = "What meshes do, and what is told of it (eight prompts of half a second, four a host; undisturbed 2.1 s)"
HEAD = ("what happens", "answered by laptop, desktop, none", "attempts lost", "makespan", "what is told")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A way that carries nothing is given up after 6 s in place of 30, by the same means."""
    monkeypatch.setattr(path, "LOST_AFTER_S", 6)
    monkeypatch.setattr(path, "PROBE_FROM_S", 2)
    monkeypatch.setattr(path, "PROBE_EVERY_S", 1)


@pytest.fixture
def tell(tables: Tables) -> Callable[[str, Told], None]:
    def row(what: str, told: Told) -> None:
        by = [told.answered_by.count(host) for host in ("laptop", "desktop", None)]
        lost = ", ".join(f"{count} ({which})" for which, count in told.lost.items()) or "none"
        cells = (what, ", ".join(map(str, by)), lost, f"{told.run.makespan_ms / 1000:.1f} s", told.notes or "nothing")
        tables.add(TITLE, HEAD, cells)

    return row


def added_ms(told: Told, host: str) -> float:
    """The most that an answer of ``host`` took beyond what its engine worked."""
    added = told.comparison.hosts[host].added_latency_ms
    assert added is not None
    return added[2]


def assert_all_answered(told: Told) -> None:
    assert told.problem is None
    assert None not in told.answered_by


def test_a_tunnel_that_is_down_for_two_seconds_makes_an_answer_late(
    mesh: Mesh, tmp_path: Path, tell: Callable[[str, Told], None]
) -> None:
    def down_for_two_seconds() -> None:
        mesh.desktop.link("down", "wg0")
        time.sleep(2)
        mesh.desktop.link("up", "wg0")

    with engines(mesh) as hosts:
        told = measured(mesh, hosts, down_for_two_seconds, tmp_path)
    tell("the desktop's tunnel is down for 2 s", told)
    assert_all_answered(told)
    assert told.lost == {}
    assert told.answered_by.count("desktop") == 4
    assert 1_000 < added_ms(told, "desktop") < 10_000
    assert added_ms(told, "laptop") < 1_000
    assert "The way to desktop was interrupted: an answer came later than the engine was done, by " in told.notes
    assert "laptop" not in told.notes


def test_a_tunnel_that_is_gone_leaves_its_prompts_to_the_other(
    mesh: Mesh, tmp_path: Path, quick: None, tell: Callable[[str, Told], None]
) -> None:
    with engines(mesh) as hosts:
        told = measured(mesh, hosts, lambda: mesh.desktop.link("down", "wg0"), tmp_path)
    tell("the desktop's tunnel is gone (given up after 6 s here, else 30)", told)
    assert_all_answered(told)
    assert told.lost == {"desktop: path": 1}
    assert told.answered_by.count("desktop") == 1
    assert "The way to desktop was lost once; " in told.notes
    assert "laptop" not in told.notes
    assert 5_000 < told.run.failed_attempts[0].wall_ms < 20_000


def test_a_tunnel_that_comes_back_with_another_endpoint_goes_on(
    mesh: Mesh, tmp_path: Path, tell: Callable[[str, Told], None]
) -> None:
    """By WireGuard's own roaming, which takes its time; the limit on silence gives it that."""
    with engines(mesh) as hosts:
        told = measured(mesh, hosts, lambda: mesh.desktop.move("10.77.0.33"), tmp_path)
    tell("the desktop's endpoint is another", told)
    assert_all_answered(told)
    assert told.lost == {}
    assert told.answered_by.count("desktop") == 4
    assert "10.77.0.33" in mesh.coordinator.do("wg", "show", "wg0", "endpoints")
    if added_ms(told, "desktop") > 2_000:
        assert "The way to desktop was interrupted" in told.notes


def test_a_path_that_takes_no_packets_of_full_size_is_blamed_and_not_the_engine(
    mesh: Mesh, tmp_path: Path, quick: None, tell: Callable[[str, Told], None]
) -> None:
    def shrink() -> None:
        mesh.outside.do("ip", "link", "set", "desktop", "mtu", "1000")

    with engines(mesh) as hosts:
        told = measured(mesh, hosts, shrink, tmp_path, words=1_000)
    tell("the path to the desktop takes 1,000 bytes at most, prompts have 5,000", told)
    assert_all_answered(told)
    assert set(told.lost) == {"desktop: path"}
    assert "packets of full size are lost on the way" in told.run.failed_attempts[0].error
    assert "MTU" in told.run.failed_attempts[0].error
    assert "The way to desktop was lost" in told.notes


def test_short_prompts_pass_on_such_a_path(mesh: Mesh, tmp_path: Path) -> None:
    def shrink() -> None:
        mesh.outside.do("ip", "link", "set", "desktop", "mtu", "1000")

    with engines(mesh) as hosts:
        told = measured(mesh, hosts, shrink, tmp_path)
    assert_all_answered(told)
    assert told.lost == {}


def test_a_host_that_sleeps_and_wakes_is_used_again(
    mesh: Mesh, tmp_path: Path, quick: None, tell: Callable[[str, Told], None]
) -> None:
    def sleep_a_while() -> None:
        mesh.desktop.sleep()
        time.sleep(8)
        mesh.desktop.wake()

    with engines(mesh) as hosts:
        told = measured(mesh, hosts, sleep_a_while, tmp_path, prompts=24)
    tell("the desktop sleeps for 8 s (24 prompts; given up after 6 s here, else 30)", told)
    assert_all_answered(told)
    assert set(told.lost) == {"desktop: path"}
    assert told.answered_by.count("desktop") > 1
    assert "The way to desktop was lost" in told.notes


def test_a_nap_costs_its_length_and_no_attempt(mesh: Mesh, tmp_path: Path, tell: Callable[[str, Told], None]) -> None:
    def nap() -> None:
        mesh.desktop.sleep()
        time.sleep(3)
        mesh.desktop.wake()

    with engines(mesh) as hosts:
        told = measured(mesh, hosts, nap, tmp_path)
    tell("the desktop sleeps for 3 s", told)
    assert_all_answered(told)
    assert told.lost == {}
    assert told.answered_by.count("desktop") == 4
    assert added_ms(told, "desktop") > 1_000
    assert "The way to desktop was interrupted" in told.notes


def test_a_name_that_moves_is_told_and_not_followed(
    mesh: Mesh, tmp_path: Path, quick: None, tell: Callable[[str, Told], None]
) -> None:
    """The desktop gets another address in the mesh, and its name leads there: what was checked is not what is there."""
    with outside(mesh) as world, engines(mesh) as hosts:
        world.know({"desktop.example": [mesh.desktop.address, "100.64.0.33"]})
        named = [hosts[0], replace(hosts[1], url=f"http://desktop.example:{PORT}")]

        def move() -> None:
            mesh.desktop.do("ip", "address", "delete", f"{mesh.desktop.address}/24", "dev", "wg0")
            mesh.desktop.do("ip", "address", "add", "100.64.0.33/24", "dev", "wg0")

        told = measured(mesh, named, move, tmp_path)
    tell("the desktop's name leads to another address", told)
    assert_all_answered(told)
    assert set(told.lost) == {"desktop: path"}
    assert "The name of desktop leads to 100.64.0.33 now, and led to 100.64.0.3" in told.notes
    assert "Begin the session again" in told.notes


def test_the_coordinators_own_link_is_its_own(mesh: Mesh, tmp_path: Path, tell: Callable[[str, Told], None]) -> None:
    def away() -> None:
        mesh.coordinator.link("down")
        time.sleep(3)
        mesh.coordinator.link("up")

    with engines(mesh) as hosts:
        told = measured(mesh, hosts, away, tmp_path)
    tell("the coordinator's own link is down for 3 s", told)
    assert_all_answered(told)
    assert told.lost == {}
    assert "All hosts fell silent at the same time" in told.notes
    assert "this machine's own network" in told.notes
    assert "The way to" not in told.notes


def test_a_coordinator_that_is_cut_off_blames_itself(
    mesh: Mesh, tmp_path: Path, quick: None, tell: Callable[[str, Told], None]
) -> None:
    with engines(mesh) as hosts:
        told = measured(mesh, hosts, lambda: mesh.coordinator.link("down"), tmp_path)
    tell("the coordinator's own link is gone", told)
    assert told.answered_by.count(None) == 6
    assert all(request.error for request in told.run.requests if request.host is None)
    assert told.problem is not None
    assert "All hosts fell silent at the same time" in told.problem
    assert "The way to desktop was lost" not in told.notes


def test_a_coordinator_without_a_way_says_so_before_it_blames_a_host(mesh: Mesh) -> None:
    with engines(mesh) as hosts:
        mesh.coordinator.link("down", "wg0")
        mesh.coordinator.do("ip", "route", "delete", "default")
        done = outpace(mesh, "doctor", "--hosts=" + ",".join(f"{host.name}={host.url}" for host in hosts))
    assert done.returncode == 1
    for host in hosts:
        assert f"This machine has no way to {host.name} ({host.url}): Network is unreachable." in done.stdout
    assert "Is the engine running there" not in done.stdout
