"""The command line for those who do not think in pytest: ``outpace run | report | compare | what-if | doctor``."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import outpace
from outpace import change, doctor, options, whatif
from outpace.errors import OutpaceError, UsageError
from outpace.hosts import parse
from outpace.plugin import Asked
from outpace.replay import har
from outpace.request import strategies_named

EPILOG = """\
examples:
  outpace doctor --hosts=a=http://127.0.0.1:11434,b=http://100.64.0.7:11434
  outpace run --hosts=a=http://127.0.0.1:11434,b=http://100.64.0.7:11434 --strategies=all
  outpace run                        on two engines that start on this machine
  outpace report reports             report.html and RESULT.md again, from the JSON there
  outpace compare monday today       what changed, and whether the data can show it
  outpace what-if ours.json add=b    what one more host like b would bring, by replay
"""
INI = """\
[pytest]
addopts = --strict-markers -p no:cacheprovider
filterwarnings = ignore:Module already imported:pytest.PytestAssertRewriteWarning
junit_family = xunit1
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name; gives the exit status: 0, 1 where a gate failed, 2 for a mistake."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if rest and given.command != "run":
        parser.error(f"{given.command} does not know {' '.join(rest)}")
    try:
        return int(given.do(given, rest))
    except OutpaceError as error:
        print(f"outpace: {error}", file=sys.stderr)  # noqa: T201
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="outpace",
        description="Do these machines outpace the fastest of them alone,\nby how much, under which dispatch strategy?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"outpace {outpace.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="measure: capacity, strategies, gate; reports are written after every round",
        description="Measure the hosts' capacity, the strategies in paired rounds, and hold them against the gate. "
        "Options of pytest and pytest-benchmark are passed on: -k, -q, -v, --benchmark-json=FILE.",
        add_help=False,
    )
    run.add_argument("-h", "--help", action="store_true", help="show this help")
    run.set_defaults(do=_run)

    report = commands.add_parser("report", help="build report.html and RESULT.md from the JSON in a folder")
    report.add_argument("folder", type=Path, nargs="?", default=Path("reports"), metavar="DIR")
    report.set_defaults(do=_report)

    compare = commands.add_parser("compare", help="what changed between two sessions, and whether the data can show it")
    compare.add_argument("before", type=Path, metavar="A", help="a folder of reports, or a recording")
    compare.add_argument("after", type=Path, metavar="B", help="a folder of reports, or a recording")
    compare.set_defaults(do=_compare)

    ask = commands.add_parser("what-if", help="what more, faster, nearer or fewer hosts would bring, by replay")
    ask.add_argument("recording", type=Path, metavar="RECORDING", help="a session that run kept with --record")
    ask.add_argument("changes", nargs="+", metavar="CHANGE", help="; ".join(whatif.WORDS.values()))
    ask.add_argument("--strategies", default="pull,earliest-finish", metavar="A,B", help="strategies to replay, or all")
    ask.add_argument("--rounds", type=int, metavar="N", help="as many as were recorded, unless said")
    ask.add_argument("--times", type=int, default=1, metavar="N", help="ask the prompts so many times over")
    ask.set_defaults(do=_what_if)

    look = commands.add_parser("doctor", help="look at the hosts in a few seconds, before anything is measured")
    look.add_argument("--hosts", action="append", default=[], metavar="HOSTS", help="as for run")
    look.add_argument("--model", metavar="NAME", help="the model that all hosts are to have")
    look.add_argument("--allow-public", action="store_true", help="let public addresses be spoken to")
    look.set_defaults(do=_doctor)
    return parser


def _run(given: argparse.Namespace, rest: Sequence[str]) -> int:
    if given.help:
        _print_run_help()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        ini = Path(folder) / "pytest.ini"
        ini.write_text(INI, encoding="utf-8")
        bench = _bench()
        tests = [str(bench / f"test_{name}.py") for name in ("capacity", "strategies", "gate")]
        own = ["-c", str(ini), f"--rootdir={bench}", "-p", "outpace.plugin"]
        status = pytest.main([*own, *tests, *rest], plugins=[Asked(shlex.join(["outpace", "run", *rest]))])
    return 2 if status == pytest.ExitCode.USAGE_ERROR else int(status)


def _bench() -> Path:
    """The experiment: inside the package where a wheel brought it, else at the top of the checkout."""
    packaged = Path(__file__).parent / "bench"
    bench = packaged if packaged.is_dir() else Path(__file__).parents[2] / "bench"
    if not bench.is_dir():
        raise UsageError("This installation of outpace lacks its bench folder: install it again.")
    return bench


class _Group:
    """Takes pytest's options as argparse does, to show them."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def getgroup(self, _name: str, _title: str) -> _Group:
        return self

    def addoption(self, name: str, **how: Any) -> None:
        self._parser.add_argument(name, **how)


def _print_run_help() -> None:
    shown = argparse.ArgumentParser(prog="outpace run", add_help=False, usage="outpace run [OPTION]...")
    options.add_options(_Group(shown))  # type: ignore[arg-type]
    shown.print_help()


def _report(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    from outpace.report import html, markdown  # matplotlib takes a while to load, and the other commands do without

    for path in (html.write(given.folder), markdown.write(given.folder)):
        print(path)  # noqa: T201
    return 0


def _compare(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        for found in change.changes(given.before, given.after, Path(scratch)):
            print(found.in_words())  # noqa: T201
    return 0


def _what_if(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    changes = [whatif.parse_change(text) for text in given.changes]
    strategies = strategies_named(given.strategies, "--strategies")
    recording = har.read(given.recording)
    outcomes = whatif.what_if(recording, changes, strategies, given.rounds, given.times)
    for line in (*(outcome.in_words() for outcome in outcomes), *whatif.caveats(changes, outcomes)):
        print(line)  # noqa: T201
    return 0


def _doctor(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    diagnosis = doctor.examine(parse(given.hosts), model=given.model, allow_public=given.allow_public)
    print("\n".join(doctor.in_words(diagnosis)))  # noqa: T201
    return 0 if diagnosis.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
