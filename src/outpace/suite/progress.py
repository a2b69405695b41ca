"""Progress while it runs: one line that is rewritten on a terminal, a line a round elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Protocol

import pytest

from outpace.measure.measurement import Measurement


class Followed(Protocol):
    """What progress is told of."""

    strategy: str
    phase: str

    @property
    def rounds(self) -> Sized:
        """Those that are done."""
        ...

    @property
    def in_flight(self) -> Mapping[str, int]:
        """Requests in flight, by host."""
        ...


class Progress:
    """Tells how far the measuring is, through pytest's own reporter."""

    def __init__(self, config: pytest.Config, rounds: int, strategies: int = 1, *, open_ended: bool = False) -> None:
        self._config, self._open_ended, self._strategies = config, open_ended, strategies
        self._rounds_done = 0
        self.planned(rounds)
        self._began = time.monotonic()
        self._measurement: Followed | None = None
        self._shown = False

    def planned(self, rounds: int) -> None:
        """So many rounds are to be made of each strategy."""
        self._of = f"of at most {rounds}" if self._open_ended else f"of {rounds}"
        self._rounds_in_all = rounds * self._strategies

    def say(self, what: str) -> None:
        """Leave ``what`` on a line of its own."""
        self.clear()
        reporter = self._reporter
        if reporter is not None:
            with self._uncaptured():
                reporter.ensure_newline()
                reporter.write_line(f"outpace: {what}")

    def follow(self, measurement: Followed) -> None:
        """Tell of ``measurement`` from now on."""
        if self._measurement is None:
            self._began = time.monotonic()
        self._measurement = measurement

    def watch(self, _strategy: str, done: int, total: int) -> None:
        """Show how many prompts of the run in progress are done."""
        if self._measurement is not None and self._on_terminal:
            which = f"{self._measurement.strategy}: round {len(self._measurement.rounds) + 1} {self._of}"
            busy = " ".join(f"{host} {count}" for host, count in self._measurement.in_flight.items() if count)
            self._show(f"{which}, {self._measurement.phase} {done}/{total}{', ' + busy if busy else ''}{self._left()}")

    def _left(self) -> str:
        """The time that the rounds still to come will take, if they take as long as those before."""
        if not self._rounds_done or self._open_ended:
            return ""
        left_s = (self._rounds_in_all - self._rounds_done) * (time.monotonic() - self._began) / self._rounds_done
        return f", {left_s / 60:.0f} min left" if left_s > 90 else f", {left_s:.0f} s left"

    def round_done(self, measurement: Measurement) -> None:
        """Show what the latest round gave."""
        self._rounds_done += 1
        latest = measurement.rounds[-1]
        ratio = "no ratio" if latest.overhead_ratio is None else f"ratio {latest.overhead_ratio:.3f}"
        gain = "" if latest.set_gain is None else f", set gain {latest.set_gain:.3f}"
        line = (
            f"{measurement.strategy}: round {len(measurement.rounds)} {self._of}, {ratio}{gain} "
            f"({latest.run.makespan_ms:.0f} ms, baseline {latest.baseline.makespan_ms:.0f} ms)"
        )
        self._show(line)

    @contextmanager
    def saying(self, what: str) -> Iterator[None]:
        """Show ``what`` until the block ends."""
        self._show(what)
        try:
            yield
        finally:
            self.clear()

    def clear(self) -> None:
        """Take the rewritten line away before something else is printed."""
        reporter = self._reporter
        if reporter is not None and self._shown and self._on_terminal:
            with self._uncaptured():
                reporter.rewrite("", erase=True)
                reporter.rewrite("")  # what is printed next begins the line
        self._shown = False

    @property
    def _reporter(self) -> pytest.TerminalReporter | None:
        if self._config.get_verbosity() < 0:
            return None
        return self._config.pluginmanager.get_plugin("terminalreporter")

    @property
    def _on_terminal(self) -> bool:
        reporter = self._reporter
        return reporter is not None and bool(reporter.isatty)

    @contextmanager
    def _uncaptured(self) -> Iterator[None]:
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        if capture is None:
            yield
        else:
            with capture.global_and_fixture_disabled():
                yield

    def _show(self, line: str) -> None:
        reporter = self._reporter
        if reporter is None:
            return
        with self._uncaptured():
            if not self._on_terminal:
                self.say(line)
                return
            if not self._shown:
                reporter.ensure_newline()
            self._shown = True
            reporter.rewrite(f"outpace: {line}"[: reporter._tw.fullwidth - 1], erase=True)
