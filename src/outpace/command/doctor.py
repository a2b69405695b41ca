"""A look at the hosts before anything is measured: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import email.utils
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import anyio

from outpace.engines import Client, Engine, Identity, embedded, route
from outpace.engines.detect import engine_for, look_at
from outpace.engines.failures import clean
from outpace.engines.models import by_host, choose, differently
from outpace.ground.errors import HostsError, HostUnusable, RequestFailed, UsageError
from outpace.ground.hosts import EmbeddedHosts, Host, ReplayHosts, parse, resolve
from outpace.measure import ceiling
from outpace.measure.ceiling import Ceiling
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation

LOOKS_S = 5.0
"""A host that has not answered by then is as good as not there."""
TRIES_S = 20.0
"""A model of which it is not known whether it is loaded may have to be."""
ROUND_TRIPS = 5
STATES = {
    None: "may be loaded or not: it does not say",
    True: "is loaded",
    False: "is cold: the warm-up will load it, which no round counts; so it was not asked for a token",
}
"""What is said of a model that is loaded, that is not, or of which it is not known."""
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
        asked = by_host(model, [host.name for host in hosts])
        return anyio.run(_examine, resolve(hosts, allow_public=allow_public), asked, allow_public)


async def _examine(hosts: Sequence[Host], asked: Mapping[str, str], allow_public: bool) -> Diagnosis:
    findings = {host.name: Finding(host.name) for host in hosts}
    problems = []
    async with Client(timeout_s=LOOKS_S) as client:
        looked = await look_at(client, hosts, wait_s=LOOKS_S)
        for name, each in looked.items():
            if isinstance(each, HostUnusable):
                findings[name].problems.append(str(each))
        found = [each for each in looked.values() if not isinstance(each, HostUnusable)]
        models: dict[str, str] = {}
        try:
            models = choose(found, asked, allow_public=allow_public)
            if said := differently(models):
                findings[found[0][0].name].seen.append(said)
        except UsageError as error:
            problems.append(str(error))
        async with anyio.create_task_group() as looks:
            for host, identity in found:
                looks.start_soon(_look, client, host, identity, models.get(host.name), findings[host.name])
    reached = [set(identity.models) for _, identity in found]
    common = tuple(sorted(set.intersection(*reached))) if reached else ()
    return Diagnosis(tuple(findings.values()), common, tuple(problems))


async def _look(client: Client, host: Host, identity: Identity, model: str | None, finding: Finding) -> None:
    finding.models = tuple(identity.models)
    version = f" {identity.version}" if identity.version else ""
    finding.seen.append(f"{identity.engine}{version} speaks the {identity.protocol} protocol")
    elsewhere = [(name, place) for name in identity.models if (place := identity.offer(name).elsewhere)]
    finding.seen += [
        f"its model {clean(name, 80)} is answered by {clean(place)}, not by it" for name, place in elsewhere[:5]
    ]
    if len(elsewhere) > 5:
        finding.seen.append(f"so are {len(elsewhere) - 5} more")
    if model is None:
        return
    loaded = identity.offer(model).loaded
    finding.seen.append(f"{clean(model)} {STATES[loaded]}")
    engine = engine_for(client, host, identity, model)
    try:
        await _time(client, engine, finding)
        if loaded is not False:
            await _try(engine, finding)
    except RequestFailed as error:
        finding.problems.append(str(error))


async def _try(engine: Engine, finding: Finding) -> None:
    """Ask for one token, as the warm-up of a run will; raises ``RequestFailed``."""
    async with Client(timeout_s=TRIES_S) as client:
        asked = engine_for(client, engine.host, engine.identity, engine.model)
        began = time.perf_counter()
        with anyio.move_on_after(TRIES_S) as trying:
            await asked.generate(DEFAULT_PROMPTS[0], Generation(max_tokens=1), f"doctor-{secrets.token_hex(8)}")
        took_ms = (time.perf_counter() - began) * 1000
    if trying.cancelled_caught:
        finding.problems.append(
            f"{engine.host.name} gave no token within {TRIES_S:g} s: it may be loading its model, or be busy with what "
            "others ask. Look again in a minute; a run waits for it as long as its --timeout says."
        )
    else:
        finding.seen.append(f"a request of one token takes {took_ms:.1f} ms")


async def _time(client: Client, engine: Engine, finding: Finding) -> None:
    trips_ms = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        await engine.ping()
        trips_ms.append((time.perf_counter() - began) * 1000)
    finding.seen.append(f"a cheap request takes {median(trips_ms):.1f} ms ({min(trips_ms):.1f} to {max(trips_ms):.1f})")
    seen, problems = await route.look(client, engine, trips_ms)
    finding.seen += seen
    finding.problems += problems
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


def in_words(diagnosis: Diagnosis, here: Ceiling | None) -> list[str]:
    """The diagnosis in lines for people, the problems last; ``here`` is the ceiling of this machine, if known."""
    lines = []
    for finding in diagnosis.findings:
        lines.append(f"{finding.host}: {'; '.join(finding.seen) if finding.seen else 'not reached'}.")
        lines += [f"  problem: {problem}" for problem in finding.problems]
    if here is not None:
        lines.append(f"here: {here.in_words()}.")
    if diagnosis.models_in_common:
        lines.append(f"models in common: {', '.join(clean(name, 80) for name in diagnosis.models_in_common)}")
    lines += [f"problem: {problem}" for problem in diagnosis.problems]
    lines.append("Nothing stands in the way." if diagnosis.healthy else "Mend that first; then measure.")
    return lines


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser("doctor", help="look at the hosts in a few seconds, before anything is measured")
    parser.add_argument("--hosts", action="append", default=[], metavar="HOSTS", help="as for run")
    parser.add_argument("--model", action="append", metavar="NAME", help="as for run")
    parser.add_argument("--allow-public", action="store_true", help="let public addresses be spoken to")
    parser.set_defaults(do=_doctor)


def _doctor(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    model = ",".join(given.model) if given.model else None
    diagnosis = examine(parse(given.hosts), model=model, allow_public=given.allow_public)
    print("\n".join(in_words(diagnosis, anyio.run(ceiling.measured))))  # noqa: T201
    return 0 if diagnosis.healthy else 1
