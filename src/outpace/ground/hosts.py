"""Hosts: read ``--hosts``, resolve names, and keep prompts within private networks."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from outpace.ground.errors import HostNotPrivate, HostsError, HostUnresolved, quoted

PRIVATE_NETWORKS = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",  # loopback
        "::1/128",
        "10.0.0.0/8",  # private
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # link-local
        "fe80::/10",
        "100.64.0.0/10",  # carrier-grade NAT, which meshes use
        "fc00::/7",  # unique local
    )
)
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.:-]*)=(?P<url>.*)", re.DOTALL)
_URL = re.compile(
    r"https?://(?P<authority>(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)"
    r"(?:/(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*)*"
)
_COUNT = re.compile(r"[0-9]{1,4}")
_DURATION = re.compile(r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,6})?)(?P<unit>ms|s)")


@dataclass(frozen=True)
class Host:
    """One machine's inference endpoint.

    ``url`` is the base URL as the user named it, without a trailing slash; ``addresses`` are the numeric addresses
    that were checked, the only ones that a connection may go to, the preferred one first.
    """

    name: str
    url: str
    addresses: tuple[str, ...] = ()

    @cached_property
    def token_variable(self) -> str:
        """Name of the environment variable that may hold this host's bearer token."""
        return "OUTPACE_TOKEN_" + re.sub(r"[^A-Z0-9]", "_", self.name.upper())


@dataclass(frozen=True)
class EmbeddedHosts:
    """Engines to start on this machine: how many, slots of each, and the round trip put before all but the first."""

    count: int = 2
    rtt_ms: float = 0.0
    slots: int = 1


@dataclass(frozen=True)
class ReplayHosts:
    """The hosts of a recording, replayed in virtual time; ``changes`` as ``outpace what-if`` takes them."""

    path: Path
    changes: tuple[str, ...] = ()


def parse(specs: Sequence[str]) -> EmbeddedHosts | ReplayHosts | list[Host]:
    """Read the values of ``--hosts``.

    They are ``NAME=URL,...``, ``embedded[:N][,rtt=22ms][,slots=K]`` or ``replay:FILE[,CHANGE,...]``. Without a value
    it is ``embedded``. Raises ``HostsError`` that says which part cannot be read and what to write.
    """
    if any(spec.startswith("replay:") for spec in specs):
        file, *changes = specs[0].removeprefix("replay:").split(",")
        if len(specs) > 1 or not file:
            raise HostsError("--hosts=replay:FILE takes one recording, and no other hosts beside it.")
        return ReplayHosts(Path(file), tuple(changes))
    text = ",".join(specs) or "embedded"
    if set("@?#") & set(text):  # not repeated in the message: what stands there may be a secret
        raise HostsError(
            "--hosts has a URL that carries a user, a query or a fragment (there is an @, ? or # in it). Leave them "
            "out; a bearer token is read from the environment variable OUTPACE_TOKEN_<NAME> of its host."
        )
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise HostsError("--hosts names no host. Write --hosts=laptop=http://127.0.0.1:11434,desktop=http://…")
    if items[0].partition(":")[0] == "embedded":
        return _parse_embedded(items)
    hosts = [_parse_host(item) for item in items]
    _refuse_twice(hosts)
    if len(hosts) < 2:
        raise HostsError(
            f"--hosts names one host only ({hosts[0].name}): one machine cannot outpace itself. "
            "Name two or more, or leave --hosts out to see the experiment on two engines that start here."
        )
    return hosts


def _parse_embedded(items: Sequence[str]) -> EmbeddedHosts:
    kind, colon, count = items[0].partition(":")
    if colon and not (_COUNT.fullmatch(count) and 2 <= int(count) <= 64):
        raise HostsError(f"--hosts: {quoted(count)} is no number of engines; write {kind}:N with N from 2 to 64.")
    found: dict[str, float] = {"count": int(count or 2)}
    for item in items[1:]:
        key, _, value = item.partition("=")
        if key == "rtt":
            found["rtt_ms"] = parse_duration_ms(value, "--hosts, rtt")
        elif key == "slots" and _COUNT.fullmatch(value) and int(value) >= 1:
            found["slots"] = int(value)
        else:
            raise HostsError(
                f"--hosts: cannot read {quoted(item)} behind {items[0]}. After embedded[:N] may come rtt=22ms and "
                "slots=K; embedded engines and named URLs cannot be mixed."
            )
    return EmbeddedHosts(int(found["count"]), found.get("rtt_ms", 0.0), int(found.get("slots", 1)))


