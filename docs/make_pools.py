"""The answers of the shipped scenarios in ``pool.md``, made anew: ``python docs/make_pools.py [NAME...]``.

They are simulated, so all but what the coordinator costs is the same wherever it is made.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from outpace.command import cli
from outpace.report import markdown, pool_document, pool_page

PAGE = Path(__file__).parent / "pool.md"
RULES = "--vary=rule:shortest-expected-wait,power-of-two"
ASKED = {"friends": f"{RULES},random", "office": f"{RULES},random", "club": RULES, "globe": ""}


def answer(name: str) -> str:
    """What a scenario comes to, in Markdown, under the command that tells it."""
    with tempfile.TemporaryDirectory() as folder:
        cli.main(["pool", name, *ASKED[name].split(), f"--report-dir={folder}"])
        document = pool_document.read(Path(folder) / f"pool-{name}.json")
    tables = [pool_page.promised(document), pool_page.spent(document)]
    told = markdown.page(pool_page.sentence(document), "", tables).replace("## \n\n", "")
    return f"`{f'outpace pool {name} {ASKED[name]}'.strip()}`\n\n{told}"


def main() -> None:
    """Put the answers between the marks of the page."""
    for name in sys.argv[1:] or ASKED:
        told = answer(name)
        page = PAGE.read_text(encoding="utf-8")
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        PAGE.write_text(marks.sub(lambda found: f"{found[1]}\n{told}\n{found[2]}", page), encoding="utf-8")  # noqa: B023


if __name__ == "__main__":
    main()
