"""A host whose name leads elsewhere after it was checked: it is told of, and nothing is sent there."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from outpace.engines import Engine
from outpace.ground.hosts import Host, moved_to
from outpace.ground.records import FailedAttempt, Run
from outpace.measure.moved import moved

NAMED = Host("desktop", "http://desktop.example:11434", ("100.64.0.3",))


@pytest.fixture
def leads_to(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let names lead to these addresses from now on; ``looks`` counts how often one was looked up."""
    looks: list[str] = []

    def set_to(*addresses: str) -> list[str]:
        def look_up(name: str, port: int, **_: object) -> list[tuple[Any, ...]]:
            looks.append(name)
            if not addresses:
                raise socket.gaierror("no such name")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return looks

    return set_to


def engines(*hosts: Host) -> dict[str, Engine]:
    return {host.name: SimpleNamespace(host=host) for host in hosts}  # type: ignore[misc]


def run(*kinds: str, host: str = "desktop") -> Run:
    attempts = tuple(FailedAttempt(number, host, 0.0, 1.0, f"{kind}: x") for number, kind in enumerate(kinds))
    return Run("pull", ("laptop", "desktop"), 1.0, (), attempts)


def test_a_name_that_leads_elsewhere_has_moved(leads_to: Any) -> None:
    leads_to("100.64.0.33", "100.64.0.34")
    assert moved_to(NAMED) == ("100.64.0.33", "100.64.0.34")


@pytest.mark.parametrize("addresses", [("100.64.0.3",), ("100.64.0.33", "100.64.0.3"), ()])
def test_one_that_still_leads_there_or_nowhere_has_not(leads_to: Any, addresses: tuple[str, ...]) -> None:
    leads_to(*addresses)
    assert moved_to(NAMED) == ()


def test_an_address_cannot_move() -> None:
    assert moved_to(Host("desktop", "http://127.0.0.1:11434", ("127.0.0.1",))) == ()


@pytest.mark.parametrize("kind", ["connect", "path"])
def test_it_is_told_of_a_host_that_could_not_be_reached(leads_to: Any, kind: str) -> None:
    leads_to("203.0.113.7")
    (said,) = moved(engines(NAMED), run(kind)).values()
    assert "The name of desktop leads to 203.0.113.7 now, and led to 100.64.0.3" in said
    assert "Begin the session again" in said


@pytest.mark.parametrize("kinds", [(), ("timeout",), ("busy", "stale"), ("own-network",)])
def test_names_of_hosts_that_were_reached_are_not_looked_up(leads_to: Any, kinds: tuple[str, ...]) -> None:
    looks = leads_to("203.0.113.7")
    assert moved(engines(NAMED), run(*kinds)) == {}
    assert moved(engines(NAMED), run("path", host="laptop")) == {}
    assert looks == []
