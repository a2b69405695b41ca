"""The embedded engines, recorded, then asked by requests that arrive, and the same simulated: replayed, and as a pool.

The pool has two hosts like the recorded ones, and requests of as many tokens as those of the recording, which come at
the same times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from outpace.dispatch.expectation import CHARACTERS_A_TOKEN
from outpace.ground.hosts import ReplayHosts
from outpace.ground.records import Run
from outpace.judge.slo import Objective
from outpace.measure.load import Load, run_load
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.fitted_levels import output_tokens
from outpace.recording.recording import Scene
from outpace.simulation.pool.draws import ONE, Draw
from outpace.simulation.pool.machine import like
from outpace.simulation.pool.played import Played, play
from outpace.simulation.pool.presence import Churn
from outpace.simulation.pool.scenario import Group, Scenario
from outpace.workload.arrivals import Arrivals, arriving
from outpace.workload.prompts import Workload

FOR_S = 45.0
SLOTS = 1
"""Of an embedded engine."""
SHARE = 0.6
"""Of what the engines do together in a batch, so much is asked of them."""
BATCH = "pull"


def at_rate(work: Workload, rate: float, seed: int) -> Load:
    """The prompts of ``work`` as they arrive by chance."""
    arrivals = Arrivals("poisson", rate)
    return Load(f"poisson:{rate:.2f}/s", arriving(work, arrivals, seed=seed, for_s=FOR_S))


def recorded_and_live(path: Path, rules: Sequence[str], seeds: Sequence[int]) -> tuple[float, dict[str, list[Run]]]:
    """Record the engines at ``path``, then let requests arrive: gives how many a second, and the runs of each rule."""
    with Session(Settings(record=path, limits=SLOTS)) as session:
        batch = session.run(Scene(BATCH, BATCH)).run
        rate = SHARE * len(batch.requests) / batch.makespan_ms * 1000
        return rate, loads(session, rate, rules, seeds)


def replayed(path: Path, rate: float, rules: Sequence[str], seeds: Sequence[int]) -> dict[str, list[Run]]:
    """The same requests, at what is recorded at ``path``."""
    recording = har.read(path)
    settings = Settings(
        hosts=ReplayHosts(path),
        recording=recording,
        workload=recording.workload,
        baseline=recording.baseline,
        limits=SLOTS,
    )
    with Session(settings) as session:
        return loads(session, rate, rules, seeds)


def loads(session: Session, rate: float, rules: Sequence[str], seeds: Sequence[int]) -> dict[str, list[Run]]:
    """A run of requests that arrive for each seed, under each of ``rules``, which take turns."""
    found: dict[str, list[Run]] = {rule: [] for rule in rules}
    for seed in seeds:
        for rule, runs in found.items():
            session.knock()
            load = at_rate(session.settings.workload, rate, seed)
            runs.append(run_load(session, rule, load, record=False).run)
    return found


def pooled(
    path: Path, rate: float, rules: Sequence[str], seeds: Sequence[int], slo: tuple[Objective, ...]
) -> dict[str, list[Played]]:
    """The same as a pool of contributors that are always there, of which ``slo`` is promised."""
    recording = har.read(path)
    texts = [prompt.text for prompt in recording.workload.prompts]
    told = [tokens for each in recording.exchanges if (tokens := output_tokens(each))]
    scenario = Scenario(
        name="embedded",
        title="the embedded engines",
        rule=BATCH,
        knows="measured",
        claims=ONE,
        timeout_s=120.0,
        queue=None,
        slo=slo,
        arrivals=Arrivals("poisson", rate),
        for_s=FOR_S,
        prompt_tokens=Draw("empirical", tuple(len(text) / CHARACTERS_A_TOKEN for text in texts)),
        output_tokens=Draw("empirical", tuple(map(float, told))),
        groups=tuple(Group(host.name, 1, like(recording, host.name), Churn()) for host in recording.hosts),
        outages=None,
        told={},
    )
    return {rule: [play(replace(scenario, rule=rule), seed) for seed in seeds] for rule in rules}
