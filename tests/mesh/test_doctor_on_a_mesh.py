"""``outpace doctor`` on a real mesh: which way traffic takes, whether it is short, and whether long prompts pass."""

from __future__ import annotations

import pytest

from mesh import Mesh
from mesh.engines import NEAR, RoundTrips, reference
from mesh.outcomes import Tables
from mesh.world import outpace
from reference.truth import Truth

TITLE = "What doctor says of the way to the desktop"
HEAD = ("the way", "what is said")


def said_of_the_desktop(mesh: Mesh, trips: RoundTrips, address: str | None = None) -> tuple[int, str]:
    """The exit status, and the lines on the desktop."""
    desktop = mesh.desktop
    desktop.address = address or desktop.address
    with reference(mesh.laptop, Truth()) as laptop, reference(desktop, Truth(), trips) as url:
        done = outpace(mesh, "doctor", f"--hosts=laptop={laptop},desktop={url}")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("laptop: "), done.stdout + done.stderr
    first = next(number for number, line in enumerate(lines) if line.startswith("desktop: "))
    return done.returncode, "\n".join(line for line in lines[first:] if line.startswith(("desktop: ", "  problem: ")))


@pytest.fixture
def said(tables: Tables) -> object:
    def row(what: str, text: str) -> None:
        about = text.partition("a cheap request takes ")[2].replace("\n  problem:", " **Problem:**")
        tables.add(TITLE, HEAD, (what, f"a cheap request takes {about}"))

    return row


def test_it_names_interface_address_and_mtu(mesh: Mesh, said: object) -> None:
    status, text = said_of_the_desktop(mesh, NEAR)
    said("WireGuard, near", text)  # type: ignore[operator]
    assert status == 0
    assert "traffic to it leaves from 100.64.0.1 by wg0 (WireGuard, MTU 1420)" in text


def test_it_tells_the_local_network_from_the_mesh(mesh: Mesh, said: object) -> None:
    status, text = said_of_the_desktop(mesh, NEAR, mesh.desktop.at)
    said("the network below the mesh", text)  # type: ignore[operator]
    assert status == 0
    assert "traffic to it leaves from 10.77.0.1 by eth0 (the local network, MTU 1500)" in text


def test_it_says_that_round_trips_are_those_of_a_detour(mesh: Mesh, said: object) -> None:
    status, text = said_of_the_desktop(mesh, RoundTrips(45.0, 40.0, 60.0))
    said("WireGuard, 40 to 60 ms away", text)  # type: ignore[operator]
    assert status == 0
    assert "are those of a way by a machine in between, unless it stands far away" in text
    assert "`wg show wg0 endpoints`" in text


def test_it_finds_a_path_that_takes_no_packets_of_full_size(mesh: Mesh, said: object) -> None:
    mesh.outside.do("ip", "link", "set", "desktop", "mtu", "1000")
    status, text = said_of_the_desktop(mesh, NEAR)
    said("WireGuard, a path that takes 1,000 bytes at most", text)  # type: ignore[operator]
    assert status == 1
    assert "problem: Small requests to desktop are answered, and one of 4,000 bytes is not" in text
    assert "ip link set wg0 mtu 1280" in text


def test_the_remedy_that_it_names_helps(mesh: Mesh) -> None:
    """A path of 1,400 bytes has no room for a tunnel of 1,420, and has for one of 1,280."""
    mesh.outside.do("ip", "link", "set", "desktop", "mtu", "1400")
    assert said_of_the_desktop(mesh, NEAR)[0] == 1
    for machine in (mesh.coordinator, mesh.desktop):
        machine.do("ip", "link", "set", "wg0", "mtu", "1280")
    assert said_of_the_desktop(mesh, NEAR)[0] == 0
