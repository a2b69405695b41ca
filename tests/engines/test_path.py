"""The way to a host: connections have a limit on its silence, and its failures are told from the engine's."""

from __future__ import annotations

import errno
import socket
import sys

import anyio
import httpx
import pytest

from harness import ThreadedHosts, ollama
from outpace.engines import Client
from outpace.engines.client import network_transport
from outpace.engines.path import LOST_AFTER_S, PACKET_BYTES, path_failure
from outpace.ground.errors import ConnectFailed, ConnectionStale, NetworkDown, PathLost, RequestFailed
from outpace.ground.hosts import Host, resolve

HOST = Host("desktop", "http://100.64.0.3:11434", ("100.64.0.3",))


def failing_with(error: Exception) -> RequestFailed:
    """What a client makes of a transport that fails so."""

    async def fail(_request: httpx.Request) -> httpx.Response:
        raise error

    async def ask() -> RequestFailed:
        async with Client(timeout_s=5, transport=httpx.MockTransport(fail)) as client:
            with pytest.raises(RequestFailed) as raised:
                await client.get(HOST, "/api/version")
            return raised.value

    return anyio.run(ask)


def caused_by(kind: type[httpx.TransportError], number: int) -> Exception:
    try:
        raise kind("as the library says it") from OSError(number, "as the system says it")
    except httpx.TransportError as error:
        return error


@pytest.mark.skipif(sys.platform != "linux", reason="what the system calls the options differs")
def test_a_connection_gives_up_a_machine_that_is_silent() -> None:
    async def options(url: str) -> list[int]:
        async with (
            httpx.AsyncClient(transport=network_transport(), trust_env=False) as client,
            client.stream("GET", f"{url}/api/version") as response,
        ):
            connected = response.extensions["network_stream"].get_extra_info("socket")
            tcp = ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            found = [connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in tcp]
            return [connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), *found]

    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        on, unacknowledged_ms, idle_s, interval_s, count = anyio.run(options, hosts.hosts[0].url)
    assert on == 1
    assert unacknowledged_ms == idle_s * 1000 + interval_s * 1000 * count == LOST_AFTER_S * 1000


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EHOSTUNREACH])
@pytest.mark.parametrize("kind", [httpx.ReadError, httpx.WriteError])
def test_a_connection_that_the_system_gave_up_is_the_ways(kind: type[httpx.TransportError], number: int) -> None:
    """And not a kept connection that the engine had closed, which is tried again at once."""
    failed = failing_with(caused_by(kind, number))
    assert isinstance(failed, PathLost)
    assert failed.host_down
    assert not failed.again_here
    assert "The way to desktop (http://100.64.0.3:11434) is lost" in str(failed)


def test_a_connection_that_the_engine_had_closed_is_none() -> None:
    assert isinstance(failing_with(caused_by(httpx.ReadError, errno.ECONNRESET)), ConnectionStale)


def test_a_machine_that_refuses_answers() -> None:
    failed = failing_with(caused_by(httpx.ConnectError, errno.ECONNREFUSED))
    assert type(failed) is ConnectFailed
    assert "Connection refused" in str(failed)


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectTimeout("no word"), caused_by(httpx.ConnectError, errno.EHOSTUNREACH)],
    ids=["silent", "unreachable"],
)
def test_a_machine_that_says_nothing_does_not(error: Exception) -> None:
    failed = failing_with(error)
    assert type(failed) is PathLost
    assert "Nothing came back from its machine" in str(failed)
    assert "a firewall drops what is sent to that port" in str(failed)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.ENETDOWN])
def test_without_a_way_out_the_failure_is_this_machines(number: int) -> None:
    failed = failing_with(caused_by(httpx.ConnectError, number))
    assert type(failed) is NetworkDown
    assert failed.kind == "own-network"
    assert "desktop was not asked" in str(failed)


def test_a_large_request_may_be_too_large_for_the_way() -> None:
    small, large = (str(path_failure(HOST, errno.ETIMEDOUT, sent=sent)) for sent in (PACKET_BYTES, PACKET_BYTES + 1))
    assert "MTU" not in small
    assert "packets of full size are lost on the way, which this request of 1,201 bytes needs" in large
    assert "ip link set wg0 mtu 1280" in large


def test_another_address_of_the_host_is_tried_where_there_is_no_way_to_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a machine without IPv6, for a name that has both."""
    from outpace.engines import connect

    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        (host,) = resolve([hosts.hosts[0]])
        unroutable = Host(host.name, host.url, ("fd00:dead::1", *host.addresses))

        async def look() -> str:
            async with Client(timeout_s=5) as client:
                return (await connect(client, [unroutable], wait_s=1))[host.name].host.addresses[0]

        assert anyio.run(look) == host.addresses[0]
