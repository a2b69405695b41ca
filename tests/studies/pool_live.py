"""Reference engines that come and go on this machine as contributors of a scenario do, and requests that arrive.

They listen on ports of this machine while they are there, and cut their connections as they leave. A seed draws the
same machines, the same presence and the same requests as for the simulation of the scenario.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from outpace.dispatch import Coordinator, find_strategy, limit_of
from outpace.engines import Client, Identity
from outpace.engines.detect import engine_for
from outpace.ground.hosts import Host
from outpace.ground.records import Run
from outpace.measure.real_clock import RealLoop
from outpace.simulation.pool.contributor import asked_for
from outpace.simulation.pool.population import Member, by_speed, drawn, known, spans_of, workload
from outpace.simulation.pool.presence import Spans
from outpace.simulation.pool.scenario import Scenario
from reference.server import ReferenceEngine
from reference.truth import Truth, from_plain, to_plain

FIRST_PORT = 21_400
"""Below those that systems give to whoever connects."""
AHEAD_S = 3.0
LONGEST_S = 120.0


class ComingAndGoing(ReferenceEngine):
    """An engine that listens while it is there; when it leaves, connections end inside answers."""

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._writers: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await super()._serve(reader, writer)
        finally:
            self._writers.discard(writer)

    async def go_by(self, port: int, spans: Sequence[Sequence[float]], start_s: float) -> None:
        """Be there within ``spans``, seconds after ``start_s`` on the machine's clock."""
        for from_s, until_s in spans:
            await asyncio.sleep(start_s + from_s - time.monotonic() - (AHEAD_S if from_s == 0 else 0))
            await self.listen(port)
            await asyncio.sleep(start_s + until_s - time.monotonic())
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()


async def serve(asked: dict[str, Any]) -> None:
    """Let all engines come and go."""
    async with asyncio.TaskGroup() as tasks:
        for place, (truth, spans) in enumerate(asked["engines"]):
            engine = ComingAndGoing(from_plain(truth))
            tasks.create_task(engine.go_by(FIRST_PORT + place, spans, asked["start_s"]))


@contextmanager
def serving(engines: Iterable[tuple[Truth, list[tuple[float, float]]]], start_s: float) -> Iterator[None]:
    """Engines in a process of their own, which come and go from ``start_s`` on."""
    asked = {"start_s": start_s, "engines": [(to_plain(truth), spans) for truth, spans in engines]}
    with subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps(asked).encode() + b"\n")
        child.stdin.close()
        try:
            yield
        finally:
            child.terminate()


def truth_of(member: Member, texts: Iterable[str]) -> Truth:
    """What an engine is like that is as fast and as far as a contributor's machine."""
    machine, half_ms = member.machine, member.machine.round_trip_ms / 2
    tokens = {text: asked_for(text)[1] for text in texts}
    (prompt_tokens,) = {asked_for(text)[0] for text in texts}
    return Truth(
        tokens_per_s=machine.tokens_per_s,
        prompt_ms=1000 * prompt_tokens / machine.prompt_tokens_per_s,
        slots=machine.kind.slots,
        batching=dict(machine.kind.throughput),
        delay_to_ms=half_ms,
        delay_from_ms=half_ms,
        tokens=tokens,
    )


def within(spans: Spans) -> list[tuple[float, float]]:
    """Those of ``spans`` that a run can come to."""
    found = []
    for from_s, until_s in spans:
        if from_s > LONGEST_S:
            break
        found.append((from_s, min(until_s, LONGEST_S)))
    return found


def live(scenario: Scenario, seed: int) -> Run:
    """Let the requests of ``scenario`` arrive at real engines, of one output length a text and one prompt length."""
    with asyncio.Runner(loop_factory=RealLoop) as runner:
        return runner.run(_live(scenario, seed))


async def _live(scenario: Scenario, seed: int) -> Run:
    members = {each.name: each for each in drawn(scenario, seed)}
    spans = {name: within(spans_of(each, scenario, seed)) for name, each in members.items()}
    work = workload(scenario, seed)
    texts = {prompt.text for prompt in work.prompts}
    knows = known(scenario, members.values())
    start_s = time.monotonic() + AHEAD_S + 2
    truths = {name: truth_of(each, texts) for name, each in members.items()}
    with serving(((truths[name], spans[name]) for name in members), start_s):
        async with Client(timeout_s=scenario.timeout_s, patient=True) as client:
            engines: dict[str, Any] = {}
            for place, (name, truth) in enumerate(truths.items()):
                identity = Identity("ollama", "ollama", truth.version, {truth.model: truth.digest})
                host = Host(name, f"http://127.0.0.1:{FIRST_PORT + place}", ("127.0.0.1",))
                engines[name] = engine_for(client, host, identity, truth.model)
            await asyncio.sleep(start_s - time.monotonic())
            outcome = await Coordinator(engines, timeout_s=scenario.timeout_s).run(
                scenario.rule,
                find_strategy(scenario.rule),
                work,
                by_speed(members, knows),
                cache_key="validation",
                known=knows,
                limit=limit_of(scenario.rule, "sweep"),
                away=[name for name, mine in spans.items() if not mine or mine[0][0] > 0],
            )
    return outcome.run


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
