"""The summary at the end of a session: what was measured, in 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from outpace.ground.records import BASELINE
from outpace.judge.comparison import Comparison, HostFigures
from outpace.judge.gate import Verdict, Word, judge_gain
from outpace.judge.ranking import Best, best, foremost, in_words
from outpace.judge.stats import Interval
from outpace.measure.load import LoadMeasurement
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.report.answer import choice, claim, noun_of, verdict
from outpace.report.words import capital
from outpace.suite.load_summary import write_loads, write_rates
from outpace.suite.wrapped import write_wrapped

LEAST_GAIN = 1.0
WOULD_HAVE: dict[Word, str] = {"pass": "passed", "fail": "failed", "inconclusive": "been inconclusive for"}
COLOURS = {"pass": {"green": True}, "fail": {"red": True}, "inconclusive": {"yellow": True}}


def write_summary(
    reporter: pytest.TerminalReporter,
    session: Session,
    measurements: Sequence[Measurement],
    swept: Sequence[str],
    loads: Sequence[LoadMeasurement] = (),
    rates: Mapping[str, Any] | None = None,
) -> None:
    """Write hosts, what concurrency does to those that were swept, a row a strategy, and where the reports lie.

    What arrived is told first. With ``-q`` it is one line, with ``-v`` each strategy's latest requests are told too.
    """
    measured = [(each, each.comparison()) for each in measurements if each.rounds]
    found = best([comparison for _, comparison in measured])
    if reporter.verbosity < 0:
        reporter.ensure_newline()
        if measured or not (loads or rates):
            reporter.write_line(f"outpace: {_in_one_line(measured, found)}")
        write_rates(reporter, rates)
        write_loads(reporter, loads)
        return
    reporter.section("outpace")
    write_rates(reporter, rates)
    write_loads(reporter, loads)
    comparisons = [comparison for _, comparison in measured]
    _write_claim(reporter, session, comparisons)
    _write_hosts(reporter, session, swept)
    if not measured:
        if not swept and not loads and not rates:
            reporter.write_line("No round was finished.")
        return
    reporter.write_line("")
    head = f"{'strategy':<17}{'gain':>6}  {'interval':<13}{'ratio':>7}  {'interval':<15}{'rounds':>6}  gate"
    reporter.write_line(head, bold=True)
    for each, comparison in measured:
        _write_strategy(reporter, each, comparison)
        if reporter.verbosity > 0:
            _write_requests(reporter, each)
    reporter.write_line("")
    if found is not None:
        write_wrapped(reporter, in_words(found), "", "  ")
    if all(each.judged(comparison).least_gain is None for each, comparison in measured):
        write_wrapped(reporter, _gate_not_asked(comparisons), "", "  ")
    _write_legend(reporter, session)
    for folder in dict.fromkeys(each.path.parent for each, _ in measured):
        reporter.write_line(f"reports: {folder / 'report-<strategy>.json'}")


def _write_hosts(reporter: pytest.TerminalReporter, session: Session, swept: Sequence[str]) -> None:
    """What the hosts are, and what concurrency does to those that were ``swept``."""
    for host in session.origin.hosts:
        baseline = " (baseline)" if host.name == session.baseline_host else ""
        version = f" {host.engine_version}" if host.engine_version else ""
        write_wrapped(reporter, f"{host.name}{baseline}: {host.engine}{version}, {host.model}, {host.url}", "", "  ")
    for name in swept:
        capacity = session.knowledge.capacities[name]
        levels = [(level.in_flight, level.took_ms / 1000) for level in capacity.levels if level.took_ms is not None]
        cost = ", ".join(f"{in_flight} in flight {took_s:.1f} s" for in_flight, took_s in levels)
        said = f"{name} {capacity.kind}, limit {capacity.limit}. {capacity.reason} It took: {cost}."
        write_wrapped(reporter, said, "", "  ")


def _write_legend(reporter: pytest.TerminalReporter, session: Session) -> None:
    """What the columns mean."""
    best = session.best_alone
    if best is not None:
        how = f"{best.in_flight} in flight{best.order}, {best.found}"
        write_wrapped(reporter, f"best alone: {best.host} with {how}", "", "  ")
        reporter.write_line("gain: makespan of the best alone / makespan; above 1 the others add to it")
    reporter.write_line("ratio: makespan / makespan of the fastest host alone; below 1 the set is faster")
    reporter.write_line("efficiency: least possible makespan / makespan; 1 is the physical limit")


def _write_claim(reporter: pytest.TerminalReporter, session: Session, comparisons: Sequence[Comparison]) -> None:
    """What the other hosts add, in the pages' own words, under the best strategy over all hosts."""
    found = foremost(each for each in comparisons if each.gain is not None)
    if found is not None:
        hosts, prompts = session.origin.hosts, len(session.settings.workload.prompts)
        noun = noun_of(host.url for host in hosts)
        said = capital(claim(found, len(hosts), noun, prompts, session.baseline_host))
        what = capital((*verdict(found), ", under ", found.strategy))
        write_wrapped(reporter, " ".join((f"{''.join(said)}. {''.join(what)}.", *choice(found))), "", "")
        reporter.write_line("")


