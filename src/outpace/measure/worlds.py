"""The three worlds that a session can be in: live hosts, engines that start here, and a recording."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from outpace.dispatch import Limits
from outpace.engines import Client, Engine, connect, embedded
from outpace.engines.client import network_transport
from outpace.engines.detect import connect_routers, engine_for
from outpace.engines.models import by_host
from outpace.ground.errors import UsageError
from outpace.ground.hosts import EmbeddedHosts, Host, ReplayHosts, resolve
from outpace.judge.capacity import Capacity, classify
from outpace.measure.real_clock import RealLoop
from outpace.recording.recorder import Recorder, RecordingTransport
from outpace.recording.recording import RecordedHost, Recording, Scene
from outpace.report.document import HostEntry, this_machine
from outpace.simulation.acting_faults import ActingFaults
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.fault_schedule import Fault
from outpace.simulation.foretold import Foretold, alone
from outpace.simulation.host_model import HostModel
from outpace.simulation.simulated_engine import SimulatedEngine, Stage
from outpace.workload.prompts import Workload, workload


@dataclass(frozen=True)
class Settings:
    """What the user asked for; the defaults are those of the command line.

    ``recording`` is that of ``ReplayHosts``, whose workload is then the session's; ``what_if`` says how it was changed.
    ``record`` is the file that a live session is recorded in, without what was said where ``redact_text`` is set.
    ``faults`` act in strategies' runs. ``limits`` is what hosts may have in flight; ``capacities`` are known from an
    earlier sweep, by host. With ``know_lengths`` a prompt is expected to be answered at such length as earlier in the
    session. ``routers`` stand in front of the hosts, and are put under test beside the strategies.
    """

    hosts: EmbeddedHosts | ReplayHosts | list[Host] = field(default_factory=EmbeddedHosts)
    recording: Recording | None = None
    what_if: tuple[str, ...] = ()
    workload: Workload = field(default_factory=workload)
    model: str | None = None
    protocol: str | None = None
    baseline: str | None = None
    timeout_s: float = 120.0
    allow_public: bool = False
    record: Path | None = None
    redact_text: bool = False
    faults: tuple[Fault, ...] = ()
    limits: Limits = "sweep"
    capacities: Mapping[str, Capacity] = field(default_factory=dict)
    know_lengths: bool = True
    routers: tuple[Host, ...] = ()


class World(Protocol):
    """Where the hosts are: what differs between measuring them and replaying them, and nothing else does."""

    source: str
    created: str
    machine: dict[str, Any] | None
    session_key: str
    """Makes the cache keys of this session differ from those of any other."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop]
    transport: httpx.AsyncBaseTransport | None

    async def engines(self, client: Client) -> dict[str, Engine]:
        """The hosts' engines, by host; raises ``UsageError``."""
        ...

    async def routers(self, client: Client, model: str) -> dict[str, Engine]:
        """The routers to be tested, by name; ``model`` is the hosts'. Raises ``UsageError``."""
        ...

    recorder: Recorder | None
    """Keeps what passes, where the session is recorded."""

    def capacities(self) -> Mapping[str, Capacity]:
        """What concurrency does to hosts, as far as it is known before it is measured, by host."""
        ...

    def begin(self, scene: Scene) -> None:
        """A run begins."""
        ...

    def recorded_makespan_ms(self, scene: Scene, hosts: Sequence[str]) -> float | None:
        """What the run that ``scene`` replays took when it was recorded, None where it was not."""
        ...

    async def foretell(self, engine: Engine, in_flight: int) -> Foretold | None:
        """What the workload would take at ``engine`` alone, so many in flight, where that can be said without a run."""
        ...


def open_world(settings: Settings, stack: ExitStack, faults: ActingFaults | None = None) -> World:
    """Find or start the hosts that ``settings`` ask for; ``stack`` ends what was started. Raises ``UsageError``.

    ``faults`` act on replayed hosts; on others it is for the client's transport to let them act.
    """
    if settings.recording is not None:
        return ReplayedWorld(settings.recording, settings, faults)
    if isinstance(settings.hosts, EmbeddedHosts):
        wanted = settings.hosts
        engines = stack.enter_context(embedded.running(wanted.count, slots=wanted.slots, rtt_ms=wanted.rtt_ms))
        return LiveWorld(settings, [Host(engine.name, engine.url) for engine in engines], embedded.engine_version())
    if isinstance(settings.hosts, ReplayHosts):
        raise UsageError(f"The recording {settings.hosts.path} was not read.")
    return LiveWorld(settings, settings.hosts)


