"""Hosts made of numbers, and a run over them while faults act: what a strategy is held to the law on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import anyio
import httpx

from outpace.dispatch import Coordinator, Outcome, Strategy
from outpace.engines import Client, Engine, Identity
from outpace.engines.detect import engine_for
from outpace.ground.hosts import Host
from outpace.simulation.acting_faults import ActingFaults
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.fault_schedule import Fault
from outpace.simulation.host_model import Answer
from outpace.simulation.simulated_engine import SimulatedEngine, Stage
from outpace.workload.prompts import Generation, workload


@dataclass(frozen=True)
class Synthetic:
    """A host that takes ``work_ms`` for any prompt, ``slots`` of them at once without slowing down.

    With ``late_head`` its status comes with the first text, as most engines' does, and not as soon as it is asked.
    """

    name: str
    work_ms: float = 1000.0
    slots: int = 1
    protocol: str = "ollama"
    round_trip_ms: float = 2.0
    late_head: bool = False

    @property
    def host(self) -> SimpleNamespace:
        """What a simulation asks of a recorded host."""
        return SimpleNamespace(
            round_trip_ms=self.round_trip_ms, slots=self.slots, protocol=self.protocol, engine=self.identity.engine
        )

    @property
    def identity(self) -> Identity:
        """The engine that it is like."""
        return Identity("ollama" if self.protocol == "ollama" else "vllm", self.protocol, None, {"m": None})

    @staticmethod
    def speed(_in_work: int) -> float:
        """It is as fast with several requests as with one."""
        return 1.0

    def answer(self, prompt: int, _scene: object) -> Answer:
        """The right answer to a prompt, and when its pieces come."""
        head, rest = said(self.protocol, prompt)
        return Answer("text/plain", head, rest, b"", self.work_ms / 4, self.work_ms, self.work_ms)


def answer_to(prompt: int) -> str:
    """The one right answer."""
    return f"the whole answer to {prompt}."


@cache
def said(protocol: str, prompt: int) -> tuple[bytes, bytes]:
    """The right answer as an engine sends it, in two pieces."""
    words = [word + " " for word in answer_to(prompt).split()]
    words[-1] = words[-1].strip()
    if protocol == "ollama":
        parts = [{"response": word, "done": False} for word in words]
        parts.append({"response": "", "done": True, "total_duration": 1, "eval_duration": 1, "eval_count": len(words)})
        lines = [json.dumps(part).encode() + b"\n" for part in parts]
    else:
        events: list[dict[str, Any]] = [{"choices": [{"delta": {"content": word}}]} for word in words]
        events.append({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": len(words)}})
        lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]
    return lines[0], b"".join(lines[1:])


@dataclass(frozen=True)
class Played:
    """What came of a run, and how long it took to return, in virtual seconds."""

    outcome: Outcome
    took_s: float


def play(
    strategy: Strategy, hosts: Sequence[Synthetic], faults: Sequence[Fault], due_ms: Sequence[float], timeout_s: float
) -> Played:
    """Run ``strategy`` over ``hosts`` in virtual time while ``faults`` act: a prompt for each of ``due_ms``.

    ``timeout_s`` is what one attempt may take.
    """
    work = workload([f"prompt {number}" for number in range(len(due_ms))], Generation(max_tokens=32))
    come = tuple(replace(prompt, due_ms=at_ms) for prompt, at_ms in zip(work.prompts, due_ms, strict=True))
    acting = ActingFaults(faults)
    stage = Stage([prompt.text for prompt in come], acting)

    async def main() -> Played:
        # Nothing goes through the client: it belongs to those whose words are taken in.
        async with Client(timeout_s=timeout_s, transport=httpx.MockTransport(lambda _: httpx.Response(404))) as client:
            engines: dict[str, Engine] = {}
            for host in hosts:
                where = Host(host.name, f"http://{host.name}:1", (host.name,))
                speaks: Any = engine_for(client, where, host.identity, "m")
                engines[host.name] = SimulatedEngine(speaks, host, stage, timeout_s)  # type: ignore[arg-type]
            began_s = anyio.current_time()
            acting.begin()
            outcome = await Coordinator(engines, timeout_s=timeout_s).run(
                "law", strategy, replace(work, prompts=come), [host.name for host in hosts], cache_key="law"
            )
            acting.end()
            return Played(outcome, anyio.current_time() - began_s)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
