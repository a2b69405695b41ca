"""RESULT.md: what stands in it, and that no text of a document acts as Markdown or HTML."""

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness import REPOSITORY
from outpace.report import html, markdown
from outpace.report.answer import answer
from outpace.report.publish import write_pages
from outpace.report.story import read, tell
from outpace.report.words import visible
from pages import UNSEEN, documents_of
from report_documents import HOSTILE, keep, plain, report

RECORDED = sorted(path.parent for path in (REPOSITORY / "bench" / "recordings").glob("*/report-sequential.json"))
HEADS = [
    "What each part brings",
    "Strategies",
    "Verdict",
    "Where the time went",
    "Failure modes met",
    "Conditions for going further",
    "How it was measured",
    "What was not measured",
    "Run it again",
]


def parsed(text):
    """Tokens as a strict reader of GitHub's tables sees them, those inside of others included."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def kinds(text):
    """What stands where, apart from text, which may be shown as code."""
    return [token.type for token in parsed(text) if token.type not in ("text", "text_special", "code_inline")]


def shown(text):
    return "".join(token.content for token in parsed(text) if token.type in ("text", "text_special", "code_inline"))


def test_the_published_experiment_can_be_read():
    text = markdown.render(read(REPOSITORY / "reports" / "phase-0"))
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADS
    assert "**Two machines answer eight prompts 1.15 times as fast as local one after another" in text
    assert "- **pass**: serial-per-side: overhead ratio 0.866" in text
    assert "- **fail**: all-parallel: overhead ratio 6.470" in text
    assert (
        "| serial-per-side | 0.866 | none: one round | 1.15\N{MULTIPLICATION SIGN} | not told | not told | 1 | pass |"
        in text
    )
    assert "| all-parallel | 6.470 |" in text
    assert "| local | 4 | 402 ms | 24 ms, 7.3% |" in text
    assert "The reports do not hold the command that measured them." in text


@pytest.mark.parametrize("folder", RECORDED, ids=lambda path: path.name)
def test_every_recording_is_told_and_the_same_bytes_twice(folder: Path):
    story = read(folder)
    text = markdown.render(story, "pytest bench/ --hosts=replay:x.json")
    assert text == markdown.render(read(folder), "pytest bench/ --hosts=replay:x.json")
    assert plain(answer(story)[0]) in shown(text)
    assert "```sh\npytest bench/ --hosts=replay:x.json\n```" in text
    assert {"table_open", "strong_open", "bullet_list_open", "fence"} <= set(kinds(text))


def test_an_address_is_shown_as_code_and_not_made_a_link():
    text = markdown.render(tell([report([0.5])], None))
    assert "| `http://10.0.0.1:11434` |" in text


@cache
def harmless_kinds():
    documents, capacities = documents_of("x")
    return kinds(markdown.render(tell(documents, capacities), "x"))


@given(st.text(min_size=1, max_size=40))
def test_no_text_of_a_document_acts(text):
    check_harmless(text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_hostile_text_acts(text):
    check_harmless(text)


def check_harmless(text):
    documents, capacities = documents_of(text)
    told = markdown.render(tell(documents, capacities), "x")
    assert kinds(told) == harmless_kinds()
    found = shown(told).replace("\u2068", "").replace("\u2069", "")
    for place in "abscvmnpworefg":
        assert visible(f"{place}{text}").strip() in found
    assert not UNSEEN.search(told.replace("\u2068", "").replace("\u2069", ""))
    assert told.count("\u2068") == told.count("\u2069")


@given(st.text(max_size=60))
def test_escaped_text_is_read_as_it_was(text):
    read_again = shown(f"so: {markdown.escape(text)}\n").removeprefix("so:")
    assert read_again.split() == visible(text).split()


def test_a_command_cannot_end_its_block():
    text = markdown.render(tell([report([0.5])], None), "echo '```'\n````\x1b[31m\n# head")
    blocks = [token.content for token in parsed(text) if token.type == "fence"]
    assert blocks == ["echo '```'\n````\u241b[31m\n# head\n"]


def test_the_pages_are_written_beside_their_reports(tmp_path):
    keep(tmp_path, report([0.5]))
    page, result = write_pages(tmp_path, "pytest bench/")
    told = read(tmp_path)
    assert page.read_text(encoding="utf-8") == html.render(told, "pytest bench/")
    assert result.read_text(encoding="utf-8") == markdown.render(told, "pytest bench/")
    names = ["RESULT.md", "report-serial-per-side.json", "report.html"]
    assert sorted(each.name for each in tmp_path.iterdir()) == names
