"""A long run over many reference engines: ``tox -e study -- long_run.py [PROMPTS] [HOSTS] [MINUTES]``.

Prints the coordinator's memory and file descriptors as it goes, and what came of the prompts: nothing may be lost, and
neither may grow.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio

from outpace.dispatch import Coordinator, find_strategy
from outpace.engines import Client, connect
from outpace.ground.hosts import Host, resolve
from outpace.workload.prompts import Generation, workload
from reference_engine import Truth, running

TOKENS = 24
EVERY_S = 30.0


def resident_mib() -> float:
    """Memory of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def descriptors() -> int:
    """Open file descriptors of this process (Linux)."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def main(urls: list[str], prompts: int) -> None:
    """Send the prompts by pull, with two in flight a host, and watch."""
    work = workload([f"prompt {number}" for number in range(prompts)], Generation(max_tokens=TOKENS))
    done = 0

    def watch(_name: str, now: int, _total: int) -> None:
        nonlocal done
        done = now

    async def report() -> None:
        while True:
            spent = f"{resident_mib():6.1f} MiB {descriptors():4} descriptors"
            print(f"{time.monotonic() - began:6.0f} s {done:6} done {spent}", flush=True)  # noqa: T201
            await anyio.sleep(EVERY_S)

    async with Client(timeout_s=120, patient=True) as client:
        hosts = resolve([Host(f"h{number}", url) for number, url in enumerate(urls)])
        engines = await connect(client, hosts)
        coordinator = Coordinator(engines, timeout_s=120, watch=watch)
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(report)
            outcome = await coordinator.run("pull", find_strategy("pull"), work, list(engines), cache_key="k")
            tasks.cancel_scope.cancel()
    run = outcome.run
    tokens = sum(request.output_tokens or 0 for request in run.requests)
    used = len({request.host for request in run.requests})
    print(  # noqa: T201
        f"{run.makespan_ms / 1000:.0f} s, {len(run.requests) - len(run.failed)} answered, {len(run.failed)} failed, "
        f"{len(run.failed_attempts)} attempts failed, {tokens} tokens of {prompts * TOKENS}, {used} hosts, "
        f"{resident_mib():.1f} MiB, {descriptors()} descriptors"
    )


if __name__ == "__main__":
    asked = [float(each) for each in sys.argv[1:]] + [10_000, 50, 10][len(sys.argv) - 1 :]
    count, machines, minutes = int(asked[0]), int(asked[1]), asked[2]
    rate = TOKENS / (minutes * 60 / (count / machines) - 0.02)
    with running(*[Truth(tokens_per_s=rate, prompt_ms=20.0, tokens=TOKENS)] * machines) as urls:
        anyio.run(main, urls, count)
