"""How what a simulation costs grows: ``tox -e study -- growth.py [requests] [hosts] [sessions]``.

Prints tables in Markdown: runs of the coordinator over hosts that are models, as requests grow and as hosts do, and
whole sessions over a recording, with what finds the best alone, bounds and reports. Processor time and peak memory are
those of a process of its own for each line; what is not the run, such as making hosts, is left out of the time. All of
it takes six minutes. ``growth.py profile PROMPTS STRATEGY`` prints where the time of such a session goes.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from harness import REPOSITORY
from outpace.recording import har
from outpace.suite.regression import replayed
from outpace.workload.prompts import workload

REPLAY = REPOSITORY / "tests" / "benchmarks" / "replay_many.py"
RECORDING = REPOSITORY / "bench" / "recordings" / "vllm.json"
STRATEGIES = ("pull", "earliest-finish")
MORE_REQUESTS = [(1_000, 10), (10_000, 10), (100_000, 10), (1_000_000, 10)]
MORE_HOSTS = [(100_000, 10), (100_000, 100), (100_000, 1_000), (100_000, 10_000), (1_000_000, 10_000)]
SESSIONS = [1_000, 2_000, 10_000]


@cache
def of_process(*command: str) -> dict[str, float]:
    """What a process of its own prints."""
    done = subprocess.run([sys.executable, *command], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def session(prompts: int, strategy: str) -> dict[str, float]:
    """A session of one round over the recording, whose prompts are asked over and over."""
    recording = har.read(RECORDING)
    texts = [prompt.text for prompt in recording.workload.prompts]
    work = workload((texts * -(-prompts // len(texts)))[:prompts], recording.workload.generation)
    with TemporaryDirectory() as folder:
        began = time.process_time()
        rounds = replayed(recording, strategy, Path(folder), rounds=1, work=work).rounds
        took_s = time.process_time() - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_s": took_s, "peak_mib": peak_mib, "of_rounds": sum(len(run.requests) for run in rounds[0].runs)}


def profile(prompts: int, strategy: str) -> Counter[str]:
    """In which room of ``outpace`` a session was, or in asyncio or anyio, whenever a millisecond had gone by."""
    seen: Counter[str] = Counter()

    def look(_signal: int, frame: FrameType | None) -> None:
        room = None
        while frame is not None and room is None:
            file = frame.f_code.co_filename
            room = re.search(r"/(asyncio|anyio|sniffio)/|/src/outpace/(simulation/clock|\w+)", file)
            frame = frame.f_back
        seen[room[room.lastindex or 0] if room else "the rest"] += 1

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    session(prompts, strategy)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return seen


def line(*cells: object) -> None:
    """One line of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)  # noqa: T201


def runs(title: str, sizes: Sequence[tuple[int, int]]) -> None:
    """A table of runs over hosts that are models."""
    line(title, "requests", "hosts", "processor s", "µs a request", "peak MiB")
    line("---", *["---:"] * 5)
    for strategy in STRATEGIES:
        for requests, hosts in sizes:
            found = of_process(str(REPLAY), str(requests), str(hosts), strategy)
            took = f"{found['cpu_s']:.1f}", f"{found['cpu_s'] / requests * 1e6:.0f}", f"{found['peak_mib']:,.0f}"
            line(strategy, f"{requests:,}", f"{hosts:,}", *took)
    print()  # noqa: T201


def sessions(sizes: Sequence[int]) -> None:
    """A table of whole sessions."""
    line("strategy", "prompts", "requests of the round", "processor s", "of them a second", "peak MiB")
    line("---", *["---:"] * 5)
    for strategy in STRATEGIES:
        for prompts in sizes:
            found = of_process(__file__, "session", str(prompts), strategy)
            a_second = found["of_rounds"] / found["cpu_s"]
            figures = f"{found['cpu_s']:.1f}", f"{a_second:,.0f}", f"{found['peak_mib']:,.0f}"
            line(strategy, f"{prompts:,}", f"{found['of_rounds']:,}", *figures)


TABLES: Mapping[str, Callable[[], None]] = {
    "requests": lambda: runs("more requests", MORE_REQUESTS),
    "hosts": lambda: runs("more hosts", MORE_HOSTS),
    "sessions": lambda: sessions(SESSIONS),
}


if __name__ == "__main__":
    if sys.argv[1:2] == ["session"]:
        print(json.dumps(session(int(sys.argv[2]), sys.argv[3])))  # noqa: T201
    elif sys.argv[1:2] == ["profile"]:
        found = profile(int(sys.argv[2]), sys.argv[3])
        for room, times in found.most_common():
            line(room, f"{times / found.total():.0%}")
    else:
        for table in sys.argv[1:] or TABLES:
            TABLES[table]()
