"""How far replays of a recording are off the loads that it holds, in what they were not told of them."""

from __future__ import annotations

from dataclasses import replace

from outpace.dispatch import STRATEGIES
from outpace.judge.replay_error import ReplayError, replay_error
from outpace.judge.slo import latency_of
from outpace.measure.load import BEST_ALONE, Load, arriving_alone, run_load
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording.fitted_pace import alone
from outpace.recording.recording import RecordedRun, Recording
from outpace.workload import arrivals


def load_error(recording: Recording) -> ReplayError | None:
    """The worst over the loads of ``recording`` under strategies that are known here; None where it holds none.

    A replay that knows the answers of a load gives them back: that says little of loads that never were. So each is
    replayed by what its first half, and all other runs, tell of the hosts, and held against its second half.
    """
    errors = [error for run in recording.runs if (error := _error(recording, run)) is not None]
    return max(errors, key=lambda each: each.share, default=None)


def _strategy(run: RecordedRun) -> str | None:
    _, _, strategy = (run.measured or "").partition("/")
    return strategy if strategy == BEST_ALONE or strategy in STRATEGIES else None


def _error(recording: Recording, run: RecordedRun) -> ReplayError | None:
    strategy = _strategy(run)
    if not run.latencies or not run.makespan_ms or strategy is None:
        return None
    own = sorted((each for each in recording.exchanges if each.run == run.name), key=lambda each: each.started_ms)
    unknown = {id(each) for each in own[len(own) // 2 :]}
    rest = replace(recording, exchanges=tuple(each for each in recording.exchanges if id(each) not in unknown))
    told = {each.prompt for each in rest.exchanges if each.answered}
    if not all(alone(host, rest) for host in run.hosts) or len(told) < len(rest.workload.prompts):
        return None
    load = Load("as recorded", arrivals.at_times(rest.workload, [each.due_ms for each in run.latencies]))
    with Session(Settings(recording=rest, workload=rest.workload, baseline=rest.baseline)) as session:
        best = arriving_alone(session) if strategy == BEST_ALONE else None
        replayed = [latency_of(each) for each in run_load(session, strategy, load, best).run.requests]
    second = len(run.latencies) // 2
    return replay_error(run.latencies[second:], replayed[second:], strategy)
