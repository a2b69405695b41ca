"""Engines on the machines of a mesh: real llama.cpp servers, or engines of known truth, at the mesh's address alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import reference_engine
from mesh.network import Machine
from outpace.engines.embedded import model_path
from outpace.engines.embedded.launcher import Child, stop
from outpace.engines.embedded.relay import RoundTrips
from reference.truth import Truth

PORT = 11434
PUBLISHED = RoundTrips(22.0, 13.0, 60.0)
"""The added latency of the published experiment: 22 ms, from 13 to 60."""
NEAR = RoundTrips(0.0)


@contextlib.contextmanager
def llama(machine: Machine, core: int, trips: RoundTrips | None = None, slots: int = 1) -> Iterator[str]:
    """A llama.cpp server on ``machine``, on one core; with ``trips`` it is as far away. Gives its URL.

    Raises ``EmbeddedUnavailable``.
    """
    children: list[Child] = []
    at = ["--address", machine.address, "--port", str(PORT)]
    arguments = ["--model", str(model_path()), "--slots", str(slots), "--index", str(core)]
    arguments += at if trips is None else []
    try:
        children.append(Child(machine.name, "outpace.engines.embedded.server", arguments, machine.command()))
        url = children[-1].url()
        if trips is None:
            yield url
            return
        with relay(machine, url, trips) as relayed:
            yield relayed
    finally:
        stop(children)


@contextlib.contextmanager
def reference(machine: Machine, truth: Truth, trips: RoundTrips = NEAR) -> Iterator[str]:
    """An engine of known truth on ``machine``, as far away; gives its URL."""
    with reference_engine.running(truth, within=machine.command()) as (url,), relay(machine, url, trips) as relayed:
        yield relayed


@contextlib.contextmanager
def relay(machine: Machine, url: str, trips: RoundTrips) -> Iterator[str]:
    """Bring what answers at ``url`` on the loopback of ``machine`` into the mesh, ``trips`` away; its URL there."""
    arguments = ["--engine-port", str(urlsplit(url).port), "--rtt-ms", str(trips.mean_ms)]
    if trips.least_ms is not None:
        arguments += ["--least-ms", str(trips.least_ms), "--most-ms", str(trips.most_ms)]
    arguments += ["--address", machine.address, "--port", str(PORT)]
    child = Child(f"the relay of {machine.name}", "outpace.engines.embedded.relay", arguments, machine.command())
    try:
        yield child.url()
    finally:
        stop([child])
