"""The pictures of the documentation, made anew: ``python docs/make_pictures.py`` (it needs Chromium).

What they show is replayed from recordings of this repository, so they are the same wherever they are made.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from outpace.dispatch import STRATEGIES
from outpace.report import figures
from outpace.report.publish import write_pages
from outpace.report.story import read
from outpace.suite.regression import replay

DOCS = Path(__file__).parent
PICTURES = DOCS / "pictures"
RECORDINGS = DOCS.parent / "bench" / "recordings"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def shoot(page: Path, picture: Path, width: int, height: float) -> None:
    """A screenshot of ``page``, so many pixels wide and high."""
    browser = next(found for name in BROWSERS if (found := shutil.which(name)))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    size = f"--window-size={width},{round(height)}"
    command = [browser, *flags, size, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - a browser, and a page that was made here


def timelines(folder: Path) -> None:
    """One picture a strategy, of the published machines."""
    for strategy in STRATEGIES:
        replay(RECORDINGS / "phase-0.json", strategy, folder)
    style = files("outpace.report").joinpath("page.css").read_text(encoding="utf-8")
    for each in read(folder).timelines:
        drawn = figures.timeline(each, "timeline").wide
        height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', drawn)[1])  # type: ignore[index]
        page = folder / "timeline.html"
        page.write_text(f"<meta charset=utf-8><style>{style} body {{margin: 8px}}</style>{drawn}", encoding="utf-8")
        shoot(page, PICTURES / f"timeline-{each.strategy}.png", 740, round(height) + 20)


def terminal(folder: Path) -> None:
    """What a session of the published machines prints."""
    command = [sys.executable, "-m", "outpace.command.cli", "run", f"--hosts=replay:{RECORDINGS / 'phase-0.json'}"]
    options = ["--strategies=all", "--benchmark-disable", "--no-pages", f"--report-dir={folder}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)  # noqa: S603
    summary = done.stdout[done.stdout.index("= outpace =") :].splitlines()[1:]
    lines = [line for line in summary if "reports:" not in line]
    asked = "$ outpace run --hosts=replay:bench/recordings/phase-0.json --strategies=all"
    text = html.escape("\n".join([asked, "", *lines]))
    style = "margin: 0; padding: 14px; background: #111; color: #ddd; font: 13px/1.35 monospace"
    page = folder / "terminal.html"
    page.write_text(f'<meta charset=utf-8><body style="margin: 0"><pre style="{style}">{text}</pre>', encoding="utf-8")
    shoot(page, PICTURES / "terminal.png", 700, 30 + 17.6 * (len(lines) + 2))


def report(folder: Path) -> None:
    """The top of the page that such a session leaves behind."""
    for strategy in STRATEGIES:
        replay(RECORDINGS / "phase-0.json", strategy, folder)
    shoot(write_pages(folder)[0], PICTURES / "report.png", 1000, 1180)


def main() -> None:
    """Make them all."""
    PICTURES.mkdir(exist_ok=True)
    for make in (timelines, terminal, report):
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))


if __name__ == "__main__":
    main()
