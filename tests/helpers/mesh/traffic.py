"""What went where: the packets of a capture, put into the few kinds that there may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from mesh.capture import Packet
from mesh.network import GATEWAY, Mesh

WIREGUARD_PORT, NAMES_PORT = 51820, 53


@dataclass(frozen=True)
class Traffic:
    """What left a machine while something ran.

    ``tunnel`` counts packets by the (address, port) that is no client's; ``wire`` those of WireGuard itself between
    two of the machines; ``names`` questions for names; ``elsewhere`` whatever else there was, by its target.
    ``marked`` are the kinds of places at which the mark was seen, on whichever machine: "tunnel", "wire", and "inside"
    for loopbacks.
    """

    tunnel: Counter[tuple[str, int]]
    wire: int
    names: int
    elsewhere: Counter[str]
    marked: frozenset[str]


def traffic(mesh: Mesh, packets: Iterable[Packet], mark: str) -> Traffic:
    """Sort ``packets``; ``mark`` is text that stands in every prompt."""
    addresses = {machine.address for machine in mesh.machines}
    at = {machine.at for machine in mesh.machines}
    tunnel: Counter[tuple[str, int]] = Counter()
    elsewhere: Counter[str] = Counter()
    marked: set[str] = set()
    wire = names = 0
    for packet in packets:
        place = {"lo": "inside", "wg0": "tunnel"}.get(packet.interface, "wire")
        if mark.encode() in packet.raw:
            marked.add(place)
        ports = {packet.source_port, packet.target_port}
        if place == "inside" or packet.machine == mesh.outside.name or not packet.outgoing or _of_the_link(packet):
            continue
        if place == "tunnel" and {packet.source, packet.target} <= addresses and packet.kind == "TCP":
            tunnel[_served(packet)] += 1
        elif place == "wire" and {packet.source, packet.target} <= at and ports == {WIREGUARD_PORT}:
            wire += 1
        elif place == "wire" and packet.target == GATEWAY and packet.target_port == NAMES_PORT:
            names += 1
        else:
            elsewhere[f"{packet.target}:{packet.target_port} ({packet.kind} from {packet.source})"] += 1
    return Traffic(tunnel, wire, names, elsewhere, frozenset(marked))


def _served(packet: Packet) -> tuple[str, int]:
    """The end of a connection that listens: a client's port is of the kernel's choice, from 32768 on."""
    ends = [(packet.source, packet.source_port or 0), (packet.target, packet.target_port or 0)]
    return min(ends, key=lambda end: end[1])


def _of_the_link(packet: Packet) -> bool:
    """Whether the kernel looks for its neighbours and routers by it: it goes no further than the cable."""
    if packet.kind == "ARP":
        return True
    target = ip_address(packet.target)
    return packet.kind == "ICMPv6" and (
        target.is_multicast or target.is_link_local or packet.target.startswith("fd77::")
    )


TITLE = "What left, and where to (packets, each counted where it left)"
HEAD = ("what was run", "in the tunnel, to", "WireGuard on the wire", "names asked", "elsewhere", "mark seen")


def row(what: str, seen: Traffic) -> tuple[str, ...]:
    """One row of the table of what left."""
    to = ", ".join(f"{address}:{port} {count:,}" for (address, port), count in sorted(seen.tunnel.items()))
    gone = "; ".join(f"{count} to {where}" for where, count in seen.elsewhere.items())
    marked = ", ".join(sorted(seen.marked)) or "nowhere"
    return what, to or "none", f"{seen.wire:,}", str(seen.names), gone or "none", marked
