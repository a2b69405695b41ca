"""RESULT.md: the story of a session in Markdown, for a pull request, a wiki or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from outpace.ground.documents import write_whole
from outpace.report import tables
from outpace.report.shape import Story
from outpace.report.story import read
from outpace.report.tables import Table
from outpace.report.words import Foreign, Words, runs_leftwards, visible

FILE = "RESULT.md"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_AT_THE_HEAD = re.compile(r"^(?=[-+=])|^(\d+)(?=[.)](?:\s|$))")
"""What would begin a list or underline a heading where it stands first in a block."""
_ACTS = re.compile(r"(?i)@|://|www\.|:\w+:|#\d|\b[0-9a-f]{7,40}\b")
"""Addresses, mentions, emoji, numbers of issues and commits: GitHub acts on them however they are escaped."""
_BOLD = re.compile(r"\*\*([a-zA-Z ]+)\*\*")


def write(folder: Path, invocation: str | None = None) -> Path:
    """Tell the reports in ``folder`` as RESULT.md beside them; raises ``DocumentInvalid`` or ``OSError``."""
    path = folder / FILE
    write_whole(path, render(read(folder), invocation))
    return path


def render(story: Story, invocation: str | None = None) -> str:
    """The story as Markdown; ``invocation`` is the command that measured it."""
    blocks = [
        f"# {_words(story.question)}",
        f"**{_words(story.answer[0])}**",
        *(_words(each) for each in story.answer[1:]),
        *(f"> {_words(each)}" for each in story.cautions),
        "## Verdict",
        _list(_verdicts(story)),
        "## Strategies",
        _table(tables.strategies(story.rows)),
        *_reasons(story),
        "## Where the time went",
        *([_table(tables.latency(each)) for each in story.latencies[:1]] or ["The reports do not tell it."]),
        "## Failure modes met",
        *_failures(story),
        *(["## Capacity", _table(tables.capacities(story.capacities))] if story.capacities else []),
        "## Conditions for going further",
        _list((f"**{holds}**: ", *text) for holds, text in tables.conditions(story)),
        "## How it was measured",
        _table(tables.hosts(story.hosts)),
        _list((f"**{head}**: ", *text) for head, text in story.facts),
        "## What was not measured",
        _list(story.not_measured),
        "## Run it again",
        _fenced(invocation) if invocation else "The reports do not hold the command that measured them.",
    ]
    return "\n\n".join(blocks) + "\n"


def _verdicts(story: Story) -> Iterator[Words]:
    """The best strategy's verdict first; then every other that is no pass."""
    for row in sorted(story.rows, key=lambda row: row.strategy != story.best):
        if row.strategy == story.best or row.verdict != "pass":
            yield (f"**{row.verdict}**: ", row.reason)


def _reasons(story: Story) -> Iterator[str]:
    lines = [(name, ": ", *text) for name, texts in tables.reasons(story.rows) for text in texts]
    yield _list(lines)


def _failures(story: Story) -> Iterator[str]:
    if story.failures:
        yield _table(tables.failures(story.failures))
    if story.unanswered:
        yield _table(tables.unanswered(story.unanswered))
    if not story.failures and not story.unanswered:
        yield "None: every attempt gave an answer."


def _list(items: Iterable[Words]) -> str:
    return "\n".join(f"- {_words(item)}" for item in items)


def _table(table: Table) -> str:
    """A table with its caption above it; GitHub's dialect has no captions."""
    lines = [
        "| " + " | ".join(escape(column.head) for column in table.columns) + " |",
        "|" + "|".join("---:" if column.number else "---" for column in table.columns) + "|",
        *("| " + " | ".join(_words(cell, cell=True) for cell in row) + " |" for row in table.rows),
    ]
    return f"{escape(table.caption)}:\n\n" + "\n".join(lines)


def _words(words: Words, cell: bool = False) -> str:
    shown = [_foreign(each, cell) if isinstance(each, Foreign) else _own(each) for each in words]
    return "".join(shown) if cell else _AT_THE_HEAD.sub(r"\1\\", "".join(shown))


def _own(text: str) -> str:
    """Text of outpace's own, in which a bold word is one."""
    bold = _BOLD.match(text)
    return f"**{bold[1]}**{escape(text[bold.end() :])}" if bold else escape(text)


def _foreign(text: str, cell: bool) -> str:
    """Text of a document: escaped, or as code where it holds what even escaped text would do."""
    shown = _code(visible(text), cell) if _ACTS.search(text) else escape(text)
    # Two characters that no one sees keep letters that run leftwards from reordering what stands beside them.
    return f"\u2068{shown}\u2069" if runs_leftwards(shown) else shown


def escape(text: str) -> str:
    """``text`` as Markdown that shows it and does nothing else, within a line."""
    return _SPECIAL.sub(r"\\\1", visible(text))


def _code(text: str, cell: bool) -> str:
    """A code span; in the cell of a table a pipe ends the cell even there, unless it is escaped."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if longest else ""
    shown = text.replace("|", "\\|") if cell else text
    return f"{fence}{padding}{shown}{padding}{fence}"


def _fenced(code: str) -> str:
    """A code block with a fence longer than any in ``code``."""
    shown = "\n".join(visible(line, longest=10_000) for line in code.splitlines())
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{shown}\n{fence}"
