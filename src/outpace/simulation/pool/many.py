"""Many plays at once: seeds and variations are independent, so joblib runs them on whatever it is told to."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import joblib

from outpace.ground.errors import OutpaceError, UsageError
from outpace.ground.loading import said
from outpace.simulation.pool.played import Played, play
from outpace.simulation.pool.scenario import Scenario

ON = ("cores", "ray", "dask")
"""Where plays can be run: on this machine's cores, or on a cluster that the environment names."""


LOOKS_APART_S = 1.0


@dataclass(frozen=True)
class Failure:
    """A play that came to nothing, and why."""

    seed: int
    why: str


Watcher = Callable[[int, Played | Failure], None]
"""Called with the place of the scenario among all, and what came of one play of it, as plays end."""


def play_all(
    scenarios: Sequence[Scenario], seeds: Sequence[int], *, on: str = "cores", jobs: int = -1, watch: Watcher
) -> list[list[Played | Failure]]:
    """Play each of ``scenarios`` by each of ``seeds``; what came of each, in their order.

    ``jobs`` of them at once, as joblib counts them: -1 is one a core. But for what it cost, a play is the same wherever
    it was. Raises ``UsageError`` where ``on`` cannot be had.
    """
    asked = [(place, scenario, seed) for place, scenario in enumerate(scenarios) for seed in seeds]
    found: dict[tuple[int, int], Played | Failure] = {}
    try:
        with _backend(on):
            for place, each in _results(asked, jobs):
                found[place, each.seed] = each
                watch(place, each)
    except OutpaceError:
        raise
    except Exception as error:  # a worker was killed: what others have brought is kept
        for place, _, seed in asked:
            if (place, seed) not in found:
                found[place, seed] = Failure(seed, f"whoever played it is gone: {said(error)}")
                watch(place, found[place, seed])
    return [[found[place, seed] for seed in seeds] for place, _ in enumerate(scenarios)]


def _results(asked: Iterable[tuple[int, Scenario, int]], jobs: int) -> Iterable[tuple[int, Played | Failure]]:
    plays = (joblib.delayed(_played)(os.getpid(), *each) for each in asked)
    try:
        found: Iterable[Any] = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(plays)
    except ValueError:  # Ray's backend gives all at once
        found = joblib.Parallel(n_jobs=jobs)(plays)
    return found


def _played(asker: int, place: int, scenario: Scenario, seed: int) -> tuple[int, Played | Failure]:
    _end_with(asker)
    try:
        return place, play(scenario, seed)
    except Exception as error:  # one that fails costs the others nothing
        return place, Failure(seed, str(error) if isinstance(error, OutpaceError) else said(error))


@cache
def _end_with(asker: int) -> None:
    """Let this process, where the process ``asker`` started it, end when that is gone: killed, it told nobody to."""

    def watch() -> None:
        while os.getppid() == asker:
            time.sleep(LOOKS_APART_S)
        os._exit(1)

    if os.getppid() == asker:
        threading.Thread(target=watch, daemon=True).start()


def _backend(on: str) -> AbstractContextManager[Any]:
    if on == "cores":
        return nullcontext()
    try:
        if on == "ray":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray = importlib.import_module("ray")
            importlib.import_module("ray.util.joblib").register_ray()
            if not ray.is_initialized():
                ray.init(log_to_driver=False, include_dashboard=False)
        else:
            importlib.import_module("distributed").Client()
    except ImportError as error:
        raise UsageError(f"--on={on}: Python finds no {error.name}; install outpace[{on}].") from error
    return joblib.parallel_config(backend=on)  # type: ignore[no-any-return]
