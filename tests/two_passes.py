"""Run the tests in two passes: what needs no quiet machine side by side, then what is marked ``quiet``, alone.

Arguments go to both: ``python tests/two_passes.py tests/dispatch -k stale``.
"""

import os
import subprocess
import sys

import pytest

HANGS = ("-o", "faulthandler_timeout=600", "-o", "faulthandler_exit_on_timeout=true")
"""A test that hangs says where it stands, and ends the run."""
SLOWEST = "--durations=25"

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORKERS = PROCESSORS + 1
"""What is marked ``waits`` comes first and keeps one of them, which leaves the processors to the others."""

PASSES = ([f"-n={WORKERS}", "--dist=worksteal", "-m=not quiet"], ["-m=quiet"])


def main(arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *HANGS, SLOWEST]
    ended = {subprocess.call([*command, *options, *arguments]) for options in PASSES}
    if len(ended) > 1:  # what was asked for may be all of one kind
        ended.discard(pytest.ExitCode.NO_TESTS_COLLECTED)
    return max(ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
