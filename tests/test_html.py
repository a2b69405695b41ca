"""report.html: what stands on it, that nothing gets out of its text, and that a real browser has nothing to fetch."""

import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import chrome
from chrome import Chrome
from harness import REPOSITORY
from outpace.capacity import Capacity, HostCapacity, Level, classify, to_document
from outpace.report import html
from outpace.report.figures import MOST_HOSTS, in_flight, lanes_of, timeline
from outpace.report.shape import Bar, Timeline, View
from outpace.report.story import read, tell
from outpace.report.words import Foreign, visible
from told import HOSTILE, attempt, keep, plain, report

RECORDED = sorted(path.parent for path in (REPOSITORY / "bench" / "recordings").glob("*/report-sequential.json"))
PUBLISHED = REPOSITORY / "reports" / "phase-0"
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Page(HTMLParser):
    """The tags of a page with the names of their attributes, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.values: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.odd: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.values += [(tag, name, value) for name, value in attrs]

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text += data.replace("\N{NO-BREAK SPACE}", " ")

    def handle_comment(self, data):
        self.odd.append(data)

    handle_pi = unknown_decl = handle_comment


def swept(name="near"):
    found = classify([Level(1, 10, 10.0), Level(2, 18, 10.0), Level(4, 30, 10.0)])
    return to_document("2026-01-31T12:00:00+00:00", "live", [HostCapacity(name, None, None, None, None, found)])


def page_of(*documents, capacities=None, invocation=None) -> Page:
    return Page(html.render(tell(documents, capacities), invocation))


def test_the_published_experiment_can_be_read():
    page = Page(html.render(read(PUBLISHED)))
    for expected in (
        "Two machines answer eight prompts 1.15 times as fast as local alone under serial-per-side",
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
    assert plain(story.answer[0]) in page.text
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


def documents_of(text: str):
    """Two reports and capacities with ``text`` in every place where a document may hold any."""
    names = (f"a{text}", f"b{text}")
    failed = [attempt(names[1], f"connect: {text}")]
    one = report([0.5, 0.6, None], f"s{text}", names=names, failed_attempts=failed)
    one["created"] = f"c{text}"
    one["outpace"] = f"v{text}"
    one["machine"] = {"system": f"m{text}", "architecture": f"n{text}", "cpus": 2, "python": f"p{text}"}
    one["workload"]["sha256"] = f"w{text}"
    one["summary"]["notes"] = [f"o{text}"]
    one["gate"]["reason"] = f"r{text}"
    for host in one["hosts"]:
        host.update(url=f"u{text}", engine=f"e{text}", engine_version=f"f{text}", model=f"g{text}", model_digest=text)
    return [one], swept(names[0])


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


def test_a_page_is_written_beside_its_reports(tmp_path):
    keep(tmp_path, report([0.5]))
    path = html.write(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == html.render(read(tmp_path))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["report-serial-per-side.json", "report.html"]


def bar(host, start_ms, wall_ms, **more):
    return Bar(0, Foreign(host), start_ms, wall_ms, (("generation", wall_ms),), **more)


def view(*bars, makespan_ms=None):
    hosts = tuple(dict.fromkeys(each.host for each in bars))
    end_ms = max((each.start_ms + each.wall_ms for each in bars), default=0.0)
    return View(hosts, makespan_ms or end_ms, tuple(bars), 0, False)


def test_requests_that_overlap_stand_below_one_another():
    one = bar("a", 0, 10), bar("a", 5, 10), bar("a", 10, 10), bar("a", 15, 1)
    (lane,) = lanes_of(view(*one))
    assert lane.rows == ((one[0], one[2]), (one[1], one[3]))


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0.1, 50)), min_size=1, max_size=30))
def test_no_lane_holds_two_requests_at_once_and_none_is_lost(spans):
    bars = [bar("a", start, wall) for start, wall in spans]
    (lane,) = lanes_of(view(*bars))
    assert sorted((each.start_ms, each.wall_ms) for row in lane.rows for each in row) == sorted(spans)
    for row in lane.rows:
        for earlier, later in pairwise(row):
            assert later.start_ms >= earlier.start_ms + earlier.wall_ms - 0.011


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0.1, 10)), max_size=30), st.integers(1, 50))
def test_what_is_in_flight_adds_up_to_all_time(spans, steps):
    bars = [bar("a", start, wall) for start, wall in spans]
    levels = in_flight(bars, 100.0, steps)
    assert sum(levels) * 100.0 / steps == pytest.approx(sum(wall for _, wall in spans), abs=1e-6)


@pytest.mark.parametrize("size", [1, 300, 301, 10_000])
@pytest.mark.parametrize("hosts", [2, 64, 70])
def test_a_timeline_of_any_size_can_be_drawn_and_stays_small(size, hosts):
    run = view(*(bar(f"h{i % hosts}", i // hosts * 10.0, 10.0) for i in range(size)))
    alone = view(*(bar("h0", i * 10.0, 10.0) for i in range(size)))
    found = timeline(Timeline(Foreign("pull"), 1, 1, run, alone), "x")
    assert len(found.wide) < 250_000
    assert ("too many to draw" in found.caption) == (size > 300 or min(hosts, size) > 72)
    assert ("are drawn" in found.caption) == (min(hosts, size) > MOST_HOSTS)


def test_a_timeline_without_any_time_can_be_drawn():
    timeline(Timeline(Foreign("pull"), 1, 1, view(bar("a", 0.0, 0.0)), View((), None, (), 0, False)), "x")


def test_a_host_of_which_one_level_is_known_can_be_drawn():
    only = Capacity("queues", 1, 1, 1, 1.0, (Level(1, 0.0, 1.0),), None, False, "Only one in flight was tried.")
    host = HostCapacity("near", None, None, None, None, only)
    page = page_of(report([0.5]), capacities=to_document("2026-01-31T12:00:00+00:00", "live", [host]))
    assert "Only one in flight was tried." in page.text


@pytest.fixture(scope="module")
def browser():
    if chrome.find() is None:
        pytest.skip(f"no browser here: none of {', '.join(chrome.NAMES)} is installed")
    with Chrome() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The published experiment, a recorded one, and one whose every text is hostile."""
    folder = tmp_path_factory.mktemp("pages")
    documents, capacities = documents_of("".join(HOSTILE) + "W" * 300)
    stories = {
        "published": read(PUBLISHED),
        "recorded": read(RECORDED[0]),
        "hostile": tell(documents, capacities),
    }
    for name, story in stories.items():
        (folder / f"{name}.html").write_text(html.render(story, "pytest bench/ " + "x" * 300), encoding="utf-8")
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("name", ["published", "recorded", "hostile"])
def test_a_browser_fetches_nothing_complains_of_nothing_and_fits_the_page(browser, pages, name, width, dark):
    browser.events.clear()
    browser.show(pages / f"{name}.html", width, dark=dark)
    assert browser.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.value("document.documentElement.clientWidth") == width or width > 600
    assert browser.value("[...document.querySelectorAll('svg')].some(each => each.getBoundingClientRect().width > 0)")
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") != dark
    asked = {
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    }
    assert {url for url in asked if not url.startswith("data:")} == {(pages / f"{name}.html").as_uri()}
    complaints = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [event for event in browser.events if event.get("method") in complaints] == []
    assert browser.value("document.querySelectorAll('script, img, iframe').length") == 0


def test_text_in_a_browser_is_legible_in_light_and_dark(browser, pages):
    for dark in (False, True):
        browser.show(pages / "recorded.html", 1280, dark=dark)
        assert browser.value(CONTRASTS) >= 4.5


CONTRASTS = """(() => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = css => css.match(/\\d+/g).slice(0, 3).map(Number).map(channel)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const page = light(getComputedStyle(document.body).backgroundColor);
  return Math.min(...[...document.querySelectorAll('p, th, td, li, dt, dd, a, b, summary, caption, figcaption')]
    .map(each => light(getComputedStyle(each).color))
    .map(text => (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05)));
})()"""
