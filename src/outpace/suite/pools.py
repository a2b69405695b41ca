"""A scenario of a pool, played by several seeds: what ``bench/test_pool.py`` holds to its promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from outpace.report import pool_document, pool_page
from outpace.report.document import written_at
from outpace.simulation.pool.many import play_all
from outpace.simulation.pool.scenario import Scenario
from outpace.simulation.pool.variations import Variation
from outpace.suite.wrapped import write_wrapped

SEEDS = range(1, 6)
"""The fewest of which a median has an interval."""


class PoolMeasurement:
    """Plays of ``scenario``; its report is ``pool-<scenario>.json``."""

    def __init__(self, scenario: Scenario, report_dir: Path) -> None:
        self.scenario = scenario
        self.path = report_dir / f"pool-{scenario.name}.json"
        self.document: pool_document.Document | None = None

    def play(self) -> None:
        """Play it by each seed, on all cores, and write the report. Raises ``UsageError`` where that cannot be."""
        plays = play_all([self.scenario], SEEDS, watch=lambda _place, _found: None)
        self.document = pool_document.build(self.scenario, [Variation({}, self.scenario)], plays)
        with written_at(self.path):
            pool_document.write(self.path, self.document)

    def verdict(self) -> tuple[str, str]:
        """Whether it keeps its promise, and why."""
        assert self.document is not None
        (found,) = self.document["variations"]
        if found["failed"]:
            return "fail", f"Seed {found['failed'][0]['seed']} came to nothing: {found['failed'][0]['why']}"
        return found["gate"]["verdict"], found["gate"]["reason"]

    def write(self, reporter: pytest.TerminalReporter) -> None:
        """Write what it comes to in one sentence, how far to trust it, and where its report is."""
        if self.document is not None:
            for each in (pool_page.sentence(self.document), *pool_page.trust(self.document)):
                write_wrapped(reporter, "".join(each), "", "  ")
            reporter.write_line(f"report: {self.path}")
