"""Hosts: how --hosts is read, and which addresses prompts may go to. Names resolve by a table; no network is asked."""

import math
import socket
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from unittest.mock import patch

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from outpace.ground.errors import HostNotPrivate, HostsError, HostUnresolved
from outpace.ground.hosts import PRIVATE_NETWORKS, EmbeddedHosts, Host, is_private, parse, resolve

ALLOWED_4 = "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10"
ALLOWED = [ip_network(network) for network in f"{ALLOWED_4} ::1/128 fe80::/10 fc00::/7".split()]
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,12}", fullmatch=True).filter(lambda name: "embedded" not in name)
urls = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["127.0.0.1", "[::1]", "laptop", "desk.mesh.net", "100.64.0.7"]),
    st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format)),
    st.sampled_from(["", "/v1", "/a/b"]),
)
# Fragments that lie near what can be read make better malformed text than chance does.
specs = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(["embedded", "http", "://", "h", "=", ",", ":", "rtt", "ms", "slots", "@", "?", "[", "]", "\n"])
        | st.integers(0, 70_000).map(str)
        | st.characters(),
        max_size=12,
    ).map("".join),
)


@contextmanager
def names_resolve_to(**table):
    """Let ``name`` resolve to its addresses in ``table``, a numeric address to itself, and no other name to any."""

    def getaddrinfo(name, port, *_, **__):
        found = table.get(name)
        if found is None:
            try:
                found = [str(ip_address(name.partition("%")[0])) + "".join(name.partition("%")[1:])]
            except ValueError:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

    with patch.object(socket, "getaddrinfo", getaddrinfo):
        yield


def resolved(address, **options):
    url = f"http://[{address}]:1" if ":" in address else f"http://{address}:1"
    with names_resolve_to():
        return resolve([Host("h", url)], **options)[0].addresses


def addresses_of(network):
    kind = IPv4Address if network.version == 4 else IPv6Address
    return st.integers(int(network[0]), int(network[-1])).map(kind)


def test_the_private_networks_are_those_that_are_told_to_the_user():
    assert set(PRIVATE_NETWORKS) == set(ALLOWED)


@given(st.sampled_from(ALLOWED).flatmap(addresses_of))
def test_every_address_of_a_private_network_is_accepted(ip):
    assert resolved(str(ip)) == (str(ip),)
    if ip.version == 4:
        assert is_private(f"::ffff:{ip}")
        assert is_private(str(IPv6Address(0xFFFF_0000_0000 | int(ip))))


@pytest.mark.parametrize("network", ALLOWED, ids=str)
def test_a_private_network_ends_at_its_borders(network):
    kind = type(network[0])
    for edge in (network[0], network[-1]):
        assert is_private(str(edge))
    for outside in (int(network[0]) - 1, int(network[-1]) + 1):
        address = str(kind(outside))
        assert not is_private(address)
        if kind(outside).is_unspecified:  # where a server listens; see the test of it
            continue
        with pytest.raises(HostNotPrivate, match="--allow-public") as caught:
            resolved(address)
        assert address in str(caught.value)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
@example(IPv4Address("8.8.8.8"))
@example(IPv6Address("::ffff:8.8.8.8"))
@example(IPv6Address("64:ff9b::10.0.0.1"))
@example(IPv6Address("2002:a00:1::"))
@example(IPv6Address("::10.0.0.1"))
def test_every_other_address_is_refused_unless_public_ones_are_allowed(ip):
    plain = (ip.version == 6 and ip.ipv4_mapped) or ip
    assume(not any(plain in network for network in ALLOWED if network.version == plain.version))
    assume(not ip.is_unspecified)
    with pytest.raises(HostNotPrivate):
        resolved(str(ip))
    assert resolved(str(ip), allow_public=True) == (str(ip),)


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
@pytest.mark.parametrize("allow_public", [False, True])
def test_where_a_server_listens_is_no_address_to_reach_it_by(address, allow_public):
    with pytest.raises(HostsError, match=r"Write 127\.0\.0\.1"):
        resolved(address, allow_public=allow_public)


def test_a_link_local_address_keeps_its_zone():
    assert resolved("fe80::1%eth0") == ("fe80::1%eth0",)


@given(st.permutations(["10.0.0.1", "fc00::1", "93.184.216.34"]))
def test_a_name_with_private_and_public_addresses_is_refused(addresses):
    host = Host("h", "http://mixed:1")
    with names_resolve_to(mixed=addresses):
        with pytest.raises(HostNotPrivate, match=r"93\.184\.216\.34"):
            resolve([host])
        assert resolve([host], allow_public=True)[0].addresses == tuple(addresses)


def test_a_resolved_host_keeps_each_address_once_in_the_order_of_preference():
    with names_resolve_to(desk=["fc00::7", "10.0.0.7", "fc00::7"]):
        assert resolve([Host("h", "http://desk:1")]) == [Host("h", "http://desk:1", ("fc00::7", "10.0.0.7"))]


