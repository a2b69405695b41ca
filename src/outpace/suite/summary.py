"""The summary at the end of a session: what was measured, in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pytest

from outpace.judge.comparison import Comparison, HostFigures
from outpace.judge.gate import Verdict
from outpace.judge.ranking import Best, best, in_words
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.report.words import visible

WIDTH = 80
COLOURS = {"pass": {"green": True}, "fail": {"red": True}, "inconclusive": {"yellow": True}}


def write_summary(
    reporter: pytest.TerminalReporter, session: Session, measurements: Sequence[Measurement], swept: Sequence[str]
) -> None:
    """Write hosts, what concurrency does to those that were swept, a row a strategy, and where the reports lie.

    With ``-q`` it is one line, with ``-v`` each strategy's latest requests are told too.
    """
    measured = [(each, each.comparison()) for each in measurements if each.rounds]
    found = best([comparison for _, comparison in measured])
    if reporter.verbosity < 0:
        reporter.ensure_newline()
        reporter.write_line(f"outpace: {_in_one_line(measured, found)}")
        return
    reporter.section("outpace")
    for host in session.origin.hosts:
        baseline = " (baseline)" if host.name == session.baseline_host else ""
        version = f" {host.engine_version}" if host.engine_version else ""
        _write_wrapped(reporter, f"{host.name}{baseline}: {host.engine}{version}, {host.model}, {host.url}", "", "  ")
    for name in swept:
        capacity = session.knowledge.capacities[name]
        _write_wrapped(reporter, f"{name} {capacity.kind}, limit {capacity.limit}. {capacity.reason}", "", "  ")
    if not measured:
        if not swept:
            reporter.write_line("No round was finished.")
        return
    reporter.write_line("")
    head = f"{'strategy':<18}{'ratio':>7}  {'interval':<16}{'speedup':>8}{'efficiency':>12}{'rounds':>8}  gate"
    reporter.write_line(head, bold=True)
    for each, comparison in measured:
        _write_strategy(reporter, each, comparison)
        if reporter.verbosity > 0:
            _write_requests(reporter, each)
    reporter.write_line("")
    if found is not None:
        _write_wrapped(reporter, in_words(found), "", "  ")
    reporter.write_line("ratio: makespan / makespan of the fastest host alone; below 1 the set is faster")
    reporter.write_line("efficiency: least possible makespan / makespan; 1 is the physical limit")
    for folder in dict.fromkeys(each.path.parent for each, _ in measured):
        reporter.write_line(f"reports: {folder / 'report-<strategy>.json'}")


def _in_one_line(measured: Sequence[tuple[Measurement, Comparison]], found: Best | None) -> str:
    """What one line can hold: the best, and which gates did not pass."""
    if not measured:
        return "no round was finished"
    winner = found.winner if found else measured[0][1].strategy
    ratio = next(comparison.ratio for _, comparison in measured if comparison.strategy == winner)
    said = "no ratio" if ratio is None else f"ratio {ratio.median:.3f} under {winner}"
    if found and found.tied:
        said += f" (tied with {', '.join(found.tied)})"
    broken = [each.strategy for each, comparison in measured if each.judged(comparison).verdict != "pass"]
    return f"{said}; gate {'not passed by ' + ', '.join(broken) if broken else 'passed'}"


def _write_requests(reporter: pytest.TerminalReporter, measurement: Measurement) -> None:
    """The requests of the latest run, in the order in which they were sent."""
    run = measurement.rounds[-1].run
    for request in sorted(run.requests, key=lambda each: (each.start_ms or 0.0, each.prompt)):
        tokens = "" if request.output_tokens is None else f", {request.output_tokens} tokens"
        first = "" if request.first_token_ms is None else f", first token after {request.first_token_ms:.0f} ms"
        what = f"{request.wall_ms:.0f} ms{first}{tokens}" if request.error is None else request.error
        line = f"prompt {request.prompt} on {request.host or 'no host'} at {request.start_ms or 0:.0f} ms: {what}"
        _write_wrapped(reporter, line, "    ", "      ")


def _write_strategy(reporter: pytest.TerminalReporter, measurement: Measurement, comparison: Comparison) -> None:
    verdict = measurement.judged(comparison)
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
        _write_wrapped(reporter, _what_to_try(measurement, verdict))
    for note in comparison.notes:
        _write_wrapped(reporter, note)
    if comparison.ratio_per_token is not None:
        _write_wrapped(reporter, f"Ratio a token: {comparison.ratio_per_token:.3f}.")


def _what_to_try(measurement: Measurement, verdict: Verdict) -> str:
    """What a user could do next about a gate that did not pass."""
    if measurement.problem is not None:
        return "Try: outpace doctor --hosts=..., then the same again; a longer --timeout if answers were cut off by it."
    if verdict.verdict == "inconclusive":
        return "Try: more --rounds, on machines that do nothing else."
    if measurement.strategy == "all-parallel":
        return "Try: --strategies=capacity-aware, which finds out how many requests at once each host can take."
    return "Try: --strategies=all, to see whether another strategy does better; if none does, the hosts do not pay off."


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
    # Models and errors are named by machines that may lie: nothing in them reaches the terminal as a command.
    for line in textwrap.wrap(visible(text), WIDTH, initial_indent=first_indent, subsequent_indent=next_indent):
        reporter.write_line(line)
