"""The summary at the end of a session: what was measured, in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pytest

from outpace.compare import HostFigures
from outpace.measurement import Measurement
from outpace.ranking import best, in_words
from outpace.session import Session

WIDTH = 80
COLOURS = {"pass": {"green": True}, "fail": {"red": True}, "inconclusive": {"yellow": True}}


def write_summary(
    reporter: pytest.TerminalReporter, session: Session, measurements: Sequence[Measurement], swept: Sequence[str]
) -> None:
    """Write hosts, what concurrency does to those that were swept, a row a strategy, and where the reports lie."""
    reporter.section("outpace")
    for host in session.origin.hosts:
        baseline = " (baseline)" if host.name == session.baseline_host else ""
        version = f" {host.engine_version}" if host.engine_version else ""
        _write_wrapped(reporter, f"{host.name}{baseline}: {host.engine}{version}, {host.model}, {host.url}", "", "  ")
    for name in swept:
        capacity = session.knowledge.capacities[name]
        _write_wrapped(reporter, f"{name} {capacity.kind}, limit {capacity.limit}. {capacity.reason}", "", "  ")
    measured = [each for each in measurements if each.rounds]
    if not measured:
        if not swept:
            reporter.write_line("No round was finished.")
        return
    reporter.write_line("")
    head = f"{'strategy':<18}{'ratio':>7}  {'interval':<16}{'speedup':>8}{'efficiency':>12}{'rounds':>8}  gate"
    reporter.write_line(head, bold=True)
    for each in measured:
        _write_strategy(reporter, each)
    reporter.write_line("")
    found = best([each.comparison() for each in measured])
    if found is not None:
        _write_wrapped(reporter, in_words(found), "", "  ")
    reporter.write_line("ratio: makespan / makespan of the fastest host alone; below 1 the set is faster")
    reporter.write_line("efficiency: least possible makespan / makespan; 1 is the physical limit")
    for folder in dict.fromkeys(each.path.parent for each in measured):
        reporter.write_line(f"reports: {folder / 'report-<strategy>.json'}")


def _write_strategy(reporter: pytest.TerminalReporter, measurement: Measurement) -> None:
    comparison, verdict = measurement.comparison(), measurement.verdict()
    ratio = comparison.ratio
    figures = f"{'-':>7}  {'-':<16}{'-':>8}"
    efficiency = "-" if comparison.dispatch_efficiency is None else f"{comparison.dispatch_efficiency:.2f}"
    if ratio is not None and comparison.speedup is not None:
        interval = f"{ratio.low:.3f} to {ratio.high:.3f}" if ratio.low is not None and ratio.high is not None else "-"
        figures = f"{ratio.median:>7.3f}  {interval:<16}{comparison.speedup:>7.2f}x"
    reporter.write(f"{measurement.strategy:<18}{figures}{efficiency:>12}{comparison.rounds:>8}  ")
    reporter.write_line(verdict.verdict, **COLOURS[verdict.verdict])
    for name, host in comparison.hosts.items():
        _write_wrapped(reporter, f"{name}: {_host_line(host)}", "  ", "    ")
    if verdict.verdict != "pass":
        _write_wrapped(reporter, verdict.reason)
    for note in comparison.notes:
        _write_wrapped(reporter, note)
    if comparison.ratio_per_token is not None:
        _write_wrapped(reporter, f"Ratio a token: {comparison.ratio_per_token:.3f}.")


def _host_line(host: HostFigures) -> str:
    parts = [f"{host.requests} answers"]
    if host.added_latency_ms is not None:
        mean, low, high = host.added_latency_ms
        of = " (round trips)" if host.source == "round trips" else ""
        parts.append(f"added latency {mean:.1f} ms ({low:.1f} to {high:.1f}){of}")
    if host.network_share is not None:
        parts.append(f"network {host.network_share:.1%}")
    return ", ".join(parts)


def _write_wrapped(
    reporter: pytest.TerminalReporter, text: str, first_indent: str = "    ", next_indent: str = "    "
) -> None:
    for line in textwrap.wrap(text, WIDTH, initial_indent=first_indent, subsequent_indent=next_indent):
        reporter.write_line(line)
