"""The page that tells what rules come to, and the same in a terminal."""

from __future__ import annotations

import textwrap
from pathlib import Path

from outpace.report import html, markdown
from outpace.report.blocks import Figure, Section
from outpace.report.columns import columns, plain
from outpace.report.figures.strategies import rule_gains
from outpace.report.rules import Told, arriving, batch, notes, sections, sentence

HEAD = "What each rule comes to"
QUESTION = "Which rule should share out the requests?"


def pages(told: Told, folder: Path) -> dict[Path, str]:
    """The page in Markdown and as HTML, by where it goes in ``folder``."""
    shown = sections(told)
    blocks = [block for section in shown for block in section.blocks]
    figure = Figure(lambda: rule_gains(told.rules))
    first = Section(shown[0].name, shown[0].head, [figure, *shown[0].blocks])
    return {
        folder / "rules.md": markdown.page(sentence(told), HEAD, blocks),
        folder / "rules.html": html.page(QUESTION, [sentence(told)], "pass", [], [first, *shown[1:]]),
    }


def in_terminal(told: Told) -> str:
    """The sentence first, then the tables in columns, then what is to be known of them."""
    parts = [textwrap.fill(plain(sentence(told)), 100), columns(batch(told))]
    if told.arrivals is not None:
        parts.append(f"Arrivals {told.arrivals}:\n" + columns(arriving(told)))
    parts.append("\n".join(textwrap.fill(plain(each), 100, subsequent_indent="  ") for each in notes(told)))
    return "\n\n".join(parts)
