"""The way that traffic to a host takes: its interface and address here, what kind of network that is, and what fits in.

Nothing is sent to find the interface. Whether the way takes packets of full size is tried by a request that is longer
than one, beside the small ones.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

import anyio

from outpace.engines.base import Engine
from outpace.engines.client import Client
from outpace.ground.errors import PathLost, RequestFailed, TimedOut

TAILSCALE = (ip_network("100.64.0.0/10"), ip_network("fd7a:115c:a1e0::/48"))
"""The addresses of its machines: those for carriers' NAT, and its own among the unique local ones."""
SYSTEM = Path("/sys/class/net")
SOCKETS = Path("/run/wireguard")
"""Where Linux tells of its interfaces, and where WireGuard in user space is spoken to."""
RELAYED_FROM_MS = 20.0
"""Direct ways within a house or an office take a few ms; one by a relay goes out to it and comes back."""
SLOW_LAN_MS = 10.0
LONG_REQUEST_BYTES = 4000
"""Three packets, and half of the longest address that servers of engines take."""
LONG_REQUEST_S = 5.0


@dataclass(frozen=True)
class Route:
    """How traffic to a host leaves this machine.

    ``network`` is "loopback", "Tailscale", "WireGuard", "a tunnel", "the local network" or "a router"; ``interface``
    and ``mtu`` (bytes) are None where the system does not tell them.
    """

    address: str
    interface: str | None
    network: str
    mtu: int | None


def route_to(address: str, port: int) -> Route:
    """The way to a numeric ``address``; raises ``OSError`` where there is none."""
    import psutil  # which no other command needs

    found = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    family, kind, _, _, target = found[0]
    with socket.socket(family, kind) as probe:
        probe.connect(target)  # of datagrams: the way is looked up, and nothing is sent
        own = str(probe.getsockname()[0]).partition("%")[0]
    for interface, entries in psutil.net_if_addrs().items():
        for entry in entries:
            if entry.family == family and entry.address.partition("%")[0] == own:
                stats = psutil.net_if_stats().get(interface)
                near = entry.netmask is not None and _masked(address, entry.netmask) == _masked(own, entry.netmask)
                return Route(own, interface, _network(interface, own, near=near), stats.mtu if stats else None)
    return Route(own, None, "loopback" if ip_address(own).is_loopback else "a router", None)


def _masked(address: str, netmask: str) -> int:
    return int(ip_address(address)) & int(ip_address(netmask))


def _network(interface: str, own: str, *, near: bool) -> str:
    """What kind of network ``interface`` leads to, where this machine has the address ``own``."""
    address, name = ip_address(own), interface.lower()
    if address.is_loopback:
        return "loopback"
    if _is_wireguard(interface):
        return "WireGuard"
    tunnel = name.startswith(("utun", "tun", "tap", "ppp", "zt", "tailscale"))
    if "tailscale" in name or (
        tunnel and any(address in each for each in TAILSCALE if each.version == address.version)
    ):
        return "Tailscale"
    return "a tunnel" if tunnel else "the local network" if near else "a router"


def _is_wireguard(interface: str) -> bool:
    """By its name, by what the kernel says of it, or by the socket of a WireGuard in user space."""
    told = SYSTEM / interface / "uevent"
    return (
        re.fullmatch(r"(wg|wt\d).*", interface.lower()) is not None
        or (told.is_file() and "DEVTYPE=wireguard" in told.read_text())
        or ("tailscale" not in interface.lower() and (SOCKETS / f"{interface}.sock").exists())
    )


def in_words(route: Route, trips_ms: Sequence[float], address: str) -> list[str]:
    """What is to be said of the way to ``address``, whose round trips took ``trips_ms``."""
    said = [f"traffic to it leaves from {route.address} by {route.interface or 'an interface that is not told'}"]
    said[0] += f" ({route.network}{f', MTU {route.mtu}' if route.mtu else ''})"
    quickest_ms = min(trips_ms)
    if route.network in ("Tailscale", "WireGuard", "a tunnel") and quickest_ms >= RELAYED_FROM_MS:
        relay = "by a relay (DERP)" if route.network == "Tailscale" else "by a machine in between"
        said.append(
            f"its round trips, {quickest_ms:.0f} ms at best, are those of a way {relay}, unless it stands far away"
            + _how_to_tell(route, address)
        )
    if route.network == "the local network" and quickest_ms >= SLOW_LAN_MS:
        said.append(
            f"its round trips, {quickest_ms:.0f} ms at best, are long for a local network: a Wi-Fi that saves power, "
            "or one that is busy; a cable mends that"
        )
    return said


def _how_to_tell(route: Route, address: str) -> str:
    if route.network == "Tailscale":
        return (
            f": `tailscale ping {address}` says whether it goes via DERP, and a direct way needs UDP to pass, to port "
            "41641 on one side at least (`tailscale netcheck`)"
        )
    if route.network == "WireGuard":
        return f": `wg show {route.interface} endpoints` says through whom it goes"
    return ""


async def look(client: Client, engine: Engine, trips_ms: Sequence[float]) -> tuple[list[str], list[str]]:
    """What is seen of the way to ``engine``, and what is wrong with it, in words; ``trips_ms`` are small requests'.

    Raises ``RequestFailed`` where the host does not answer any more.
    """
    host = engine.host
    address = host.addresses[0]
    try:
        route = route_to(address, 1)
    except OSError:  # it was answered a moment ago
        return [], []
    problems = []
    if route.network != "loopback" and not await _takes_long_requests(client, engine):
        interface = route.interface or "the tunnel"
        problems.append(
            f"Small requests to {host.name} are answered, and one of {LONG_REQUEST_BYTES:,} bytes is not: packets of "
            "full size are lost on the way, so that long prompts will hang. Lower the MTU on both machines, to 1280 "
            f"for example (here: ip link set {interface} mtu 1280; it is {route.mtu or 'not told'})."
        )
    return in_words(route, trips_ms, address), problems


async def _takes_long_requests(client: Client, engine: Engine) -> bool:
    """Whether a request of several packets arrives; any answer shows it, also that it is too long."""
    path = "/api/version" if engine.identity.protocol == "ollama" else "/v1/models"
    with anyio.move_on_after(LONG_REQUEST_S):
        try:
            await client.get(engine.host, f"{path}?{'x' * LONG_REQUEST_BYTES}")
        except (TimedOut, PathLost):
            return False
        except RequestFailed:
            return True
        return True
    return False
