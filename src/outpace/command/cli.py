"""The command line for those who do not think in pytest: ``outpace run``, ``load``, ``report``, ``doctor`` and more."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import outpace
from outpace.command import compare, doctor, load, pool, report, rules, run, what_if
from outpace.ground.errors import OutpaceError

EPILOG = """\
examples:
  outpace doctor --hosts=a=http://127.0.0.1:11434,b=http://100.64.0.7:11434
  outpace run --hosts=a=http://127.0.0.1:11434,b=http://100.64.0.7:11434 --strategies=all
  outpace run                        on two engines that start on this machine
  outpace load --arrivals=poisson:30/min --for=2min --slo=ttft:p95<2s
  outpace report reports             report.html and RESULT.md again, from the JSON there
  outpace compare monday today       what changed, and whether the data can show it
  outpace what-if ours.json add=b    what one more host like b would bring, by replay
  outpace rules ours.json            which rule a router in front of them should use
  outpace pool club --vary=rule:random,power-of-two   what a pool of contributors would bear
"""


READER_GONE = 128 + 13
"""The exit status of what a shell saw end by the signal of a broken pipe."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name; gives the exit status: 0, 1 where a gate failed, 2 for a mistake.

    Where whoever reads what is printed has gone, as ``head`` does, it ends without a word.
    """
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if rest and given.command not in ("run", "load"):
        parser.error(f"{given.command} does not know {' '.join(rest)}")
    try:
        status = int(given.do(given, rest))
        sys.stdout.flush()
        return status
    except OutpaceError as error:
        print(f"outpace: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to be printed goes nowhere
        return READER_GONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="outpace",
        description="Do these machines outpace the fastest of them alone,\nby how much, under which dispatch strategy?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"outpace {outpace.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (run, load, report, compare, what_if, rules, pool, doctor):
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
