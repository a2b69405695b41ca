"""How long a person waits for the report: from the JSON of one strategy's round to the page, and each step of it.

The figures of the steps, and the size of the page, are in the benchmark's extra info; nothing is asserted of them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from outpace.report import document, html, markdown, story
from outpace.report.publish import write_pages
from report_documents import keep, report

pytestmark = pytest.mark.quiet


@pytest.fixture(params=[(8, 2), (10_000, 64)], ids=["8x2", "10000x64"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    prompts, hosts = request.param
    names = tuple(f"host-{number}" for number in range(hosts))
    return keep(tmp_path, report([1.5 / hosts], names=names, prompts=prompts, alone_ms=400.0 * prompts))


@pytest.mark.benchmark(group="report")
def test_how_long_a_page_takes(folder: Path, benchmark: Any) -> None:
    path, _ = benchmark.pedantic(write_pages, (folder,), rounds=1)
    (found,) = folder.glob("report-*.json")
    steps = {}
    began = time.perf_counter()
    read = json.loads(found.read_bytes())
    steps["parse_ms"], began = _since(began)
    document.read(found)
    steps["parse_and_validate_ms"], began = _since(began)
    told = story.tell([read], None)
    steps["tell_ms"], began = _since(began)
    html.render(told)
    steps["html_ms"], began = _since(began)
    markdown.render(told)
    steps["markdown_ms"], began = _since(began)
    benchmark.extra_info.update(steps | {"report_bytes": found.stat().st_size, "page_bytes": path.stat().st_size})


def _since(began: float) -> tuple[float, float]:
    now = time.perf_counter()
    return round((now - began) * 1000, 1), now
