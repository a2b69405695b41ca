"""How much work each prompt is, and at what pace each host did it, out of a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from statistics import fmean, median

from outpace.recording import fitted_levels
from outpace.recording.recording import Exchange, RecordedRun, Recording, Scene

OVERLAP_MS = 5.0
SHORTEST_MS = 1e-3

Alone = tuple[RecordedRun, int, float]
"""Run, prompt and work (ms) of an exchange that had its host to itself."""


class Pace:
    """What prompts cost on one host.

    The work of a prompt is the wall time of an exchange that had the host to itself, less the round trip: that of the
    very run that is replayed, where it kept one request in flight. For any other run it is the prompt's size, the same
    on all hosts and in all rounds, times the host's pace: from the run beside it in its round, or from the same
    strategy's in that round, or from all of that round, or from everything. So a replay keeps the drift from round to
    round that the recorded machines had, but not the noise of single requests.
    """

    def __init__(self, host: str, recording: Recording) -> None:
        self._rounds = recording.rounds
        self._alone = alone(host, recording)
        self._of_round: defaultdict[int, list[Alone]] = defaultdict(list)
        for each in self._alone:
            self._of_round[each[0].round].append(each)
        self._sizes = sizes(recording)
        self._known: dict[Scene, tuple[dict[int, list[float]], float]] = {}

    def work_ms(self, prompt: int, scene: Scene) -> float:
        """Time that ``prompt`` takes on this host alone, without the network, in ``scene``."""
        scene = replace(scene, round=scene.round % self._rounds)
        if scene not in self._known:
            self._known[scene] = self._know(scene)
        own, pace = self._known[scene]
        return fmean(own[prompt]) if prompt in own else self._sizes[prompt] * pace

    def _know(self, scene: Scene) -> tuple[dict[int, list[float]], float]:
        """The works of prompts in the very run that ``scene`` replays, and the host's pace for any other prompt."""
        own: defaultdict[int, list[float]] = defaultdict(list)
        for preference, fits in enumerate(_preferences(scene)):
            found = [each for each in self._of_round[scene.round] if fits(each[0])]
            if found and preference == 0:
                for _, prompt, ms in found:
                    own[prompt].append(ms)
            if found:
                return own, self._pace_of(found)
        return own, self._pace

    @cached_property
    def _pace(self) -> float:
        return self._pace_of(self._alone) if self._alone else 1.0

    def _pace_of(self, found: Sequence[Alone]) -> float:
        return fmean(ms / self._sizes[index] for _, index, ms in found)


def _preferences(scene: Scene) -> list[Callable[[RecordedRun], bool]]:
    """Which recorded runs of its round tell the pace in ``scene``, the best first."""

    def of_round(run: RecordedRun) -> bool:
        return run.round == scene.round

    def beside(run: RecordedRun) -> bool:
        return of_round(run) and run.measured == scene.measured

    def same_strategy(run: RecordedRun) -> bool:
        return of_round(run) and run.strategy == scene.strategy

    def same_run(run: RecordedRun) -> bool:
        return run.is_that_of(scene)

    return [same_run, beside, same_strategy, of_round]


def alone(host: str, recording: Recording) -> list[Alone]:
    """Every exchange that had ``host`` to itself; two that touch by a few milliseconds did not share it."""
    trip_ms = next(each.round_trip_ms for each in recording.hosts if each.name == host)
    runs = {run.name: run for run in recording.runs}
    mine: defaultdict[str, list[Exchange]] = defaultdict(list)
    for each in recording.of_host(host):
        if each.run in runs:
            mine[each.run].append(each)
    found = []
    for name, exchanges in mine.items():
        exchanges.sort(key=lambda each: each.started_ms)
        busy_until = float("-inf")
        for index, each in enumerate(exchanges):
            ends = each.started_ms + each.wall_ms
            next_begins = exchanges[index + 1].started_ms if index + 1 < len(exchanges) else float("inf")
            shared = busy_until > each.started_ms + OVERLAP_MS or next_begins < ends - OVERLAP_MS
            if each.answered and each.prompt is not None and not shared:
                found.append((runs[name], each.prompt, max(each.wall_ms - trip_ms, SHORTEST_MS)))
            busy_until = max(busy_until, ends)
    return found


def sizes(recording: Recording) -> dict[int, float]:
    """How much work each prompt is, in ms on a host of mean pace.

    A run of all prompts on one host gives each prompt's share of it; the median of its shares is its size. Where no
    such run was recorded, the tokens of the answers are the shares.
    """
    by_run: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for host in recording.hosts:
        for run, prompt, ms in alone(host.name, recording):
            by_run[host.name, run.name][prompt] = ms
    prompts = [prompt.index for prompt in recording.workload.prompts]
    whole = [each for each in by_run.values() if len(each) == len(prompts)]
    if not whole:
        tokens = {each.prompt: fitted_levels.output_tokens(each) for each in recording.exchanges if each.answered}
        whole = [{index: float(tokens.get(index) or 1) for index in prompts}]
    mean_ms = fmean(fmean(each.values()) for each in whole)
    return {index: mean_ms * median(each[index] / fmean(each.values()) for each in whole) for index in prompts}
