"""What arrived, in the terminal: one sentence, then each strategy and the best single host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from outpace.measure.load import LoadMeasurement
from outpace.report import load_page, rate_page
from outpace.report.words import ms
from outpace.suite.wrapped import write_wrapped

LATENCIES = (("first token", "ttft_ms"), ("a token", "tpot_ms"), ("whole answer", "e2e_ms"))
QUANTILES = ("p50", "p95", "p99")


def _leads_to_more(reporter: pytest.TerminalReporter, sentence: Iterable[str]) -> bool:
    """Write ``sentence``, and tell whether more is to follow: with ``-q`` nothing is."""
    quiet = reporter.verbosity < 0
    write_wrapped(reporter, "".join(("outpace: " if quiet else "", *sentence)), "", "  ")
    if not quiet:
        reporter.write_line("")
    return not quiet


def write_loads(reporter: pytest.TerminalReporter, loads: Sequence[LoadMeasurement]) -> None:
    """Write what ``loads`` tell, the sentence alone with ``-q``; nothing where none was measured."""
    documents = [each.document for each in loads if each.document is not None]
    if not documents:
        return
    if not _leads_to_more(reporter, load_page.sentence(documents)):
        return
    for document in documents:
        summary = document["summary"]
        name = "".join(load_page.name_of(document))
        good = "" if summary["goodput"] is None else f", {60 * summary['goodput']:.1f} good ones a minute"
        write_wrapped(reporter, f"{name}: {summary['requests']} requests{good}, {summary['steady']}", "", "  ")
        for what, figure in LATENCIES:
            told = ", ".join(f"{each} {_said(summary[figure][each])}" for each in QUANTILES)
            write_wrapped(reporter, f"{what}: {told}", "  ", "    ")
        if document["gate"] is not None:
            write_wrapped(reporter, f"{document['gate']['verdict']}: {document['gate']['reason']}", "  ", "    ")
    for folder in dict.fromkeys(each.path.parent for each in loads):
        reporter.write_line(f"reports: {folder / 'load-<strategy>.json'}")


def write_rates(reporter: pytest.TerminalReporter, document: Mapping[str, Any] | None) -> None:
    """Write which rates were found, the sentence alone with ``-q``; nothing where none was searched for."""
    if document is None:
        return
    if not _leads_to_more(reporter, rate_page.sentence(document)):
        return
    for found in document["found"]:
        runs = found["trials"]
        overloads = sum(each["overload"] for each in runs)
        braked = f", {overloads} of them ended as overload" if overloads else ""
        requests = sum(each["requests"] for each in runs)
        rate = f"{rate_page.a_minute(found['rate_per_s'])} requests a minute{rate_page.as_fast(document, found)}"
        said = f"{rate}, by {requests:,} in {len(runs)} runs{braked}"
        write_wrapped(reporter, f"{''.join(rate_page.name_of(found))}: {said}", "", "  ")
        if found["gate"] is not None:
            write_wrapped(reporter, f"{found['gate']['verdict']}: {found['gate']['reason']}", "  ", "    ")
    for words in rate_page.replays_off(document):
        write_wrapped(reporter, "".join(words), "", "  ")


def _said(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return f"takes {found['requests_needed']} requests"
    return f"{ms(found['value'])} ({ms(found['low'])} to {ms(found['high'])})"