def parse_duration_ms(text: str, where: str) -> float:
    """Read a duration such as ``22ms`` or ``0.5s`` as milliseconds; ``where`` names its place in an error.

    Raises ``HostsError``.
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise HostsError(f"{where}: {quoted(text)} is no duration; write a number with its unit, such as 22ms or 0.5s.")
    return float(match["number"]) * (1000 if match["unit"] == "s" else 1)


def _parse_host(item: str, option: str = "--hosts") -> Host:
    named = _NAMED.fullmatch(item)
    name, url = (named["name"], named["url"]) if named else ("", item)
    parts = _URL.fullmatch(url)
    if parts is None:
        raise HostsError(
            f"{option}: {quoted(item)} is not a URL such as http://127.0.0.1:11434: http:// or https://, a host name "
            "or address in ASCII letters (an IPv6 address in brackets, without a zone), a port, and a path if need be."
        )
    if parts["port"] and not 1 <= int(parts["port"]) <= 65535:
        raise HostsError(f"{option}: {quoted(item)} has the port {parts['port']}; ports go from 1 to 65535.")
    return Host(name or parts["authority"], url.rstrip("/"))


def parse_routers(specs: Sequence[str]) -> tuple[Host, ...]:
    """Read the values of ``--router``, each ``NAME=URL``; raises ``HostsError``."""
    for spec in specs:
        if set("@?#") & set(spec) or not _NAMED.fullmatch(spec):
            raise HostsError(
                "--router: write NAME=URL, such as litellm=http://127.0.0.1:4000, with no user, query or fragment."
            )
    return tuple(_parse_host(spec, "--router") for spec in specs)


def _refuse_twice(hosts: Iterable[Host]) -> None:
    names: dict[str, Host] = {}
    urls: dict[str, Host] = {}
    for host in hosts:
        for seen, key, what in ((names, host.name, "name"), (urls, host.url, "URL")):
            if key in seen:
                raise HostsError(
                    f"--hosts gives the {what} {quoted(key)} twice: two hosts must be two endpoints, "
                    "or the comparison is of a machine with itself."
                )
            seen[key] = host


def is_private(address: str) -> bool:
    """Whether a numeric address is loopback, private, link-local, CGNAT or unique local."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip.version == network.version and ip in network for network in PRIVATE_NETWORKS)


def public_place(url: str) -> str | None:
    """Scheme and host of ``url``, which somebody else named, where that is public; None where it is private or unknown.

    Names without a dot are known to those who use them alone; others are looked up here.
    """
    try:
        parts = urlsplit(url)
        name = parts.hostname
        if not name or not parts.scheme.startswith("http") or not ("." in name or ":" in name):
            return None
        addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError, ValueError):
        return None
    return None if all(map(is_private, addresses)) else f"{parts.scheme}://{name}"


def resolve(hosts: Iterable[Host], *, allow_public: bool = False) -> list[Host]:
    """Give each host the addresses that its name has now, all of them checked.

    Raises ``HostUnresolved`` for a name without an address, ``HostNotPrivate`` where any address is public and
    ``allow_public`` is not set, and ``HostsError`` where two hosts are the same endpoint.
    """
    resolved: list[Host] = []
    endpoints: dict[tuple[str, int | None, str], str] = {}
    for host in hosts:
        parts = urlsplit(host.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = _addresses(host, str(parts.hostname), port)
        if any(ip_address(address.partition("%")[0]).is_unspecified for address in addresses):
            raise HostsError(
                f"Host {host.name} ({host.url}): {parts.hostname} is where a server listens, on all addresses of its "
                "machine, and no address to reach it by. Write 127.0.0.1 for this machine, or the address of the other."
            )
        public = [address for address in addresses if not is_private(address)]
        if public and not allow_public:
            raise HostNotPrivate(
                f"Host {host.name} ({host.url}) resolves to {public[0]}, which is a public address. Prompts go only to "
                "loopback, private, link-local, CGNAT (100.64.0.0/10) and unique local addresses. If you do mean to "
                "send your prompts there, add --allow-public."
            )
        for address in addresses:
            other = endpoints.setdefault((address, port, parts.path), host.name)
            if other != host.name:
                raise HostsError(
                    f"Hosts {other} and {host.name} are the same endpoint ({address}, port {port}): two hosts must be "
                    "two endpoints, or the comparison is of a machine with itself."
                )
        resolved.append(Host(host.name, host.url, tuple(addresses)))
    return resolved


def moved_to(host: Host) -> tuple[str, ...]:
    """The addresses that the name of ``host`` has now, where none of them is one of its own; else none.

    A name that has no address any more, or that is an address itself, has not moved.
    """
    try:
        found = _addresses(host, str(urlsplit(host.url).hostname), 0)
    except HostUnresolved:
        return ()
    return () if set(found) & set(host.addresses) else tuple(found)


def _addresses(host: Host, hostname: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostUnresolved(
            f"Host {host.name}: the name {hostname} has no address ({error}). "
            "Check its spelling, or that the mesh that knows it is up; a numeric address works too."
        ) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
