"""What if: a recording replayed as it is and with changes, and how far such replays have been off."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from outpace.dispatch import STRATEGIES, find_strategy
from outpace.ground.errors import UsageError
from outpace.ground.records import overhead_ratios, set_gains
from outpace.measure.measurement import Measurement
from outpace.recording import har
from outpace.recording.fitted_pace import alone
from outpace.recording.recording import Recording, Scene
from outpace.simulation.altered_recording import WORDS, Alteration, altered, altered_in_words, parse_alteration
from outpace.suite.command_line import strategies_named
from outpace.suite.regression import replayed
from outpace.workload.prompts import workload

__all__ = ["WORDS", "Alteration", "Outcome", "Played", "altered", "caveats", "parse_alteration", "what_if"]


class Played(NamedTuple):
    """Medians over the rounds of a replay: the makespan (ms), its ratio to that of ``baseline`` alone, the set gain.

    ``alone`` is the best single host of it, in words.
    """

    makespan_ms: float
    overhead_ratio: float
    baseline: str
    set_gain: float
    alone: str

    @classmethod
    def of(cls, measured: Measurement) -> Played:
        """What the rounds of ``measured``, all of which are answered, come to."""
        rounds, best = measured.rounds, measured.comparison().best_alone
        assert best is not None
        return cls(
            median(each.run.makespan_ms for each in rounds),
            median(overhead_ratios(rounds)),
            rounds[0].baseline.hosts[0],
            median(set_gains(rounds)),
            f"{best.host} at its best, {best.in_flight} in flight{best.order}",
        )


@dataclass(frozen=True)
class Outcome:
    """One strategy as recorded and as changed.

    ``error`` is the worst that replays were off this strategy's recorded makespans, 0.04 for 4 % either way, where
    they did not know those runs; None where none was recorded, or nothing else tells of a host. ``worst_error`` is
    the worst of all strategies.
    """

    strategy: str
    before: Played
    after: Played
    change: str
    error: float | None
    worst_error: float | None

    @property
    def band_ms(self) -> tuple[float, float] | None:
        """The changed makespan less and plus that error, None where the strategy has shown none."""
        ms, error = self.after.makespan_ms, self.error
        return None if error is None else (ms * (1 - error), ms * (1 + error))

    def in_words(self) -> str:
        """The outcome on one line."""
        before, after = self.before, self.after
        alone = f" of {before.baseline} alone" if before.baseline != after.baseline else ""
        best = f" ({before.alone})" if before.alone != after.alone else ""
        said = (
            f"{self.strategy}: set gain {before.set_gain:.2f}{best} now, {after.set_gain:.2f} {self.change} "
            f"({after.alone}); {before.makespan_ms:,.0f} ms now, {after.makespan_ms:,.0f} ms then "
            f"({before.overhead_ratio:.2f}{alone} -> {after.overhead_ratio:.2f} of {after.baseline} alone)"
        )
        if self.band_ms:
            band = f"{self.band_ms[0]:,.0f} to {self.band_ms[1]:,.0f} ms"
            return f"{said}; replays of it were off by up to {self.error:.1%}: {band}"
        if self.worst_error is None:
            return f"{said}; the recording holds no run to hold a replay against"
        return f"{said}; no error of its own, replays of other strategies were off by up to {self.worst_error:.1%}"


def what_if(
    recording: Recording,
    changes: Sequence[Alteration],
    strategies: Sequence[str],
    rounds: int | None = None,
    times: int = 1,
) -> list[Outcome]:
    """Replay ``recording`` as it is and with ``changes``, under each of ``strategies``.

    ``rounds`` are as many as were recorded unless said otherwise; the prompts are asked ``times`` times over. Raises
    ``UsageError``, and ``Unfinished`` where a prompt is left unanswered.
    """
    for strategy in strategies:
        find_strategy(strategy)
    if times < 1 or (rounds is not None and rounds < 1):
        raise UsageError("what if: replay at least one round, and ask the prompts at least once.")
    new, said = altered_in_words(recording, changes)
    errors = {strategy: replay_error(recording, strategy) for strategy in STRATEGIES}
    return [
        Outcome(
            strategy,
            Played.of(_replay(recording, strategy, rounds or recording.rounds, times)),
            Played.of(_replay(new, strategy, rounds or recording.rounds, times)),
            ", ".join(said) or "unchanged",
            errors.get(strategy),
            max((error for error in errors.values() if error is not None), default=None),
        )
        for strategy in strategies
    ]


def _replay(recording: Recording, strategy: str, rounds: int, times: int = 1) -> Measurement:
    work = workload([prompt.text for prompt in recording.workload.prompts] * times, recording.workload.generation)
    with TemporaryDirectory() as folder:
        return replayed(recording, strategy, Path(folder), rounds=rounds, work=work)


def replay_error(recording: Recording, strategy: str) -> float | None:
    """The worst that replays are off the makespans of ``strategy``, with its own runs left out of what they know.

    A replay of a run that is in the recording gives its requests their very times, and is off by next to nothing:
    that says little of runs that never were.
    """
    own = {run.name for run in recording.runs if run.strategy == strategy and not run.alone and run.makespan_ms}
    rest = replace(
        recording,
        runs=tuple(run for run in recording.runs if run.name not in own),
        exchanges=tuple(each for each in recording.exchanges if each.run not in own),
    )
    answered = {each.prompt for each in rest.exchanges if each.answered}
    known = all(alone(host.name, rest) for host in recording.hosts)
    if not own or not known or len(answered) < len(recording.workload.prompts):
        return None
    played = [each.run for each in _replay(rest, strategy, recording.rounds).rounds]
    recorded = [
        (run.makespan_ms, recording.makespan_ms(Scene(strategy, strategy, number), run.hosts))
        for number, run in enumerate(played)
    ]
    return max((abs(ms / recorded_ms - 1) for ms, recorded_ms in recorded if recorded_ms), default=None)


def caveats(changes: Sequence[Alteration], outcomes: Sequence[Outcome]) -> list[str]:
    """What the outcomes take for granted, a sentence each."""
    said = ["Hosts are taken to be independent: a network or a prompt cache that they share is not modelled."]
    if any(change.kind == "slots" for change in changes):
        said.append("With other slots, throughput beyond what was measured is taken to stay what it was.")
    unknown = [each.strategy for each in outcomes if each.error is None]
    if unknown:
        said.append(f"The recording has no run to tell how far replays are off for {', '.join(unknown)}.")
    return said


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser("what-if", help="what more, faster, nearer or fewer hosts would bring, by replay")
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="a session that run kept with --record")
    parser.add_argument("changes", nargs="+", metavar="CHANGE", help="; ".join(WORDS.values()))
    parser.add_argument(
        "--strategies", default="pull,earliest-finish", metavar="A,B", help="strategies to replay, or all"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="as many as were recorded, unless said")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="ask the prompts so many times over")
    parser.set_defaults(do=_what_if)


def _what_if(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    changes = [parse_alteration(text) for text in given.changes]
    strategies = strategies_named(given.strategies, "--strategies")
    outcomes = what_if(har.read(given.recording), changes, strategies, given.rounds, given.times)
    for line in (*(outcome.in_words() for outcome in outcomes), *caveats(changes, outcomes)):
        print(line)  # noqa: T201
    return 0
