"""report.html in a real browser: nothing to fetch, nothing to complain of, and legible at any width."""

import pytest

import chrome
import needed
from chrome import Chrome
from outpace.report import html
from outpace.report.story import read, tell
from pages import PUBLISHED, RECORDED, documents_of
from report_documents import HOSTILE


@pytest.fixture(scope="module")
def browser():
    with Chrome(needed.program(*chrome.NAMES)) as found:
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
