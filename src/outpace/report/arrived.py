"""What is told of requests that arrived, rates and loads: a sentence and a section each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outpace.report import figures, html, load_page, markdown, rate_page
from outpace.report.blocks import Block, Command, Figure, Section
from outpace.report.words import Words

QUESTION = "What do the machines bear, and what the best of them alone?"


@dataclass(frozen=True)
class Told:
    """A ``sentence``, and what stands behind it; ``verdict`` is "pass", "fail" or "inconclusive"."""

    sentence: Words
    section: Section
    verdict: str


def read(folder: Path) -> list[Told]:
    """What is told of the rates and loads in ``folder``, rates first; raises ``DocumentInvalid``."""
    found: list[Told] = []
    if (rates := rate_page.read(folder)) is not None:
        section = Section("Rates", rate_page.HEAD, [Figure(lambda: figures.rates(rates)), *rate_page.blocks(rates)])
        found.append(Told(rate_page.sentence(rates), section, rate_page.verdict(rates)))
    if loads := load_page.read_all(folder):
        section = Section("Arrivals", load_page.HEAD, [*load_page.blocks(loads), *_pictures(loads)])
        found.append(Told(load_page.sentence(loads), section, load_page.verdict(loads)))
    return found


def _pictures(loads: Sequence[Mapping[str, Any]]) -> list[Block]:
    return [Figure(lambda: figures.latencies(loads)), Figure(lambda: figures.queues(loads))]


def in_markdown(told: Told) -> str:
    """The sentence, then the section."""
    return markdown.page(told.sentence, told.section.head, told.section.blocks)


def in_html(told: Sequence[Told], invocation: str | None) -> str:
    """A page of its own; ``invocation`` is the command that measured it."""
    again = [Section("Run it again", "Run it again", [Command(invocation)])] if invocation else []
    sections = [*(each.section for each in told), *again]
    return html.page(QUESTION, [each.sentence for each in told], told[0].verdict, [], sections)
