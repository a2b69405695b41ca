"""What one pytest session measures: its hosts, how many rounds, and what has been measured so far."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from outpace.ground.errors import UsageError
from outpace.judge import capacity
from outpace.judge.capacity import Capacity
from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL
from outpace.measure import ceiling
from outpace.measure.forecast import forecast
from outpace.measure.load import LoadMeasurement
from outpace.measure.measurement import Measurement
from outpace.measure.rate_search import RateSearch
from outpace.measure.session import Session
from outpace.measure.sweep import sweep, write_capacities
from outpace.suite import other_plugins
from outpace.suite.command_line import CommandLine
from outpace.suite.pools import PoolMeasurement
from outpace.suite.progress import Progress


class State:
    """What one pytest session measures."""

    def __init__(self, config: pytest.Config, asked: CommandLine) -> None:
        self.asked = asked
        self.progress = Progress(config, asked.rounds, len(asked.strategies), open_ended=asked.within is not None)
        self.session: Session | None = None
        self.measurements: dict[str, Measurement] = {}
        self.loads: dict[str, LoadMeasurement] = {}
        self.pools: list[PoolMeasurement] = []
        self.rates: RateSearch | None = None
        self.swept: list[str] = []
        self._told_of_ceiling = False
        self._rounds: int | None = None if asked.budget else asked.rounds

    def foretell(self, items: Sequence[pytest.Item]) -> None:
        """Say how long ``items`` will take; raises ``UsageError`` where they do not fit into the budget."""
        assert self.session is not None
        session, budget = self.session, self.asked.budget
        if session.settings.recording is not None:  # which takes no time to speak of
            return
        self._began_s = session.now()
        self._strategies = other_plugins.asked_of(items, other_plugins.MEASURES, "strategy")
        to_come = forecast(session, self._strategies, other_plugins.asked_of(items, other_plugins.SWEEPS, "host"))
        if budget is not None and (problem := to_come.too_little(*budget)):
            raise UsageError(problem)
        said = to_come.in_words(to_come.fitting(budget.seconds) if budget else self.asked.rounds)
        if said:
            most = "at most " if self.asked.within is not None else ""
            self.progress.say(most + said)

    def rounds(self) -> int:
        """How many rounds each strategy gets; where there is a budget, as many as fit into what the sweeps left."""
        if self._rounds is None:
            assert self.session is not None
            assert self.asked.budget is not None
            left_s = self.asked.budget.seconds - (self.session.now() - self._began_s)
            fitting = forecast(self.session, self._strategies, ()).fitting(left_s)
            self._rounds = max(ROUNDS_FOR_AN_INTERVAL, fitting)
            self.progress.planned(self._rounds)
            self.progress.say(f"--budget={self.asked.budget.text}: {self._rounds} rounds of each strategy.")
        return self._rounds

    def _tell_of_ceiling(self, session: Session) -> None:
        """Say, once the hosts are known and before anything is measured, where they may outrun this machine."""
        if not self._told_of_ceiling:
            self._told_of_ceiling = True
            if said := ceiling.told_of(session):
                self.progress.say(said)

    def measurement(self, strategy: str) -> Measurement:
        """The measurement of ``strategy``, begun at the first call."""
        assert self.session is not None
        self._tell_of_ceiling(self.session)
        if strategy not in self.measurements:
            self.measurements[strategy] = Measurement(
                self.session,
                strategy,
                report_dir=self.asked.report_dir,
                threshold=self.asked.threshold,
                least_gain=self.asked.least_gain,
                keep_answers=self.asked.keep_answers,
                within=self.asked.within,
                on_round=self.progress.round_done,
            )
        return self.measurements[strategy]

    def load(self, strategy: str) -> LoadMeasurement:
        """The measurement of what arrives under ``strategy``."""
        assert self.session is not None
        assert self.asked.load is not None
        self._tell_of_ceiling(self.session)
        self.loads[strategy] = LoadMeasurement(
            self.session, strategy, self.asked.load, report_dir=self.asked.report_dir
        )
        return self.loads[strategy]

    def search(self) -> RateSearch:
        """The search for the highest rates, begun at the first call."""
        assert self.session is not None
        assert self.asked.rate is not None
        if self.rates is None:
            self.rates = RateSearch(self.session, self.asked.loaded, self.asked.rate, report_dir=self.asked.report_dir)
        return self.rates

    def sweep(self, host: str) -> Capacity:
        """Measure the capacity of ``host``, and keep it beside the reports."""
        assert self.session is not None
        with self.progress.saying(f"measuring what concurrency does to {host}"):
            found = sweep(self.session, host)
        self.swept.append(host)
        write_capacities(self.session, self.asked.report_dir / capacity.FILE)
        return found
