"""Replay PROMPTS over HOSTS in one process: ``python replay_many.py PROMPTS HOSTS STRATEGY`` prints what it cost."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from types import SimpleNamespace

from outpace.dispatch import Coordinator, find_strategy
from outpace.engines import Client, Identity
from outpace.engines.detect import engine_for
from outpace.ground.hosts import Host
from outpace.measure.runs import run_in
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.host_model import Answer
from outpace.simulation.simulated_engine import SimulatedEngine, Stage
from outpace.workload.prompts import workload

HEAD = b'{"model":"m","response":"one","done":false}\n'
REST = b'{"model":"m","response":" word","done":false}\n' * 31
TOLD = b'{"model":"m","response":"","done":true,"total_duration":640000000,"eval_duration":600000000,"eval_count":32}\n'
ANSWER = Answer("application/x-ndjson", HEAD, REST, TOLD, 40.0, 640.0, 640.0)


class OneAnswer:
    """A host that answers every prompt alike."""

    host = SimpleNamespace(round_trip_ms=2.0, slots=4, protocol="ollama", engine="ollama")

    @staticmethod
    def speed(in_work: int) -> float:
        return 1.0 / in_work**0.5

    @staticmethod
    def answer(_prompt: int, _scene: object) -> Answer:
        return ANSWER


def replay(prompts: int, hosts: int, strategy: str) -> dict[str, float]:
    work = workload([f"prompt {number}" for number in range(prompts)])
    texts = tuple(prompt.text for prompt in work.prompts)
    names = [f"host{number}" for number in range(hosts)]
    identity = Identity("ollama", "ollama", None, {"m": None})
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        client = Client(timeout_s=1e6)
        speaks = {name: engine_for(client, Host(name, f"http://{name}:1", (name,)), identity, "m") for name in names}
        stage = Stage(texts)
        engines = {name: SimulatedEngine(speaks[name], OneAnswer(), stage, 1e6) for name in names}
        coordinator = Coordinator(engines, timeout_s=1e6)
        began, began_cpu = time.perf_counter(), time.process_time()
        outcome = run_in(runner, coordinator.run(strategy, find_strategy(strategy), work, names, cache_key="k"))
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    assert not outcome.run.failed
    return {
        "seconds": round(took_s, 2),
        "cpu_s": round(cpu_s, 2),
        "requests_per_s": round(prompts / took_s),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "virtual_s": round(outcome.run.makespan_ms / 1000, 3),
    }


if __name__ == "__main__":
    print(json.dumps(replay(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))  # noqa: T201
