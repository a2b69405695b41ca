"""Hosts made of numbers behind the whole HTTP client: real engines' protocols, real parsers, virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace

import anyio

from outpace.dispatch import Coordinator, Outcome, find_strategy
from outpace.engines import Client, Engine, Identity
from outpace.engines.detect import engine_for
from outpace.hosts import Host
from outpace.prompts import workload
from outpace.replay import ReplayTransport, VirtualLoop
from outpace.replay.faults import Fault
from outpace.replay.faulty import FaultyTransport
from outpace.replay.model import Answer


@dataclass(frozen=True)
class Synthetic:
    """A host that takes ``work_ms`` for any prompt, ``slots`` of them at once without slowing down."""

    name: str
    work_ms: float = 1000.0
    slots: int = 1
    protocol: str = "ollama"
    round_trip_ms: float = 2.0

    @property
    def host(self) -> SimpleNamespace:
        return SimpleNamespace(round_trip_ms=self.round_trip_ms, slots=self.slots, protocol=self.protocol)

    @staticmethod
    def speed(_in_work: int) -> float:
        return 1.0

    def answer(self, prompt: int, _scene: object) -> Answer:
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
        events = [{"choices": [{"delta": {"content": word}, "finish_reason": None}]} for word in words]
        events.append({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": len(words)}})
        lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]
    return lines[0], b"".join(lines[1:])


@dataclass
class Played:
    """What came of a run, how long it took to return (virtual seconds), and how many requests were made."""

    outcome: Outcome
    took_s: float
    requests: int = field(default=0)


def play(
    hosts: Sequence[Synthetic],
    faults: Sequence[Fault] = (),
    *,
    strategy: str = "serial-per-side",
    prompts: int = 8,
    timeout_s: float = 30.0,
    coordinator: Callable[..., Coordinator] = Coordinator,
) -> Played:
    """Run ``prompts`` prompts over ``hosts`` while ``faults`` act."""
    work = workload([f"prompt {number}" for number in range(prompts)])
    texts = tuple(prompt.text for prompt in work.prompts)
    inner = ReplayTransport({f"{host.name}:1": host for host in hosts}, texts)  # type: ignore[misc]
    names = {f"{host.name}:1": host.name for host in hosts}

    async def main() -> Played:
        faulty = FaultyTransport(inner, faults, names)
        async with Client(timeout_s=timeout_s, transport=faulty) as client:
            engines = {host.name: _engine(client, host) for host in hosts}
            began = anyio.current_time()
            faulty.begin()
            outcome = await coordinator(engines, timeout_s=timeout_s).run(
                strategy, find_strategy(strategy), work, [host.name for host in hosts], cache_key="k"
            )
            faulty.end()
            return Played(outcome, anyio.current_time() - began)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        played = runner.run(main())
    played.requests = sum(request.attempts for request in played.outcome.run.requests)
    return played


def _engine(client: Client, host: Synthetic) -> Engine:
    identity = Identity("ollama" if host.protocol == "ollama" else "vllm", host.protocol, None, {"m": None})
    return engine_for(client, Host(host.name, f"http://{host.name}:1", (host.name,)), identity, "m")
