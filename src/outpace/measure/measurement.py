"""The measurement of one strategy: rounds in pairs, and a report on disk after each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from outpace.dispatch import EXPECTING, Outcome
from outpace.ground.documents import write_whole
from outpace.ground.errors import Unfinished, UsageError
from outpace.ground.records import BASELINE, Round, Run, overhead_ratios
from outpace.judge.comparison import Comparison, compare
from outpace.judge.efficiency import with_lower_bound
from outpace.judge.fairness import NOTED, Check, ServedModel, check
from outpace.judge.gate import DEFAULT_THRESHOLD, Verdict, judge
from outpace.measure.session import Session
from outpace.measure.stopping import why_enough
from outpace.recording.recording import Scene
from outpace.report import document
from outpace.report.answer import WHAT_IF

FORETOLD = "foretold by a replay, not measured; outpace what-if says how far such replays were off."
LENGTHS_KNOWN = "It knew how long answers to these prompts were before; --unknown-lengths hides that from it."


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
        self.path = report_dir / f"report-{strategy}.json"
        self._session, self._threshold, self._keep = session, threshold, keep_answers
        self._on_round = on_round
        self.phase = "run"
        """Which of a round's runs is in progress: "run" or "baseline"."""
        self._in_work: int | None = None
        self._traced_by: str | None = None
        self._baseline: Run | None = None
        self._run: Run | None = None

    @property
    def in_flight(self) -> dict[str, int]:
        """Requests in flight in the run in progress, by host."""
        return self._session.in_flight

    def prepare(self) -> None:
        """Untimed, before a run: even rounds have their baseline here, so that drift favours neither.

        Raises ``Enough`` where no round is to follow.
        """
        if self.enough:
            raise Enough
        self._baseline = self._run = None
        self._knock()
        if len(self.rounds) % 2 == 0:
            self._run_baseline()
            self._knock()

    def run(self) -> None:
        """The strategy's run, which is timed."""
        scene = self._scene()
        outcome = self._session.run(scene)
        self._run = outcome.run
        recorded_ms = self._session.world.recorded_makespan_ms(scene, self._session.hosts_of(scene.strategy))
        if recorded_ms and not outcome.run.failed:
            self.replay_errors.append(outcome.run.makespan_ms / recorded_ms - 1)
        if self._keep:
            self._keep_answers(outcome)

    def settle(self) -> None:
        """Untimed, after a run: odd rounds have their baseline here; then the round is kept and the report written.

        Raises ``Unfinished`` where a prompt was answered by no host.
        """
        if self._run is None:
            return
        if self._baseline is None:
            self._knock()
            self._run_baseline()
        assert self._baseline is not None
        hosts = self._session.learn(self._run, self._baseline)
        run = with_lower_bound(self._run, self._baseline, hosts)
        self.rounds.append(Round(with_lower_bound(self._baseline, self._baseline, hosts), run))
        failed = self._run.failed or self._baseline.failed
        if failed:
            whose = "the run" if self._run.failed else "the baseline"
            first = failed[0]
            self.problem = (
                f"in round {len(self.rounds)}, {whose} left {len(failed)} of {len(self._run.requests)} prompts "
                f"unanswered; prompt {first.prompt}: {first.error}"
            )
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
        return judge(comparison, self._threshold, self.problem)

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
        what_if = session.settings.what_if
        foretold = [f"{WHAT_IF}{', '.join(what_if)}: {FORETOLD}"] if what_if else []
        remarks = [*foretold, *broken, *([LENGTHS_KNOWN] if guessing else []), *([self.enough] if self.enough else [])]
        remarks += session.noticed(self.strategy)
        return compare(self.strategy, hosts, self.rounds, session.round_trips_ms, queue_left_out, remarks)

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
        return [*told, *self._session.held_against(self.rounds)]

    def _knock(self) -> None:
        """Warm the connections, and see whether others keep the hosts busy, or watch what is done here."""
        self._traced_by = self._session.traced_by() or self._traced_by
        in_work = self._session.knock()
        if in_work is not None:
            self._in_work = max(in_work, self._in_work or 0)

    def _run_baseline(self) -> None:
        self.phase = "baseline"
        self._baseline = self._session.run(replace(self._scene(), strategy=BASELINE, baseline=True)).run
        self.phase = "run"

    def _scene(self) -> Scene:
        return Scene(self.strategy, self.strategy, len(self.rounds))

    def _write(self) -> None:
        fairness = self.fairness()
        comparison = self._compared(fairness)
        verdict = self.judged(comparison)
        report = document.build(
            self._session.origin_of(self.strategy),
            comparison,
            self.rounds,
            verdict.threshold,
            verdict.verdict,
            verdict.reason,
            self.replay_errors,
            fairness,
        )
        try:
            document.write(self.path, report)
        except OSError as error:
            raise UsageError(
                f"The report {self.path} cannot be written: {error.strerror or error}. Name another folder by "
                "--report-dir."
            ) from error

    def _keep_answers(self, outcome: Outcome) -> None:
        parts = [
            answer if answer is not None else f"[prompt {index} was not answered: {outcome.run.requests[index].error}]"
            for index, answer in enumerate(outcome.answers)
        ]
        write_whole(self.path.with_name(f"answers-{self.strategy}.txt"), "\n\n".join(parts) + "\n")
