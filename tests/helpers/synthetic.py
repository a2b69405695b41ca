"""Hosts made of numbers behind the whole HTTP client: real engines' protocols, real parsers, virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import anyio
import httpx

from outpace.dispatch import Coordinator, Limits, Outcome, Strategy, find_strategy, limit_of
from outpace.engines import Client, Engine, Identity
from outpace.engines.detect import engine_for
from outpace.ground.hosts import Host
from outpace.simulation.acting_faults import ActingFaults
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.fault_schedule import Fault
from outpace.simulation.faulty_transport import FaultyTransport
from outpace.simulation.played import Synthetic, answer_to
from outpace.workload.prompts import Generation, workload
from replay_transport import ReplayTransport


class Wires(httpx.AsyncBaseTransport):
    """What lies below the faults: ``inner``, with the late heads of the hosts in ``late``; counts what is open."""

    def __init__(self, inner: httpx.AsyncBaseTransport, late: Collection[str] = ()) -> None:
        self._inner, self._late = inner, late
        self.open = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        wire = response.stream = _Wire(self, response.stream)
        if request.method == "POST" and request.url.netloc.decode() in self._late:
            try:
                await wire.first()
            except BaseException:
                await wire.aclose()
                raise
        return response


class _Wire(httpx.AsyncByteStream):
    def __init__(self, wires: Wires, inner: httpx.AsyncByteStream) -> None:
        self._wires, self._inner, self._pieces = wires, inner, aiter(inner)
        self._first = b""
        self._open = True
        wires.open += 1

    async def first(self) -> None:
        self._first = await anext(self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        async for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()
        self._wires.open -= self._open
        self._open = False


__all__ = ["Played", "Synthetic", "Wires", "answer_to", "play"]


@dataclass
class Played:
    """What came of a run, how long it took to return (virtual seconds), and how many requests were made.

    ``watched`` is what the watcher was told of prompts done, ``left_open`` how many responses nobody closed.
    """

    outcome: Outcome
    took_s: float
    requests: int = field(default=0)
    watched: list[tuple[int, int]] = field(default_factory=list)
    left_open: int = 0


def play(
    hosts: Sequence[Synthetic],
    faults: Sequence[Fault] = (),
    *,
    strategy: str | Strategy = "serial-per-side",
    prompts: int = 8,
    timeout_s: float = 30.0,
    max_tokens: int = 32,
    limits: Limits = "sweep",
    due_ms: Sequence[float] = (),
    queue: int | None = None,
    coordinator: Callable[..., Coordinator] = Coordinator,
) -> Played:
    """Run ``prompts`` prompts over ``hosts`` while ``faults`` act; the first of them are due at ``due_ms``."""
    work = workload([f"prompt {number}" for number in range(prompts)], Generation(max_tokens))
    later = [replace(prompt, due_ms=at_ms) for prompt, at_ms in zip(work.prompts, due_ms, strict=False)]
    work = replace(work, prompts=(*later, *work.prompts[len(later) :]))
    texts = tuple(prompt.text for prompt in work.prompts)
    replay = ReplayTransport({f"{host.name}:1": host for host in hosts}, texts)  # type: ignore[misc]
    inner = Wires(replay, {f"{host.name}:1" for host in hosts if host.late_head})
    watched: list[tuple[int, int]] = []
    names = {f"{host.name}:1": host.name for host in hosts}
    how = find_strategy(strategy) if isinstance(strategy, str) else strategy

    async def main() -> Played:
        acting = ActingFaults(faults)
        transport = FaultyTransport(inner, acting, names)
        async with Client(timeout_s=timeout_s, patient=True, transport=transport) as client:
            engines = {host.name: _engine(client, host) for host in hosts}
            began = anyio.current_time()
            acting.begin()
            outcome = await coordinator(engines, timeout_s=timeout_s, watch=lambda _, *done: watched.append(done)).run(
                str(strategy),
                how,
                work,
                [host.name for host in hosts],
                cache_key="k",
                limit=limit_of(strategy if isinstance(strategy, str) else "pull", limits),
                queue=queue,
            )
            acting.end()
            return Played(outcome, anyio.current_time() - began, watched=watched, left_open=inner.open)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        played = runner.run(main())
    played.requests = sum(request.attempts for request in played.outcome.run.requests)
    return played


def _engine(client: Client, host: Synthetic) -> Engine:
    identity = Identity("ollama" if host.protocol == "ollama" else "vllm", host.protocol, None, {"m": None})
    return engine_for(client, Host(host.name, f"http://{host.name}:1", (host.name,)), identity, "m")
