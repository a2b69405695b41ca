"""``outpace load``: what latency requests meet that arrive one by one, by pytest over bench/test_load.py."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from outpace.command.run import bench, measure, print_help
from outpace.ground.errors import UsageError


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser(
        "load",
        help="let requests arrive: latency from when each is due, on the set and on the best host alone",
        description="Let requests arrive as --arrivals says, under each strategy and on the best host alone.",
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this help")
    parser.set_defaults(do=_load)


def _load(given: argparse.Namespace, rest: Sequence[str]) -> int:
    if given.help:
        print_help("load")
        return 0
    if not any(each.partition("=")[0] in ("--arrivals", "--rate") for each in rest):
        if any(each.startswith("--hosts=replay:") for each in rest):
            return measure("load", [bench() / "test_load.py"], [*rest, "--arrivals=recorded"])
        raise UsageError(
            "outpace load: say how requests arrive and for how long, such as --arrivals=poisson:30/min --for=2min."
        )
    return measure("load", [bench() / "test_load.py"], rest)
