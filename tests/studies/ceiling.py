"""Where the coordinator's own lag passes 1 %: ``tox -e study -- ceiling.py [TOKENS_A_SECOND...]``.

Requests go out evenly to an engine that costs nothing and gives each of its answers 50 tokens a second
(outpace/measure/eventful.py), at more and more of them. Prints what came of each rate, and what ``outpace doctor`` says
of this machine.
"""
# ruff: noqa: T201

from __future__ import annotations

import sys
import time

import anyio

from outpace.dispatch import Coordinator
from outpace.dispatch.job import Job
from outpace.engines import Client, Identity
from outpace.engines.openai import OpenAIEngine
from outpace.ground.hosts import Host
from outpace.measure import ceiling
from outpace.measure.eventful import serving
from outpace.measure.lag import LagWatch
from outpace.workload.prompts import Generation, workload

TURN_S, TOKENS, LASTS_S = 0.02, ceiling.USUAL_TOKENS, 8.0
RATES = (5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 40_000, 50_000)


async def row(port: int, tokens_per_s: float) -> str:
    """What came of so many tokens a second for eight seconds, as a row."""
    gap_s = TOKENS / tokens_per_s

    async def evenly(job: Job) -> None:
        began_s = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for number, prompt in enumerate(job.prompts):
                await anyio.sleep_until(began_s + number * gap_s)
                tasks.start_soon(job.send, "h", prompt)

    work = workload([str(number) for number in range(int(LASTS_S / gap_s))], Generation(max_tokens=TOKENS))
    host = Host("h", f"http://127.0.0.1:{port}", ("127.0.0.1",))
    async with Client(timeout_s=60, patient=True) as client:
        engine = OpenAIEngine(client, host, Identity("vllm", "openai", None, {"m": None}), "m")
        coordinator = Coordinator({"h": engine}, timeout_s=60)
        spent_s = time.process_time()
        async with LagWatch() as lag:
            outcome = await coordinator.run("evenly", evenly, work, ["h"], cache_key="k")
    run = outcome.run
    assert not run.failed
    took_s, spent_s = run.makespan_ms / 1000, time.process_time() - spent_s
    made = len(run.requests) / took_s
    late = lag.worst_ms / run.makespan_ms
    return f"| {tokens_per_s:,.0f} | {made * TOKENS:,.0f} | {made:,.0f} | {spent_s / took_s:.0%} | {late:.2%} |"


async def main(rates: list[float]) -> None:
    """Print a row a rate, then what is said of this machine."""
    print(
        "| tokens/s asked for | made | requests/s | of the processor | lag over makespan |\n|---:|---:|---:|---:|---:|"
    )
    for rate in rates:
        with serving(TURN_S) as port:
            print(await row(port, rate), flush=True)
    found = await ceiling.measured()
    assert found is not None
    print(f"\nhere: {found.in_words()}.")


if __name__ == "__main__":
    anyio.run(main, [float(each) for each in sys.argv[1:]] or [*RATES])
