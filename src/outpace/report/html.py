"""report.html: the story of a session as one page that fetches nothing, for a screen of any size and for paper.

Jinja2 writes it: it escapes whatever it is given, and every value passes ``_shown`` first, which makes visible what is
hidden in it and isolates what came from a document. No place of the template can forget to do so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from outpace.report.answer import answer, cautions, question
from outpace.report.blocks import Block, Section
from outpace.report.sections import sections
from outpace.report.story import Story
from outpace.report.strategies import Row, outpaces
from outpace.report.words import Foreign, Strong, Words, visible

FILE = "report.html"
_UNIT = re.compile(r"(\d) (ms|s)\b")
"""A number keeps its unit beside it where a line ends."""


def render(story: Story, invocation: str | None = None, before: Sequence[Section] = ()) -> str:
    """The story as one page, with sections put ``before`` it; ``invocation`` is the command that measured it.

    The same story gives the same bytes.
    """
    verdict = _verdict(story.best or story.rows[0])
    return page(question(story), answer(story), verdict, list(cautions(story)), [*before, *sections(story, invocation)])


def page(
    asked: str | Words, told: Sequence[Words], verdict: str, warned: Sequence[Words], chapters: Sequence[Section]
) -> str:
    """A page that answers what was ``asked`` by what is ``told``, in the colour of ``verdict``, then ``chapters``."""
    written: str = _template().render(
        title="".join(("outpace: ", *told[0])),
        question=asked,
        answer=told,
        verdict=verdict,
        cautions=warned,
        sections=chapters,
        kind=_kind,
        style=Markup(_packaged("page.css")),  # noqa: S704 - a file of this package
        svg=Markup,  # what figures.canvas wrote: its texts are escaped by matplotlib and the XML writer
        lines=_lines,
    )
    return written


def _verdict(row: Row) -> str:
    """What the colour of the answer says: of the set gain, or where there is none of the gate."""
    words = {True: "pass", False: "fail", None: "inconclusive"}
    return words[outpaces(row.comparison)] if row.gain else row.verdict


def _kind(block: Block) -> str:
    return type(block).__name__


def _shown(value: Any) -> Any:
    """What stands for a value on the page: nothing that is hidden, and what is foreign kept apart."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, tuple):
        return Markup().join(_shown(each) for each in value)
    if isinstance(value, Foreign):
        return Markup("<bdi>{}</bdi>").format(visible(value))
    if isinstance(value, Strong):
        return Markup("<b>{}</b>").format(value)
    return escape(_UNIT.sub("\\1\N{NO-BREAK SPACE}\\2", visible(str(value))))


def _lines(text: str) -> Markup:
    return Markup("\n").join(visible(line, longest=10_000) for line in text.splitlines())


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True)
    return environment.from_string(_packaged("page.html.jinja"))


def _packaged(name: str) -> str:
    return files("outpace.report").joinpath(name).read_text(encoding="utf-8")
