"""``outpace rules``: what each rule that routers use would come to on one's own machines, from a recording of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from outpace.command.what_if import replay_error
from outpace.dispatch import STRATEGIES
from outpace.ground.documents import require_writable, write_whole
from outpace.ground.errors import Unfinished, UsageError
from outpace.ground.records import Run
from outpace.judge import ranking
from outpace.judge.comparison import Comparison
from outpace.judge.efficiency import latency_efficiency
from outpace.judge.evenness import evenness
from outpace.measure.load import BEST_ALONE, Load, LoadMeasurement
from outpace.measure.measurement import Measurement
from outpace.measure.rate_search import RateAsked, RateSearch
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.report.rules import Arrived, Rule, Told
from outpace.suite import arriving
from outpace.suite.command_line import strategies_named
from outpace.workload.prompts import Workload, workload

OURS = "pull,capacity-aware,earliest-finish"
"""What of outpace's own strategies is shown beside the rules."""
LEAST_ROUNDS = 9
"""A router that learns has learned nothing in the first; with fewer, the interval would hold that one, too."""

RATE_WITHIN, RATE_REQUESTS = 0.1, 300
"""A search for a rate ends so near to it; a run of it has so many requests at most, unless others are asked for."""


def rank(recording: Recording, strategies: Sequence[str], work: Workload, load: Load | None = None) -> Told:
    """Replay ``work`` on the hosts of ``recording`` under each of ``strategies``, in a batch and as ``load`` arrives.

    Each has a session of its own, so that none knows what others have shown. Raises ``UsageError``.
    """
    found: list[tuple[Rule, Comparison]] = []
    alone, alone_load = "", None
    for strategy in strategies:
        with Session(_settings(recording, work)) as session, TemporaryDirectory() as folder:
            measured = Measurement(session, strategy, report_dir=Path(folder))
            problem, arrived = None, None
            try:
                measured.measure(max(recording.rounds, LEAST_ROUNDS))
                arrived = None if load is None else _arrived(session, strategy, load, measured)
            except Unfinished as error:
                problem = str(error)
            compared = measured.comparison()
            best = session.best_alone
            if best is not None and not alone:
                alone = f"{best.host} with {best.in_flight} in flight{best.order}"
                alone_load = None if load is None else _arrived(session, BEST_ALONE, load, measured)
        runs = [each.run for each in measured.rounds]
        found.append((_rule(compared, runs, arrived, problem), compared))
    ordered = [each.strategy for each in ranking.ranked(compared for _, compared in found)]
    place = {name: index for index, name in enumerate(ordered)}
    rules = sorted((rule for rule, _ in found), key=lambda rule: place.get(rule.name, len(place)))
    fine = [compared for rule, compared in found if rule.problem is None]
    asked = None if load is None else load.asked
    return Told(rules, ranking.best(fine), worst_error(recording), alone, asked, alone_load)


def _settings(recording: Recording, work: Workload) -> Settings:
    return Settings(recording=recording, workload=work, baseline=recording.baseline)


def _arrived(session: Session, strategy: str, load: Load, batch: Measurement) -> Arrived:
    """What comes of ``load`` under ``strategy``; the rounds of a ``batch`` tell the work of its prompts."""
    with TemporaryDirectory() as folder:
        measured = LoadMeasurement(session, strategy, load, report_dir=Path(folder))
        measured.prepare()
        measured.run()
    run = measured.rounds[-1]
    speeds = session.knowledge.host_speeds(session.ordered, session.runs.median_round_trips_ms())
    even = evenness(run) if len(run.hosts) > 1 else None
    return Arrived(measured.figures(), even, latency_efficiency(run, batch.rounds[-1].baseline, speeds))


def _rule(compared: Comparison, runs: Sequence[Run], load: Arrived | None, problem: str | None) -> Rule:
    finished = [run for run in runs if not run.failed]
    even = [found for run in finished if (found := evenness(run)) is not None]
    return Rule(
        compared.strategy,
        compared.gain,
        compared.gains,
        median(map(_p95_ms, finished)) if finished else None,
        median(even) if even else None,
        compared.dispatch_efficiency,
        load,
        problem,
    )


def _p95_ms(run: Run) -> float:
    """When 95 % of the answers were there, from when they were due."""
    ends = sorted((each.start_ms or 0.0) + each.wall_ms - each.due_ms for each in run.requests)
    return ends[min(len(ends) - 1, int(0.95 * len(ends)))]


def borne(recording: Recording, strategies: Sequence[str], asked: RateAsked) -> dict[str, Any]:
    """The report of a search for the rates that the hosts of ``recording`` bear, under ``strategies`` and alone.

    Raises ``Unfinished`` where a strategy did something wrong, and ``UsageError``.
    """
    with Session(_settings(recording, recording.workload)) as session, TemporaryDirectory() as folder:
        search = RateSearch(session, strategies, asked, report_dir=Path(folder))
        search.run()
    assert search.document is not None
    return search.document


def worst_error(recording: Recording) -> tuple[float, str] | None:
    """The worst that replays of ``recording`` are off its own makespans, and under which strategy; None if untold."""
    errors = [(error, name) for name in STRATEGIES if (error := replay_error(recording, name)) is not None]
    return max(errors, default=None)


def add_to(commands: Any) -> None:
    """Declare the command among argparse's ``commands``."""
    parser = commands.add_parser("rules", help="which rule your router should use: all of them over a recording")
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="a session that run kept with --record")
    parser.add_argument(
        "--strategies",
        default=f"rules,{OURS}",
        metavar="NAME,...",
        help="what to rank: rules stands for what routers do, mine.py:NAME for your own (%(default)s)",
    )
    parser.add_argument("--times", type=int, default=1, metavar="N", help="ask the prompts so many times over")
    parser.add_argument(
        "--report-dir",
        type=Path,
        default=Path("reports/rules"),
        metavar="DIR",
        help="where rules.md and rules.html are written (%(default)s)",
    )
    arriving.add_options(parser.add_argument)
    parser.set_defaults(do=_rules)


def _rules(given: argparse.Namespace, _rest: Sequence[str]) -> int:
    from outpace.report import rules_page  # matplotlib takes a while to load

    recording = har.read(given.recording)
    if given.times < 1:
        raise UsageError(f"--times={given.times}: ask the prompts at least once.")
    texts = [prompt.text for prompt in recording.workload.prompts] * given.times
    work = workload(texts, recording.workload.generation)
    strategies = strategies_named(given.strategies, "--strategies")
    settings = _settings(recording, recording.workload)
    load, search = arriving.read(given, settings), arriving.read_search(given, settings)
    require_writable(given.report_dir, "page", "--report-dir")
    told = rank(recording, strategies, work, load)
    fine = [rule.name for rule in told.rules if rule.problem is None]
    rates = None if search is None or not fine else borne(recording, fine, _soon(search, given))
    pages = rules_page.pages(told, given.report_dir, rates)
    for path, text in pages.items():
        write_whole(path, text)
    print(rules_page.in_terminal(told, rates), *(f"to read: {path}" for path in pages), sep="\n")  # noqa: T201
    return 0


def _soon(search: RateAsked, given: argparse.Namespace) -> RateAsked:
    """``search`` as near as tells rules apart, unless it was ``given`` otherwise: there are many of them."""
    within = RATE_WITHIN if given.within is None else search.within
    return replace(search, within=within, requests=search.requests if given.requests else RATE_REQUESTS)
