"""report.html: what stands on it, and that nothing gets out of its text."""

import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outpace.report import html
from outpace.report.answer import answer
from outpace.report.story import read, tell
from outpace.report.words import visible
from pages import PUBLISHED, RECORDED, UNSEEN, Page, documents_of, page_of, swept
from report_documents import HOSTILE, plain, report

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_the_published_experiment_can_be_read():
    page = Page(html.render(read(PUBLISHED)))
    for expected in (
        "Two machines answer eight prompts 1.15 times as fast as local one after another",
        "The gate failed for all-parallel.",
        "Transcribed from a published experiment",
        "0.866",
        "6.470",
        "24 ms, 7.3%",
        "llama3.2:1b",
        "they are drawn one after another",
    ):
        assert expected in page.text
    assert page.odd == []


@pytest.mark.parametrize("folder", RECORDED, ids=lambda path: path.name)
def test_every_recording_gives_a_page_and_the_same_bytes_twice(folder: Path):
    story = read(folder)
    markup = html.render(story)
    assert markup == html.render(read(folder))
    page = Page(markup)
    assert plain(answer(story)[0]) in page.text
    for row in story.rows:
        assert row.strategy in page.text
    assert len(markup) < 1_000_000


def test_a_page_has_what_assistive_technology_and_browsers_ask_for():
    page = page_of(report([0.5, 0.6]), report([0.7, 0.8], "pull"), capacities=swept(), invocation="pytest bench/")
    values = {(tag, name): value for tag, name, value in page.values}
    assert values["html", "lang"] == "en"
    assert values["meta", "charset"] == "utf-8"
    tags = [tag for tag, *_ in page.tags]
    assert {"main", "header", "nav", "footer", "title", "caption", "figcaption", "details"} <= set(tags)
    assert tags.count("h1") == 1
    assert not {"script", "iframe", "object", "embed", "form", "base"} & set(tags)
    assert {value for tag, name, value in page.values if tag == "th" and name == "scope"} == {"col", "row"}
    ids = [value for _, name, value in page.values if name == "id"]
    assert len(ids) == len(set(ids))
    for _, name, value in page.values:
        if name in ("aria-labelledby", "aria-describedby"):
            assert set(value.split()) <= set(ids)
        if name == "href":
            assert value == "data:," or value.removeprefix("#") in ids
        assert name != "src"
        assert not name.startswith("on")
    drawings = [(tag, names) for tag, *names in page.tags if tag == "svg"]
    assert drawings
    assert all({"role", "aria-labelledby", "viewbox"} <= set(names) for _, names in drawings)
    assert "pytest bench/" in page.text


def test_a_page_shows_what_each_part_brings_and_the_best_alone_on_its_timeline():
    page = page_of(report([0.5, 0.5, 0.5], best_alone=("near", 4, 416.0)))
    for expected in (
        "2.00 times as fast as near one after another, the published baseline",
        "batching: 1.92\N{MULTIPLICATION SIGN}",
        "the other machines: 1.04\N{MULTIPLICATION SIGN}",
        "near at its best, four at once",
        "near at its best: 416 ms",
        "outpaces",
    ):
        assert expected in page.text
    assert ("p", "class", "answer pass") in page.values
    slower = page_of(report([0.65, 0.65, 0.64], best_alone=("near", 4, 416.0)))
    assert ("p", "class", "answer fail") in slower.values


def test_the_policy_allows_no_request():
    page = page_of(report([0.5]))
    assert ("meta", "content", POLICY) in page.values
    assert "http://" not in html.render(read(PUBLISHED)).replace("http://www.w3.org", "")


def test_figures_follow_the_page_in_light_and_dark():
    markup = html.render(tell([report([0.5, 0.6], bound=0.4)], swept()))
    drawn = "".join(re.findall(r"<svg.*?</svg>", markup, re.DOTALL))
    assert "currentColor" in drawn
    assert "var(--grid)" in drawn
    for colour in ("#010203", "#040506", "#070809", "#0a0b0c", "DejaVu"):
        assert colour not in drawn
    for one in re.findall(r"<svg.*?</svg>", markup, re.DOTALL):
        root = ET.fromstring(one)
        assert root.find("title").text
        assert root.find("desc").text


@cache
def harmless_tags() -> list[tuple[str, ...]]:
    documents, capacities = documents_of("x")
    return Page(html.render(tell(documents, capacities), "x")).tags


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_no_text_of_a_document_becomes_a_tag_or_an_attribute(text):
    check_harmless(text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_hostile_text_becomes_a_tag_or_an_attribute(text):
    check_harmless(text)


def check_harmless(text: str) -> None:
    documents, capacities = documents_of(text)
    markup = html.render(tell(documents, capacities), "x")
    page = Page(markup)
    assert page.tags == harmless_tags()
    assert page.odd == []
    assert not UNSEEN.search(markup)
    markup.encode()
    for place in "abscvmnpworefg":
        assert visible(f"{place}{text}").replace("\N{NO-BREAK SPACE}", " ") in page.text


@given(st.text())
@example("\x1b[31m")
def test_a_command_is_shown_line_by_line_and_harmless(text):
    shown = str(html._lines(text))
    assert not UNSEEN.search(shown)
    assert "<" not in shown
