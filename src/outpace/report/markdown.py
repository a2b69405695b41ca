"""RESULT.md: the story of a session in Markdown, for a pull request, a wiki or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup

from outpace.report.answer import answer, cautions, question
from outpace.report.blocks import NUMBER, Block, Command, Figure, Folded, Items, Pairs, Table
from outpace.report.sections import sections
from outpace.report.story import Story
from outpace.report.words import Foreign, Strong, Words, runs_leftwards, visible

FILE = "RESULT.md"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_AT_THE_HEAD = re.compile(r"^(?=[-+=])|^(\d+)(?=[.)](?:\s|$))")
"""What would begin a list or underline a heading where it stands first in a block."""
_ACTS = re.compile(r"(?i)@|://|www\.|:\w+:|#\d|\b[0-9a-f]{7,40}\b")
"""Addresses, mentions, emoji, numbers of issues and commits: GitHub acts on them however they are escaped."""


def render(story: Story, invocation: str | None = None) -> str:
    """The story as Markdown; ``invocation`` is the command that measured it."""
    first, *more = answer(story)
    told = [
        f"# {_words(question(story))}",
        f"**{_words(first)}**",
        *map(_words, more),
        *(f"> {_words(each)}" for each in cautions(story)),
    ]
    for each in sections(story, invocation):
        if blocks := list(_blocks(each.blocks)):
            told += [f"## {each.head}", *blocks]
    return "\n\n".join(told) + "\n"


def page(sentence: Words, head: str, blocks: Iterable[Block]) -> str:
    """A page that begins with ``sentence``, and then tells ``blocks`` under ``head``."""
    return "\n\n".join([f"**{_words(sentence)}**", section(head, blocks)])


def section(head: str, blocks: Iterable[Block]) -> str:
    """``blocks`` under a head, to be put behind a story."""
    return "\n\n".join([f"## {head}", *_blocks(blocks)]) + "\n"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    """What is told in words: figures are left to the page."""
    for block in blocks:
        match block:
            case Table():
                yield _table(block)
            case Items():
                yield _list(block.items)
            case Pairs():
                yield _list((Strong(head), ": ", *text) for head, text in block.pairs)
            case Command():
                yield _fenced(block.text)
            case Folded():
                if inner := list(_blocks(block.blocks)):
                    summary = Markup("<details><summary>{}</summary>").format(visible(block.summary))
                    yield from (summary, *inner, "</details>")
            case Figure():
                pass
            case _:
                yield _words(block.words)


def _list(items: Iterable[Words]) -> str:
    return "\n".join(f"- {_words(item)}" for item in items)


def _table(table: Table) -> str:
    """A table with its caption above it; GitHub's dialect has no captions."""
    lines = [
        "| " + " | ".join(map(escape, table.columns)) + " |",
        "|" + "|".join("---:" if kind == NUMBER else "---" for kind in table.columns.values()) + "|",
        *("| " + " | ".join(_words(cell, cell=True) for cell in row) + " |" for row in table.rows),
    ]
    return f"{escape(table.caption)}:\n\n" + "\n".join(lines)


def _words(words: str | Words, *, cell: bool = False) -> str:
    pieces = (words,) if isinstance(words, str) else words
    shown = "".join(_foreign(each, cell) if isinstance(each, Foreign) else _own(each) for each in pieces)
    return shown if cell else _AT_THE_HEAD.sub(r"\1\\", shown)


def _own(text: str) -> str:
    return f"**{escape(text)}**" if isinstance(text, Strong) else escape(text)


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
    fence = _fence(text, 1)
    padding = " " if len(fence) > 1 else ""
    shown = text.replace("|", "\\|") if cell else text
    return f"{fence}{padding}{shown}{padding}{fence}"


def _fenced(code: str) -> str:
    shown = "\n".join(visible(line, longest=10_000) for line in code.splitlines())
    fence = _fence(shown, 3)
    return f"{fence}sh\n{shown}\n{fence}"


def _fence(code: str, least: int) -> str:
    """As many backticks as ``code`` needs around it: more than there are in it."""
    return "`" * max(least, 1 + max(map(len, re.findall(r"`+", code)), default=0))