def _gate_not_asked(comparisons: Sequence[Comparison]) -> str:
    """What a gate on the set gain would have said, where none was asked for; nothing where nothing can be said."""
    words: dict[Word, list[str]] = {}
    for each in comparisons:
        if each.gain is not None and each.strategy != BASELINE:
            words.setdefault(judge_gain(each, LEAST_GAIN)[0], []).append(each.strategy)
    said = [f"{WOULD_HAVE[word]} {', '.join(words[word])}" for word in WOULD_HAVE if word in words]
    return f"--least-gain={LEAST_GAIN:g} would have {'; '.join(said)}." if said else ""


def _figures(found: Interval | None, digits: int) -> tuple[str, str]:
    """A median and its interval."""
    if found is None:
        return "-", "-"
    if found.low is None or found.high is None:
        return f"{found.median:.{digits}f}", "-"
    return f"{found.median:.{digits}f}", f"{found.low:.{digits}f} to {found.high:.{digits}f}"


def _in_one_line(measured: Sequence[tuple[Measurement, Comparison]], found: Best | None) -> str:
    """What one line can hold: the best, and which gates did not pass."""
    if not measured:
        return "no round was finished"
    winner = found.winner if found else measured[0][1].strategy
    comparison = next(comparison for _, comparison in measured if comparison.strategy == winner)
    ratio, gain = comparison.ratio, comparison.gain
    said = "no ratio" if ratio is None else f"ratio {ratio.median:.3f} under {winner}"
    said = said if gain is None else f"set gain {gain.median:.3f}, {said}"
    said += ", which cannot be" if comparison.impossible else ""
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
        write_wrapped(reporter, line, "    ", "      ")


def _write_strategy(reporter: pytest.TerminalReporter, measurement: Measurement, comparison: Comparison) -> None:
    judged = measurement.judged(comparison)
    gain, ratio = _figures(comparison.gain, 2), _figures(comparison.ratio, 3)
    figures = f"{gain[0]:>6}  {gain[1]:<13}{ratio[0]:>7}  {ratio[1]:<15}"
    reporter.write(f"{measurement.strategy:<17}{figures}{comparison.rounds:>6}  ")
    reporter.write_line(judged.verdict, **COLOURS[judged.verdict])
    if comparison.speedup is not None:
        known = comparison.dispatch_efficiency is not None
        efficiency = f", efficiency {comparison.dispatch_efficiency:.2f}" if known else ""
        reporter.write_line(f"  speedup {comparison.speedup:.2f}x{efficiency}")
    for name, host in comparison.hosts.items():
        write_wrapped(reporter, f"{name}: {_host_line(host)}", "  ", "    ")
    if judged.verdict != "pass":
        write_wrapped(reporter, judged.reason)
        write_wrapped(reporter, _what_to_try(measurement, comparison, judged))
    for note in comparison.notes:
        write_wrapped(reporter, note)
    if comparison.ratio_per_token is not None:
        write_wrapped(reporter, f"Ratio a token: {comparison.ratio_per_token:.3f}.")


def _what_to_try(measurement: Measurement, comparison: Comparison, verdict: Verdict) -> str:
    """What a user could do next about a gate that did not pass."""
    if measurement.problem is not None:
        return "Try: outpace doctor --hosts=..., then the same again; a longer --timeout if answers were cut off by it."
    if comparison.impossible:
        return "Try: look for what answers in the hosts' place, such as a cache of answers, and switch it off."
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
