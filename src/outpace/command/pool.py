"""``outpace pool``: what a pool of contributors that come and go would bear, by simulation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outpace.command.run import bench
from outpace.ground.documents import require_writable, write_whole
from outpace.ground.errors import UsageError
from outpace.report import pool_document, pool_page
from outpace.report.document import written_at
from outpace.simulation.pool.many import ON, Failure, play_all
from outpace.simulation.pool.played import Played
from outpace.simulation.pool.scenario import find
from outpace.simulation.pool.variations import WORDS, variations


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser("pool", help="what a pool of contributors that come and go would bear, simulated")
    parser.add_argument("scenario", metavar="SCENARIO", help="a TOML file, or friends, office, club or globe")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="WHAT:VALUE,...",
        help=f"play it with each of these, and each with each where given again: {'; '.join(WORDS.values())}",
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="play each so many times (%(default)s)")
    parser.add_argument(
        "--on", choices=ON, default="cores", help="where: this machine's cores, or a Ray or Dask cluster (%(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=-1, metavar="N", help="so many at once; -1 is one a core")
    parser.add_argument(
        "--report-dir",
        type=Path,
        default=Path("reports/pool"),
        metavar="DIR",
        help="where pool-SCENARIO.json and .md are written (%(default)s)",
    )
    parser.set_defaults(do=_pool)


def _pool(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    if given.seeds < 1 or not given.jobs:
        raise UsageError("--seeds and --jobs: play it at least once, and one at a time.")
    scenario = find(given.scenario, bench())
    varied = variations(scenario, given.vary)
    require_writable(given.report_dir, "report", "--report-dir")

    def watch(place: int, found: Played | Failure) -> None:
        what = ", ".join(f"{name} {value}" for name, value in varied[place].varied.items()) or scenario.rule
        said = found.why if isinstance(found, Failure) else found.verdict()[0]
        print(f"{what}, seed {found.seed}: {said}", file=sys.stderr)  # noqa: T201

    seeds = range(1, given.seeds + 1)
    plays = play_all([each.scenario for each in varied], seeds, on=given.on, jobs=given.jobs, watch=watch)
    document = pool_document.build(scenario, varied, plays)
    path = given.report_dir / f"pool-{scenario.name}.json"
    with written_at(path):
        pool_document.write(path, document)
    page = path.with_suffix(".md")
    write_whole(page, pool_page.page(document))
    print(f"{pool_page.in_terminal(document)}\n\nto read: {page}, {path}")  # noqa: T201
    return int(any(each["failed"] for each in document["variations"]))