@pytest.mark.parametrize("name", ["nowhere", "a..b", "a" * 70])
def test_a_name_without_an_address_is_named(name):
    def getaddrinfo(name, port, *_, **__):
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with (
        patch.object(socket, "getaddrinfo", getaddrinfo),
        pytest.raises(HostUnresolved, match=rf"Host h: the name {name} has no address"),
    ):
        resolve([Host("h", f"http://{name}")])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://localhost:11434", "http://127.0.0.1:11434"),
        ("http://localhost:11434", "http://[::1]:11434"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("https://127.0.0.1", "https://127.0.0.1:443"),
        ("http://LOCALHOST:1/v1", "http://localhost:1/v1"),
    ],
)
def test_two_hosts_that_are_one_endpoint_are_refused(one, other):
    hosts = parse([f"one={one}", f"other={other}"])
    with names_resolve_to(localhost=["::1", "127.0.0.1"]), pytest.raises(HostsError, match="same endpoint") as caught:
        resolve(hosts)
    assert "one and other" in str(caught.value)


def test_two_ports_of_one_machine_are_two_endpoints():
    with names_resolve_to():
        found = resolve(parse(["http://127.0.0.1:1,http://127.0.0.1:2"]))
    assert [host.addresses for host in found] == [("127.0.0.1",)] * 2


@given(st.lists(st.tuples(names, urls), min_size=2, max_size=4, unique_by=(lambda x: x[0], lambda x: x[1])))
def test_names_and_urls_come_out_as_they_were_written(pairs):
    items = [f"{name}={url}" for name, url in pairs]
    expected = [Host(name, url) for name, url in pairs]
    assert parse([",".join(items)]) == parse(items) == parse([" , ".join(items) + "/,"]) == expected


def test_a_host_without_a_name_is_called_by_its_address():
    assert [host.name for host in parse(["http://10.0.0.1:11434,https://desk/v1"])] == ["10.0.0.1:11434", "desk"]


def test_the_variable_of_a_token_is_made_of_the_name():
    assert Host("my-desk.2:80", "").token_variable == "OUTPACE_TOKEN_MY_DESK_2_80"


@pytest.mark.parametrize(
    ("spec", "hosts"),
    [
        ("", EmbeddedHosts(2, 0.0, 1)),
        ("embedded", EmbeddedHosts(2, 0.0, 1)),
        ("embedded:3,rtt=22ms,slots=4", EmbeddedHosts(3, 22.0, 4)),
        ("embedded , slots=2,rtt=0.5s", EmbeddedHosts(2, 500.0, 2)),
    ],
)
def test_embedded_engines_are_asked_for_by_number_round_trip_and_slots(spec, hosts):
    assert parse([spec] if spec else []) == hosts


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (",", "names no host"),
        ("a=http://h", r"one host only \(a\)"),
        ("a=http://h,a=http://i", "the name 'a' twice"),
        ("a=http://h:1,b=http://h:1/", "the URL 'http://h:1' twice"),
        ("http://h,http://h", "name 'h' twice"),
        ("a=h:11434,b=http://i", r"such as http://127\.0\.0\.1"),
        ("a=ftp://h,b=http://i", "http:// or https://"),
        ("a=,b=http://i", "not a URL"),
        ("a=http://,b=http://i", "not a URL"),
        ("a=http://h:99999,b=http://i", "from 1 to 65535"),
        ("a=http://[::1,b=http://i", "not a URL"),
        ("a=http://i,embedded", "not a URL"),
        ("embedded,a=http://i", "cannot be mixed"),
        ("embedded:1", "from 2 to 64"),
        ("embedded:65", "from 2 to 64"),
        ("embedded:x", "from 2 to 64"),
        ("embedded,rtt=22", "no duration"),
        ("embedded,rtt=-1ms", "no duration"),
        ("embedded,slots=0", "cannot read 'slots=0'"),
    ],
)
def test_a_spec_that_cannot_be_read_is_told_how_to_be_written(spec, said):
    with pytest.raises(HostsError, match=said) as caught:
        parse([spec])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        "a=http://user:secret@h,b=http://i",
        "http://secret@h,http://i",
        "a=http://:secret@h,b=http://i",
        "a=http://h/?key=secret,b=http://i",
        "a=http://h/#secret,b=http://i",
        "a=http://user:secret@h:99999,b=http://i",
        "a=http://user:secret@[::1,b=http://i",
        "a=user:secret@h,b=http://i",
        "a=ftp://user:secret@h,b=http://i",
        "a=h:11434?key=secret,b=http://i",
        "a=http://user:secret,x@h,b=http://i",
    ],
)
def test_a_url_with_credentials_or_a_query_is_refused_without_repeating_them(spec):
    with pytest.raises(HostsError) as caught:
        parse([spec])
    assert "secret" not in str(caught.value)


DIGITS = "1" * 5000


@given(specs)
@example(f"embedded:{DIGITS}")
@example(f"embedded,slots={DIGITS}")
@example(f"embedded,rtt={DIGITS}ms")
@example("embedded:\n3")
@example("embedded,x\ny")
@example("a=http://h/\np,b=http://h/\np")
def test_any_text_is_read_or_refused_in_one_paragraph(text):
    found, message = read_or_refused(text)
    if message is not None:
        assert message.strip()
        assert not set("\r\n") & set(message)
    elif isinstance(found, EmbeddedHosts):
        assert 2 <= found.count <= 64
        assert math.isfinite(found.rtt_ms)
    else:
        assert len({host.name for host in found}) == len({host.url for host in found}) == len(found) >= 2


def read_or_refused(text):
    try:
        return parse([text]), None
    except HostsError as error:
        return None, str(error)
