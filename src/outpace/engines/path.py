"""The way to a host: how long it may carry nothing, and whose failure it is when it does not.

A tunnel that is gone tells nobody: without a limit of its own a request on it waits as long as the slowest answer may
take. The machine at the other end acknowledges what arrives, and answers probes, however long its engine works; so
silence of the machine itself is told from an engine that thinks.
"""

from __future__ import annotations

import errno
import os
import socket

from outpace.ground.errors import ConnectFailed, NetworkDown, PathLost
from outpace.ground.hosts import Host

LOST_AFTER_S = 30
"""WireGuard notices after 15 s that a peer is no longer where it was, and greets it anew every 5 s: not before that."""
PROBE_FROM_S, PROBE_EVERY_S = 10, 5
PACKET_BYTES = 1200
"""What fits into a packet of every tunnel that carries IPv6, with its headers."""

OWN = {errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
"""This machine itself knows no way out: nothing was sent, so it is no host's failure."""
LOST = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN}


def socket_options() -> list[tuple[int, int, int]]:
    """What a connection is to be opened with, as far as this system has it."""
    probes = (PROBE_FROM_S, PROBE_EVERY_S, (LOST_AFTER_S - PROBE_FROM_S) // PROBE_EVERY_S)
    wanted = [
        # As Linux and Windows call it, then as macOS does; not acknowledged at all is what Linux alone has a limit for.
        ("TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE", probes[0]),
        ("TCP_KEEPINTVL", probes[1]),
        ("TCP_KEEPCNT", probes[2]),
        ("TCP_USER_TIMEOUT", LOST_AFTER_S * 1000),
    ]
    known = [(getattr(socket, name), value) for name, value in wanted if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, *each) for each in known)]


def path_failure(host: Host, number: int | None, *, sent: int | None) -> ConnectFailed | None:
    """What the system's error ``number`` says of the way to ``host``; None where it is not the way that failed.

    ``sent`` is the size of the request in bytes, None where there was no connection to send it on yet.
    """
    if number is None or number not in OWN | LOST:
        return None
    why = os.strerror(number)
    if number in OWN:
        return NetworkDown(
            f"This machine has no way to {host.name} ({host.url}): {why}. Its own network is down, or not yet up; "
            f"{host.name} was not asked."
        )
    if sent is None:
        return PathLost(
            f"{host.name} ({host.url}) takes no connection: {why}. Nothing came back from its machine: it sleeps or is "
            "gone, a firewall drops what is sent to that port, or a network on the way is down."
        )
    said = f"The way to {host.name} ({host.url}) is lost: {why}. Nothing came back from its machine any more, not even "
    said += "that what was sent has arrived: it sleeps or is gone, or a network on the way is down."
    if sent > PACKET_BYTES:
        said += (
            f" Or packets of full size are lost on the way, which this request of {sent:,} bytes needs: outpace doctor "
            "tries that, and a smaller MTU of the tunnel mends it (ip link set wg0 mtu 1280)."
        )
    return PathLost(said)
