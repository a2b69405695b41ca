"""A look at the hosts before anything is measured: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import email.utils
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import anyio

from outpace.engines import Client, Engine, connect, embedded
from outpace.engines.client import clean
from outpace.ground.errors import HostsError, RequestFailed, UsageError
from outpace.ground.hosts import EmbeddedHosts, Host, ReplayHosts, parse, resolve

LOOKS_S = 5.0
"""A host that has not answered by then is as good as not there."""
ROUND_TRIPS = 5
CLOCK_OFF_S = 2.0
"""The time that HTTP tells has seconds only."""


@dataclass
class Finding:
    """What was seen of one host: ``seen`` in words, and what is wrong, with what to do."""

    host: str
    seen: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What was seen of all hosts together."""

    findings: tuple[Finding, ...]
    models_in_common: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing stands in the way of measuring."""
        return not self.problems and not any(finding.problems for finding in self.findings)


def examine(
    hosts: EmbeddedHosts | ReplayHosts | Sequence[Host], *, model: str | None = None, allow_public: bool = False
) -> Diagnosis:
    """Look at ``hosts``, side by side; embedded engines are started for it.

    Raises ``UsageError`` where there is nothing to look at, or an address may not be spoken to.
    """
    if isinstance(hosts, ReplayHosts):
        raise HostsError("A recording has no hosts to look at: name live ones, or embedded.")
    with ExitStack() as stack:
        if isinstance(hosts, EmbeddedHosts):
            engines = stack.enter_context(embedded.running(hosts.count, slots=hosts.slots, rtt_ms=hosts.rtt_ms))
            hosts = [Host(engine.name, engine.url) for engine in engines]
        return anyio.run(_examine, resolve(hosts, allow_public=allow_public), model)


async def _examine(hosts: Sequence[Host], model: str | None) -> Diagnosis:
    findings = {host.name: Finding(host.name) for host in hosts}
    async with Client(timeout_s=LOOKS_S) as client, anyio.create_task_group() as looks:
        for host in hosts:
            looks.start_soon(_look, client, host, model, findings[host.name])
    found = tuple(findings.values())
    reached = [set(finding.models) for finding in found if finding.models]
    common = tuple(sorted(set.intersection(*reached))) if reached else ()
    problems = []
    if len(reached) > 1 and not common and model is None:
        problems.append("The hosts have no model in common: install the same one on all, and name it by --model.")
    return Diagnosis(found, common, tuple(problems))


async def _look(client: Client, host: Host, model: str | None, finding: Finding) -> None:
    try:
        engine = (await connect(client, [host], model=model, wait_s=LOOKS_S))[host.name]
        finding.models = tuple(engine.identity.models)
        version = f" {engine.identity.version}" if engine.identity.version else ""
        finding.seen.append(f"{engine.identity.engine}{version} speaks the {engine.identity.protocol} protocol")
        await _look_at_model(client, engine, finding)
        await _time(client, engine, finding)
    except (UsageError, RequestFailed) as error:
        finding.problems.append(str(error))


async def _look_at_model(client: Client, engine: Engine, finding: Finding) -> None:
    if engine.identity.protocol != "ollama":
        finding.seen.append(f"{clean(engine.model)} is loaded")
        return
    loaded = (await client.get(engine.host, "/api/ps")).json().get("models")
    names = [each.get("name") for each in loaded if isinstance(each, dict)] if isinstance(loaded, list) else []
    state = "is loaded" if engine.model in names else "is cold: the warm-up will load it, which no round counts"
    finding.seen.append(f"{clean(engine.model)} {state}")


async def _time(client: Client, engine: Engine, finding: Finding) -> None:
    trips_ms = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        await engine.ping()
        trips_ms.append((time.perf_counter() - began) * 1000)
    finding.seen.append(f"a cheap request takes {median(trips_ms):.1f} ms ({min(trips_ms):.1f} to {max(trips_ms):.1f})")
    path = "/api/version" if engine.identity.protocol == "ollama" else "/v1/models"
    told = (await client.get(engine.host, path)).headers.get("date")
    try:
        at = email.utils.parsedate_to_datetime(told).timestamp() if told else None
    except (ValueError, OverflowError):  # no date that anyone could read
        at = None
    if at is not None and abs(at - time.time()) > CLOCK_OFF_S:
        finding.seen.append(
            f"its clock is {at - time.time():+.0f} s off this one's, which harms no figure: all times are taken here"
        )


def in_words(diagnosis: Diagnosis) -> list[str]:
    """The diagnosis in lines for people, the problems last."""
    lines = []
    for finding in diagnosis.findings:
        lines.append(f"{finding.host}: {'; '.join(finding.seen) if finding.seen else 'not reached'}.")
        lines += [f"  problem: {problem}" for problem in finding.problems]
    if diagnosis.models_in_common:
        lines.append(f"models in common: {', '.join(clean(name, 80) for name in diagnosis.models_in_common)}")
    lines += [f"problem: {problem}" for problem in diagnosis.problems]
    lines.append("Nothing stands in the way." if diagnosis.healthy else "Mend that first; then measure.")
    return lines


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser("doctor", help="look at the hosts in a few seconds, before anything is measured")
    parser.add_argument("--hosts", action="append", default=[], metavar="HOSTS", help="as for run")
    parser.add_argument("--model", metavar="NAME", help="the model that all hosts are to have")
    parser.add_argument("--allow-public", action="store_true", help="let public addresses be spoken to")
    parser.set_defaults(do=_doctor)


def _doctor(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    diagnosis = examine(parse(given.hosts), model=given.model, allow_public=given.allow_public)
    print("\n".join(in_words(diagnosis)))  # noqa: T201
    return 0 if diagnosis.healthy else 1