class LiveWorld:
    """Real engines under the real clock; ``version`` is theirs where they tell none."""

    def __init__(self, settings: Settings, hosts: Sequence[Host], version: str | None = None) -> None:
        self.source = "live" if version is None else "embedded"
        self.created = datetime.now(UTC).isoformat(timespec="seconds")
        self.machine: dict[str, Any] | None = this_machine()
        self.loop_factory: Callable[[], asyncio.AbstractEventLoop] = RealLoop
        self.session_key = secrets.token_hex(8)
        self.transport: httpx.AsyncBaseTransport | None = None
        self.recorder: Recorder | None = None
        if settings.record is not None:
            keeping = RecordingTransport(network_transport())
            self.transport = keeping
            self.recorder = Recorder(
                settings.record, keeping, settings.workload, self.created, redact=settings.redact_text
            )
        self._settings, self._version = settings, version
        self._asked = by_host(settings.model, [host.name for host in (*hosts, *settings.routers)])
        found = resolve([*hosts, *settings.routers], allow_public=settings.allow_public)
        self._hosts, self._routers = found[: len(hosts)], found[len(hosts) :]

    async def engines(self, client: Client) -> dict[str, Engine]:
        """Find out what each host has; raises ``HostUnusable``."""
        settings = self._settings
        return await connect(
            client,
            self._hosts,
            model=self._asked,
            protocol=settings.protocol,
            wait_s=settings.timeout_s,
            version=self._version,
            allow_public=settings.allow_public,
        )

    async def routers(self, client: Client, model: str) -> dict[str, Engine]:
        """Find out what each router offers; raises ``HostUnusable``, or ``ModelMissing`` where it is unclear which."""
        settings = self._settings
        return await connect_routers(
            client, self._routers, model, settings.timeout_s, asked=self._asked, allow_public=settings.allow_public
        )

    def capacities(self) -> Mapping[str, Capacity]:
        """Those of an earlier sweep."""
        return self._settings.capacities

    def begin(self, scene: Scene) -> None:
        """Let the recorder know, if there is one."""
        if self.recorder is not None:
            self.recorder.begin(scene)

    def recorded_makespan_ms(self, _scene: Scene, _hosts: Sequence[str]) -> float | None:
        """A live run replays nothing."""
        return None

    async def foretell(self, _engine: Engine, _in_flight: int) -> Foretold | None:
        """What a live engine takes is to be seen."""
        return None


class ReplayedWorld:
    """The hosts of a recording under the virtual clock: two replays are equal to the last digit, everywhere."""

    def __init__(self, recording: Recording, settings: Settings, faults: ActingFaults | None) -> None:
        self._recording, self._settings = recording, settings
        self.source = self.session_key = "replay"
        self.machine: dict[str, Any] | None = None
        self.loop_factory: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop
        self.created = recording.created
        self.recorder: Recorder | None = None
        self.transport: httpx.AsyncBaseTransport | None = httpx.MockTransport(_nowhere)
        self.stage = Stage([prompt.text for prompt in recording.workload.prompts], faults)
        self.models = {host.name: HostModel(host, recording) for host in recording.hosts}

    async def engines(self, client: Client) -> dict[str, Engine]:
        """The recorded engines, of which nothing has to be found out."""
        found: dict[str, Engine] = {}
        for each in self._recording.hosts:
            speaks = engine_for(client, as_recorded(each), each.identity, each.model)
            found[each.name] = SimulatedEngine(speaks, self.models[each.name], self.stage, self._settings.timeout_s)
        return found

    async def routers(self, _client: Client, _model: str) -> dict[str, Engine]:
        """A recording holds none."""
        return {}

    def capacities(self) -> Mapping[str, Capacity]:
        """What the recorded levels say, unless it is known better."""
        hosts = [host for host in self._recording.hosts if any(level.in_flight == 1 for level in host.levels)]
        return {host.name: classify(host.levels) for host in hosts} | dict(self._settings.capacities)

    def begin(self, scene: Scene) -> None:
        """Let the hosts be as they were in the run that ``scene`` names."""
        self.stage.scene = scene

    def recorded_makespan_ms(self, scene: Scene, hosts: Sequence[str]) -> float | None:
        """What the same run took when it was recorded."""
        return self._recording.makespan_ms(scene, tuple(hosts))

    async def foretell(self, engine: Engine, in_flight: int) -> Foretold | None:
        """What its model says."""
        if not isinstance(engine, SimulatedEngine):
            return None
        return await alone(engine, self._settings.workload, in_flight, self._settings.timeout_s)


def _nowhere(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("a replay has no network", request=request)


def entry_of(engine: Engine) -> HostEntry:
    """What a report says of the host of ``engine``."""
    identity = engine.identity
    return HostEntry(
        engine.host.name,
        engine.host.url,
        identity.engine,
        identity.version,
        engine.model,
        identity.models.get(engine.model),
    )


def as_recorded(host: RecordedHost) -> Host:
    """A recorded host as one that can be spoken to; its name stands for its address, which is not looked up."""
    return Host(host.name, host.url, (str(urlsplit(host.url).hostname),))
