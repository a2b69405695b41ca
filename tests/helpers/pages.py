"""Pages of HTML read back into tags and text, and what they are made of."""

import re
from html.parser import HTMLParser

from harness import REPOSITORY
from outpace.judge.capacity import HostCapacity, Level, classify, to_document
from outpace.report import html
from outpace.report.story import tell
from report_documents import attempt, report

RECORDED = sorted(path.parent for path in (REPOSITORY / "bench" / "recordings").glob("*/report-sequential.json"))
PUBLISHED = REPOSITORY / "reports" / "phase-0"
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


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
