"""How fast a replay is: virtual requests a second, memory, and how both grow as prompts and hosts grow tenfold.

Each size runs in a process of its own; the figures are in the benchmark's extra info, and nothing is asserted of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.quiet
SIZES = [(1_000, 10), (10_000, 10), (10_000, 100), (10_000, 1_000)]
if os.environ.get("OUTPACE_NIGHTLY"):
    SIZES += [(100_000, 100), (100_000, 1_000)]


@pytest.mark.benchmark(group="replay")
@pytest.mark.parametrize(("prompts", "hosts"), [pytest.param(*size, id=f"{size[0]}x{size[1]}") for size in SIZES])
def test_how_fast_a_replay_is(prompts: int, hosts: int, benchmark) -> None:
    script = str(Path(__file__).with_name("replay_many.py"))
    command = [sys.executable, script, str(prompts), str(hosts), "serial-per-side"]
    found = benchmark.pedantic(subprocess.run, (command,), {"capture_output": True, "check": True}, rounds=1)
    benchmark.extra_info.update(json.loads(found.stdout))
