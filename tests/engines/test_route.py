"""The way that traffic to a host takes, told in words; on a real mesh in tests/mesh."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import anyio
import psutil
import pytest

from harness import ThreadedHosts, ollama
from outpace.engines import Client, connect, route
from outpace.engines.route import Route, in_words, route_to
from outpace.ground.hosts import resolve


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """Let this machine have one interface, with this address, and traffic leave from there."""

    def have(interface: str, address: str, netmask: str | None, *, kernel: str = "", socket_of: str = "") -> None:
        class Probe:
            def __init__(self, *_: object) -> None: ...
            def __enter__(self) -> Probe:
                return self

            def __exit__(self, *_: object) -> None: ...
            def connect(self, _target: object) -> None: ...
            def getsockname(self) -> tuple[str, int]:
                return address, 1

        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        entry = SimpleNamespace(family=family, address=address, netmask=netmask)
        monkeypatch.setattr(socket, "socket", Probe)
        monkeypatch.setattr(psutil, "net_if_addrs", lambda: {interface: [entry]})
        monkeypatch.setattr(psutil, "net_if_stats", lambda: {interface: SimpleNamespace(mtu=1420)})
        monkeypatch.setattr(route, "SYSTEM", tmp_path)
        monkeypatch.setattr(route, "SOCKETS", tmp_path)
        (tmp_path / interface).mkdir()
        (tmp_path / interface / "uevent").write_text(kernel)
        (tmp_path / f"{socket_of or 'other'}.sock").touch()

    return have


LINUX_WIREGUARD = {"kernel": "DEVTYPE=wireguard\nINTERFACE=home\n"}


@pytest.mark.parametrize(
    ("interface", "address", "netmask", "to", "how", "network"),
    [
        ("tailscale0", "100.64.0.1", "255.255.255.255", "100.101.1.2", {}, "Tailscale"),
        ("utun4", "100.64.0.1", "255.255.255.255", "100.101.1.2", {}, "Tailscale"),
        ("utun4", "fd7a:115c:a1e0::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd7a:115c:a1e0::2", {}, "Tailscale"),
        ("Tailscale", "100.64.0.1", "255.255.255.255", "100.101.1.2", {}, "Tailscale"),
        ("tailscale0", "100.64.0.1", "255.255.255.255", "100.101.1.2", {"socket_of": "tailscale0"}, "Tailscale"),
        ("utun4", "10.8.0.1", "255.255.255.0", "10.8.0.2", {}, "a tunnel"),
        ("wg0", "100.64.0.1", "255.255.255.0", "100.64.0.2", {}, "WireGuard"),
        ("home", "10.8.0.1", "255.255.255.0", "10.8.0.2", LINUX_WIREGUARD, "WireGuard"),
        ("home", "10.8.0.1", "255.255.255.0", "10.8.0.2", {"socket_of": "home"}, "WireGuard"),
        ("wt0", "100.90.0.1", "255.255.0.0", "100.90.0.2", {}, "WireGuard"),
        ("eth0", "192.168.1.10", "255.255.255.0", "192.168.1.11", {}, "the local network"),
        ("wlan0", "192.168.1.10", "255.255.255.0", "192.168.2.11", {}, "a router"),
        ("eth0", "192.168.1.10", None, "192.168.1.11", {}, "a router"),
        ("eth0", "fd00::1", "ffff:ffff:ffff:ffff::", "fd00::2", {}, "the local network"),
    ],
)
def test_the_network_is_told_by_interface_and_address(
    machine: object,
    interface: str,
    address: str,
    netmask: str | None,
    to: str,
    how: Mapping[str, str],
    network: str,
) -> None:
    machine(interface, address, netmask, **how)  # type: ignore[operator]
    assert route_to(to, 11434) == Route(address, interface, network, 1420)


def test_an_address_that_no_interface_tells_is_told_all_the_same(
    machine: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("eth0", "192.168.1.10", "255.255.255.0")  # type: ignore[operator]
    monkeypatch.setattr(psutil, "net_if_addrs", dict)
    found = route_to("192.168.1.11", 11434)
    assert found == Route("192.168.1.10", None, "a router", None)
    assert in_words(found, [1.0], "192.168.1.11") == [
        "traffic to it leaves from 192.168.1.10 by an interface that is not told (a router)"
    ]


def test_the_loopback_of_this_very_machine_is_found() -> None:
    found = route_to("127.0.0.1", 11434)
    assert (found.address, found.network) == ("127.0.0.1", "loopback")
    if sys.platform == "linux":
        assert found.interface == "lo"
        assert found.mtu == 65536


def words(network: str, *trips_ms: float) -> str:
    return "; ".join(in_words(Route("100.64.0.1", "if0", network, 1280), trips_ms, "100.64.0.7"))


def test_round_trips_of_a_relay_are_told_with_what_to_do() -> None:
    said = words("Tailscale", 41.0, 38.0, 90.0)
    assert "traffic to it leaves from 100.64.0.1 by if0 (Tailscale, MTU 1280)" in said
    assert "its round trips, 38 ms at best, are those of a way by a relay (DERP), unless it stands far away" in said
    assert "`tailscale ping 100.64.0.7`" in said
    assert "UDP" in said


def test_wireguard_has_no_relays_but_may_go_by_a_machine_in_between() -> None:
    said = words("WireGuard", 41.0)
    assert "DERP" not in said
    assert "`wg show if0 endpoints`" in said


@pytest.mark.parametrize("network", ["Tailscale", "WireGuard", "a tunnel", "the local network", "a router", "loopback"])
def test_one_quick_round_trip_shows_that_the_way_is_short(network: str) -> None:
    assert ";" not in words(network, 90.0, 4.0, 60.0)


def test_a_local_network_that_is_slow_is_told() -> None:
    assert "a Wi-Fi that saves power" in words("the local network", 14.0, 90.0)


def looked(handler: type, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """What is said of a host on the loopback, as if it were not there."""
    monkeypatch.setattr(route, "route_to", lambda *_: Route("10.8.0.1", "wg0", "WireGuard", 1420))
    monkeypatch.setattr(route, "LONG_REQUEST_S", 0.5)

    async def look(hosts: ThreadedHosts) -> tuple[list[str], list[str]]:
        async with Client(timeout_s=5) as client:
            (engine,) = (await connect(client, resolve([hosts.hosts[0]]), wait_s=1)).values()
            return await route.look(client, engine, [1.0])

    with ThreadedHosts(handler, ollama("m")) as hosts:
        return anyio.run(look, hosts)


def test_a_way_that_takes_long_requests_has_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(ollama("m"), monkeypatch) == (["traffic to it leaves from 10.8.0.1 by wg0 (WireGuard, MTU 1420)"], [])


def test_an_engine_that_refuses_long_requests_has_heard_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses(ollama("m")):  # type: ignore[misc]
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            if "?" in self.path:
                self._say(414, {"error": "too long"})
            else:
                super().do_GET()

    assert looked(Refuses, monkeypatch)[1] == []


def test_long_requests_that_vanish_are_a_problem_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Swallows(ollama("m")):  # type: ignore[misc]
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            if "?" in self.path:
                self.rfile.read(1)  # for ever: no word comes
            else:
                super().do_GET()

    (problem,) = looked(Swallows, monkeypatch)[1]
    assert "Small requests to a are answered, and one of 4,000 bytes is not" in problem
    assert "here: ip link set wg0 mtu 1280; it is 1420" in problem
