"""Replays over HTTP: the whole client asks and the parsers read, to be held against the simulated engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from outpace.engines import Client, Engine
from outpace.engines.client import authority_of
from outpace.engines.detect import engine_for
from outpace.measure import session as measuring
from outpace.measure.session import Session
from outpace.measure.worlds import ReplayedWorld, Settings, as_recorded
from outpace.recording.recording import Recording, Scene
from outpace.simulation.faulty_transport import FaultyTransport
from outpace.workload.prompts import workload
from replay_transport import ReplayTransport


class ReplayedOverHttp(ReplayedWorld):
    """The same world, in which the client speaks HTTP and the parsers read what was recorded."""

    def __init__(self, recording: Recording, settings: Settings, faults: Any) -> None:
        super().__init__(recording, settings, faults)
        hosts = {authority_of(as_recorded(host)): host.name for host in recording.hosts}
        texts = tuple(prompt.text for prompt in recording.workload.prompts)
        replay = ReplayTransport({authority: self.models[name] for authority, name in hosts.items()}, texts)
        self.replay = replay
        self.transport = FaultyTransport(replay, faults, hosts) if faults else replay

    async def engines(self, client: Client) -> dict[str, Engine]:
        found: dict[str, Engine] = {}
        for each in self._recording.hosts:
            engine = engine_for(client, as_recorded(each), each.identity, each.model)
            # The warm-up is another where an engine keeps a cache.
            found[each.name] = type(type(engine).__name__, (type(engine),), {"resets_cache": True})(
                client, as_recorded(each), each.identity, each.model
            )
        return found

    def begin(self, scene: Scene) -> None:
        super().begin(scene)
        self.replay.scene = scene


@contextmanager
def replaying(recording: Recording, times: int, *, over_http: bool, **asked: Any) -> Iterator[Session]:
    """A session over ``recording``, all of its prompts so many ``times`` over."""
    work = workload([prompt.text for prompt in recording.workload.prompts] * times, recording.workload.generation)
    asked = {"timeout_s": 30.0} | asked
    settings = Settings(recording=recording, workload=work, baseline=recording.baseline, **asked)
    with pytest.MonkeyPatch.context() as patch:
        if over_http:
            patch.setattr(measuring, "open_world", lambda given, _, faults: ReplayedOverHttp(recording, given, faults))
        with Session(settings) as session:
            yield session
