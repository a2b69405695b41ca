"""The page that tells what rules come to, and the same in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from outpace.report import html, markdown, rule_rates
from outpace.report.blocks import Block, Figure, Items, Section
from outpace.report.columns import columns, plain
from outpace.report.figures.rules import at_a_glance
from outpace.report.rules import Told, arriving, batch, notes, sections, sentence
from outpace.report.words import Words

Document = Mapping[str, Any]

HEAD = "What each rule comes to"
QUESTION = "Which rule should share out the requests?"


def pages(told: Told, folder: Path, rates: Document | None = None) -> dict[Path, str]:
    """The page in Markdown and as HTML, by where it goes in ``folder``; ``rates`` is a search's report."""
    shown = sections(told)
    figure = Figure(lambda: at_a_glance(told.rules, rates))
    glance = Section("Glance", "All at a glance", [figure])
    borne: list[Section] = []
    if rates is not None:
        found: list[Block] = [rule_rates.table(rates), Items(rule_rates.notes(rates))]
        borne.append(Section("Rate", "What rate they bear", found))
    everything = [block for section in (*borne, *shown) for block in section.blocks]
    return {
        folder / "rules.md": markdown.page(answer(told, rates), HEAD, everything),
        folder / "rules.html": html.page(QUESTION, [answer(told, rates)], "pass", [], [glance, *borne, *shown]),
    }


def in_terminal(told: Told, rates: Document | None = None) -> str:
    """The sentence first, then the tables in columns, then what is to be known of them."""
    parts = [textwrap.fill(plain(answer(told, rates)), 100)]
    if rates is not None:
        parts += [columns(rule_rates.table(rates)), _filled(rule_rates.notes(rates))]
    parts.append(columns(batch(told)))
    if told.arrivals is not None:
        parts.append(f"Arrivals {told.arrivals}:\n" + columns(arriving(told)))
    return "\n\n".join([*parts, _filled(notes(told))])


def answer(told: Told, rates: Document | None) -> Words:
    """The first sentence: of the rates where they were searched for, else of the set gains."""
    return sentence(told) if rates is None else rule_rates.sentence(rates)


def _filled(words: Iterable[Words]) -> str:
    return "\n".join(textwrap.fill(plain(each), 100, subsequent_indent="  ") for each in words)
