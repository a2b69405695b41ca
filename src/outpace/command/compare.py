"""What changed between two sessions: how many times as long strategies take, one by one, with its interval.

Time is counted against the best alone of the same round, which is 1 / the set gain, or, where one of the two did not
measure that, against the baseline: the overhead ratio.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from outpace.dispatch import STRATEGIES
from outpace.ground.errors import DocumentInvalid
from outpace.ground.records import BestAlone
from outpace.judge import capacity
from outpace.judge.stats import Interval, rounds_ratio_interval
from outpace.recording import har
from outpace.report import document
from outpace.report.side_by_side import blocks as side_by_side_blocks
from outpace.suite.regression import replayed

ROUNDS_THAT_AGREE = 3
"""Where there are too few for an interval, so many a side, all of them apart, show a change."""


@dataclass(frozen=True)
class Change:
    """One strategy in two sessions; ``factor`` is the second's median time / the first's, 1 for no change.

    ``measure`` is what ``before`` and ``after`` are: "set gain" or "overhead ratio". ``alone`` says how the best alone
    differs, where it does.
    """

    strategy: str
    measure: str
    before: float
    after: float
    factor: Interval
    certain: bool
    alone: str = ""

    def in_words(self) -> str:
        """The change in one sentence."""
        said = f"{self.strategy}: {self.measure} {self.before:.3f} before, {self.after:.3f} after{self.alone}"
        low, high = self.factor.low, self.factor.high
        if low is None or high is None:
            spread = "too few rounds for an interval"
        else:
            spread = f"{self.factor.confidence:.0%} interval of the change {low - 1:+.1%} to {high - 1:+.1%}"
        if not self.certain:
            return f"{said}; no change that the data can show ({self.factor.median - 1:+.1%}, {spread})."
        word = "slower" if self.factor.median > 1 else "faster"
        word += " against the best alone" if self.measure == "set gain" else ""
        return f"{said}; {abs(self.factor.median - 1):.1%} {word} ({spread})."


def changes(before: Path, after: Path, scratch: Path) -> list[Change]:
    """Compare two sessions, each a folder of reports, or a recording, which is replayed into ``scratch``.

    Strategies that only one of them holds are left out. Raises ``DocumentInvalid`` where there is nothing to compare.
    """
    first = _reports(before, scratch / "before")
    second = _reports(after, scratch / "after")
    both = [name for name in first if name in second]
    if not both:
        raise DocumentInvalid(
            f"{before} and {after} have no strategy in common: {', '.join(first)} there, {', '.join(second)} here."
        )
    return [change for name in both if (change := _change(name, first[name], second[name])) is not None]


def _change(strategy: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Change | None:
    both = (before, after)
    told = {
        key: [[each[key] for each in report["rounds"] if each[key]] for report in both]
        for key in ("set_gain", "overhead_ratio")
    }
    key = "set_gain" if all(told["set_gain"]) else "overhead_ratio"
    if not all(told[key]):
        return None
    times = [[1 / gain for gain in gains] for gains in told[key]] if key == "set_gain" else told[key]
    factor = rounds_ratio_interval(times[1], times[0])
    if factor.low is None or factor.high is None:
        apart = max(times[1]) < min(times[0]) or min(times[1]) > max(times[0])
        certain = apart and min(map(len, times)) >= ROUNDS_THAT_AGREE
    else:
        certain = factor.low > 1 or factor.high < 1
    medians = [report["summary"][key]["median"] for report in both]
    alone = _alone(before, after) if key == "set_gain" else ""
    return Change(strategy, key.replace("_", " "), medians[0], medians[1], factor, certain, alone)


def _alone(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What the set gains are against, where that is not the same in both."""
    alone = [BestAlone(**each["summary"]["best_alone"]) for each in (before, after)]
    told = [f"{each.host} with {each.in_flight} in flight{each.order}" for each in alone]
    if told[0] == told[1]:
        return ""
    return f" (against {told[0]} before, {told[1]} after)"


def _reports(source: Path, scratch: Path) -> dict[str, dict[str, Any]]:
    if source.is_file():
        recording = har.read(source)
        for strategy in STRATEGIES:
            replayed(recording, strategy, scratch)
        source = scratch
    found = document.read_all(source)
    if not found:
        raise DocumentInvalid(f"There is no report-<strategy>.json in {source}, and it is no recording.")
    return {report["strategy"]: report for report in found}


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser("compare", help="what changed between two sessions, and whether the data can show it")
    parser.add_argument("before", type=Path, metavar="A", help="a folder of reports, or a recording")
    parser.add_argument("after", type=Path, metavar="B", help="a folder of reports, or a recording")
    parser.add_argument(
        "--markdown",
        action="store_true",
        help="both side by side in Markdown: what was the same, what was not, and why",
    )
    parser.set_defaults(do=_compare)


def side_by_side(before: Path, after: Path, scratch: Path) -> str:
    """Both sessions side by side, as a section in Markdown; raises ``DocumentInvalid``."""
    from outpace.report import markdown  # which loads more than any other way to compare needs

    first, second = _reports(before, scratch / "before"), _reports(after, scratch / "after")
    swept = after / capacity.FILE
    hosts = capacity.read(swept)["hosts"] if swept.is_file() else {}
    kinds = {name: str(found["kind"]) for name, found in hosts.items()}
    return markdown.section(f"Beside {before.name}", side_by_side_blocks(first, second, kinds))


def _compare(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    with TemporaryDirectory() as scratch:
        if given.markdown:
            print(side_by_side(given.before, given.after, Path(scratch)))  # noqa: T201
            return 0
        for found in changes(given.before, given.after, Path(scratch)):
            print(found.in_words())  # noqa: T201
    return 0
