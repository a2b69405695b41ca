"""The measurement of one strategy: rounds of runs side by side, and a report on disk after each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from outpace.dispatch import EXPECTING, Outcome, limit_of
from outpace.dispatch.coordinator import as_known
from outpace.ground.documents import write_whole
from outpace.ground.errors import Unfinished
from outpace.ground.records import BASELINE, Round, Run, overhead_ratios
from outpace.judge import interruptions
from outpace.judge.comparison import Comparison, compare
from outpace.judge.efficiency import with_lower_bound
from outpace.judge.fairness import NOTED, Check, ServedModel, check
from outpace.judge.gate import DEFAULT_THRESHOLD, Verdict, judge
from outpace.judge.impossible import IMPOSSIBLE
from outpace.measure.best_alone import find_best_alone
from outpace.measure.moved import moved
from outpace.measure.session import ALONE, LONGEST_FIRST, Session
from outpace.measure.stopping import why_enough
from outpace.recording.recording import Part, Scene
from outpace.report import document
from outpace.report.answer import WHAT_IF

FORETOLD = "foretold by a replay, not measured; outpace what-if says how far such replays were off."
ONE_EACH = (
    "No sweep was made, so each host had one request in flight, and the best alone as many as are best there: sweep "
    "first (bench/test_capacity.py), or ask for --limits=adaptive."
)
LENGTHS_KNOWN = "It knew how long answers to these prompts were before; --unknown-lengths hides that from it."


ORDERS: tuple[tuple[Part, ...], ...] = (
    ("baseline", "alone", "run"),
    ("run", "alone", "baseline"),
    ("baseline", "run", "alone"),
    ("alone", "run", "baseline"),
    ("alone", "baseline", "run"),
    ("run", "baseline", "alone"),
)
"""In which order rounds have their runs, one after another: all that there are, each followed by its own reverse, so
that a machine that drifts one way favours none of them, whatever is compared with whatever."""
PHASES = {"run": "run", "baseline": "baseline", "alone": "best alone"}


class Enough(BaseException):
    """No round is to follow. It is no error and so no ``Exception``: pytest-benchmark drops what raises one."""


class Measurement:
    """The rounds of one strategy: ``prepare``, ``run`` and ``settle`` are the three steps of a round.

    ``report_dir`` is where the report is kept; ``keep_answers`` keeps the latest run's answers beside it, concatenated
    in the order of the prompts. ``within`` ends the rounds once the interval of the ratio lies within that share of
    it, or it turns out that it will not. Raises ``StrategyUnknown``.
    """

    def __init__(
        self,
        session: Session,
        strategy: str,
        *,
        report_dir: Path,
        threshold: float = DEFAULT_THRESHOLD,
        least_gain: float | None = None,
        keep_answers: bool = False,
        within: float | None = None,
        on_round: Callable[[Measurement], None] | None = None,
    ) -> None:
        session.find_strategy(strategy)
        self.strategy = strategy
        self.rounds: list[Round] = []
        self.problem: str | None = None
        self.replay_errors: list[float] = []
        """For each run that the recording holds: replayed makespan / recorded makespan - 1."""
        self.enough: str | None = None
        """Why no round is to follow, where ``within`` decides that."""
        self._within = within
        self._moved: dict[str, str] = {}
        self._faults: list[str] = []
        self.path = report_dir / f"report-{strategy}.json"
        self._session, self._keep = session, keep_answers
        self._threshold, self._least_gain = threshold, least_gain
        self._on_round = on_round
        self.phase = PHASES["run"]
        """What is in progress: "run", "baseline", "best alone", or "finding the best alone"."""
        self._in_work: int | None = None
        self._traced_by: str | None = None
        self._told: list[dict[str, Any]] = []
        """The rounds as the report has them."""
        self._made: dict[Part, Run] = {}
        """The runs of the round in progress."""

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the run in progress, by host."""
        return self._session.in_flight

    def prepare(self) -> None:
        """Untimed, before a run: what its round has before it is run here, so that drift favours none of them.

        Raises ``Enough`` where no round is to follow.
        """
        if self.enough:
            raise Enough
        if self._session.best_alone is None:
            self.phase = "finding the best alone"
            self._session.best_alone = find_best_alone(self._session)
            if self._session.world.recorder is not None:
                self._session.world.recorder.best_alone = self._session.best_alone
        self._made = {}
        order = self._order
        for part in order[: order.index("run")]:
            self._make(part)
        self._knock()

    def run(self) -> None:
        """The strategy's run, which is timed."""
        outcome = self._execute("run")
        if self._keep:
            self._keep_answers(outcome)

    def settle(self) -> None:
        """Untimed, after a run: what its round has after it is run; then the round is kept and the report written.

        Raises ``Unfinished`` where a prompt was answered by no host.
        """
        if "run" not in self._made:
            return
        order = self._order
        for part in order[order.index("run") + 1 :]:
            self._make(part)
        round_made = self._round()
        self.rounds.append(round_made)
        if self._session.settings.recording is None:
            self._moved |= moved(self._session.engines, round_made.run)
        named: tuple[tuple[str, Run | None], ...] = (
            ("the run", round_made.run),
            ("the baseline", round_made.baseline),
            ("the best alone", round_made.alone),
        )
        for whose, run in named:
            if run is not None and run.failed:
                first = run.failed[0]
                self.problem = (
                    f"in round {len(self.rounds)}, {whose} left {len(run.failed)} of {len(run.requests)} prompts "
                    f"unanswered; prompt {first.prompt}: {first.error}"
                )
                self.problem = " ".join([self.problem, *interruptions.notes([round_made]), *self._moved.values()])
                break
        if self.problem is None and self._faults:
            self.problem = f"in round {len(self.rounds)}, {self._faults[0]}"
        if self._within is not None:
            self.enough = why_enough(overhead_ratios(self.rounds), self._within)
        self._write()
        if self._on_round:
            self._on_round(self)
        if self.problem:
            raise Unfinished(f"{self.strategy} did not finish: {self.problem}")

    def measure(self, rounds: int) -> None:
        """Measure so many rounds, one after another, or fewer if those are enough; raises ``Unfinished``."""
        with suppress(Enough):
            for _ in range(rounds):
                self.prepare()
                self.run()
                self.settle()

    def verdict(self) -> Verdict:
        """What the gate says of the rounds so far."""
        return self.judged(self.comparison())

    def judged(self, comparison: Comparison) -> Verdict:
        """What the gate says of ``comparison``, which is one of this measurement."""
        return judge(comparison, self._threshold, self.problem, self._least_gain)

    def comparison(self) -> Comparison:
        """The strategy against the baseline over the rounds so far."""
        return self._compared(self.fairness())

    def _compared(self, fairness: Sequence[Check]) -> Comparison:
        session = self._session
        queue_left_out = {host for host, engine in session.engines.items() if not engine.server_includes_queue}
        hosts = session.hosts_of(self.strategy) if self.strategy in session.routers else session.ordered
        broken = [
            f"Not held: {each.name} ({each.said})."
            for each in fairness
            if each.held is False and each.name not in NOTED
        ]
        guessing = session.settings.know_lengths and self.strategy in EXPECTING
        what_if, recorder = session.settings.what_if, session.world.recorder
        foretold = [f"{WHAT_IF}{', '.join(what_if)}: {FORETOLD}"] if what_if else []
        remarks = [
            *foretold,
            *broken,
            *([LENGTHS_KNOWN] if guessing else []),
            *([ONE_EACH] if self._held_to_one else []),
            *([self.enough] if self.enough else []),
            *session.noticed(self.strategy),
            *([recorder.full] if recorder and recorder.full else []),
            *self._moved.values(),
        ]
        return compare(
            self.strategy,
            hosts,
            self.rounds,
            session.round_trips_ms,
            queue_left_out,
            remarks,
            session.best_alone,
            {each.name: each.said for each in fairness if each.held is False and each.name in IMPOSSIBLE},
        )

    def fairness(self) -> list[Check]:
        """What must hold for the ratio to mean what it says, over the rounds so far."""
        served = [
            ServedModel(engine.model, engine.identity.models.get(engine.model))
            for engine in self._session.engines.values()
        ]
        told = check(
            self.rounds,
            served,
            clock_off_s=self._session.clock_off_s(),
            in_work=self._in_work,
            traced_by=self._traced_by,
        )
        return [*told, *self._session.held_against(self.strategy, self.rounds)]

    def _knock(self) -> None:
        """Warm the connections, and see whether others keep the hosts busy, or watch what is done here."""
        self._traced_by = self._session.traced_by() or self._traced_by
        in_work = self._session.knock()
        if in_work is not None:
            self._in_work = max(in_work, self._in_work or 0)

    @property
    def _alone_is_baseline(self) -> bool:
        best = self._session.best_alone
        return best is not None and (best.host, best.in_flight) == (self._session.baseline_host, 1)

    @property
    def _held_to_one(self) -> bool:
        """Whether hosts had one in flight for want of a sweep, while the best alone had more."""
        session, best = self._session, self._session.best_alone
        by_sweep = self.strategy not in session.routers and limit_of(self.strategy, session.settings.limits) is as_known
        return by_sweep and not session.knowledge.capacities and best is not None and best.in_flight > 1

    @property
    def _order(self) -> tuple[Part, ...]:
        """The runs of the round in progress, in their order; where the baseline is the best alone, it is run once."""
        order = ORDERS[len(self.rounds) % len(ORDERS)]
        return tuple(part for part in order if part != "alone" or not self._alone_is_baseline)

    def _make(self, part: Part) -> None:
        self._knock()
        self._execute(part)

    def _execute(self, part: Part) -> Outcome:
        self.phase = PHASES[part]
        best = self._session.best_alone
        alone = LONGEST_FIRST if best is not None and best.longest_first else ALONE
        strategy = {"run": self.strategy, "baseline": BASELINE, "alone": alone}[part]
        scene = Scene(strategy, self.strategy, len(self.rounds), part)
        outcome = self._session.run(scene)
        self._made[part] = outcome.run
        self._faults += outcome.faults
        recorded_ms = self._session.world.recorded_makespan_ms(scene, outcome.run.hosts)
        if part != "baseline" and recorded_ms and not outcome.run.failed:
            self.replay_errors.append(outcome.run.makespan_ms / recorded_ms - 1)
        return outcome

    def _round(self) -> Round:
        """The round of the runs that were made."""
        run, baseline = self._made["run"], self._made["baseline"]
        hosts = self._session.learn(run, baseline)
        run, told = (with_lower_bound(each, baseline, hosts) for each in (run, baseline))
        alone = self._made.get("alone")
        return Round(told, run, told if alone is None else with_lower_bound(alone, baseline, hosts))

    def _write(self) -> None:
        fairness = self.fairness()
        comparison = self._compared(fairness)
        origin = self._session.origin_of(self.strategy)
        report = document.build(
            origin, comparison, self.rounds, self.judged(comparison), self.replay_errors, fairness, self._told
        )
        with document.written_at(self.path):
            document.write(self.path, report)

    def _keep_answers(self, outcome: Outcome) -> None:
        parts = [
            answer if answer is not None else f"[prompt {index} was not answered: {outcome.run.requests[index].error}]"
            for index, answer in enumerate(outcome.answers)
        ]
        write_whole(self.path.with_name(f"answers-{self.strategy}.txt"), "\n\n".join(parts) + "\n")
