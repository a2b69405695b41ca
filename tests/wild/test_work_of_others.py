"""Answers that none of the hosts worked for: a router, or a host, that answers from memory is found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from field_hosts import as_router, ollama_host, openai_router
from harness import ThreadedHosts
from outpace.judge.capacity import Level, classify
from outpace.judge.impossible import NO_FASTER, NOT_FROM_MEMORY, POSSIBLE
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.report import document, html, markdown, story
from outpace.report.answer import answer
from outpace.workload.prompts import DEFAULT_PROMPTS, workload
from report_documents import plain

pytestmark = pytest.mark.waits

WORKS_S = 0.2
PROMPTS = workload(DEFAULT_PROMPTS[:4])
ROUNDS = 3
ONE_AT_A_TIME = classify([Level(number, 40.0, 1000 * WORKS_S * number) for number in (1, 2, 4)])


def measured(folder: Path, *, remembers: bool, swept: bool) -> dict[str, Any]:
    """The report of a router in front of two hosts that work on one prompt at a time."""
    hosts = [ollama_host(works_s=WORKS_S), ollama_host(works_s=WORKS_S)]
    router = openai_router(works_s=WORKS_S, slots=2, remembers=remembers)
    with ThreadedHosts(*hosts) as behind, ThreadedHosts(router) as before:
        capacities = dict.fromkeys("ab", ONE_AT_A_TIME) if swept else {}
        settings = Settings(
            hosts=behind.hosts, workload=PROMPTS, routers=(as_router("lite", before),), capacities=capacities
        )
        with Session(settings) as session:
            Measurement(session, "lite", report_dir=folder).measure(ROUNDS)
    return document.read(folder / "report-lite.json")


def notes(report: dict[str, Any]) -> list[str]:
    return report["summary"]["notes"]


def fairness(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in report["fairness"] if each["name"] == name)


@pytest.mark.parametrize("swept", [True, False], ids=["swept", "not swept"])
def test_a_router_that_answers_from_its_cache_is_not_called_fast_without_a_word(tmp_path: Path, swept: bool) -> None:
    report = measured(tmp_path, remembers=True, swept=swept)
    found = fairness(report, POSSIBLE)
    assert found["held"] is False
    assert " of 3 were, one took " in found["said"]
    assert "somebody else did the work, such as a cache of answers" in found["said"]
    assert any(note.startswith(f"Not held: {POSSIBLE} (") for note in notes(report))
    # What is impossible has no efficiency either.
    assert None in [each["run"]["lower_bound_ms"] for each in report["rounds"][1:]]
    assert fairness(report, NO_FASTER)["held"] is (False if swept else None)
    assert report["gate"]["verdict"] == "inconclusive"
    assert f"that settles nothing, for it cannot be the hosts' work. Not held: {POSSIBLE}: " in report["gate"]["reason"]
    told = story.read(tmp_path)
    first = plain(answer(told)[0])
    assert first.startswith("Whether two hosts answer four prompts faster than ")
    assert f"cannot be told, for what was measured cannot be (not held: {POSSIBLE}" in first
    assert markdown.render(told).splitlines()[2] == f"**{markdown.escape(first)}**"
    assert f"<title>outpace: {first}" in html.render(told)


def through(folder: Path, **does: Any) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """The report of a router that works no longer than it must, and the bodies of all requests."""
    router = openai_router(works_s=0.0, slots=2, remembers=True, says_so="x-litellm-cache-key", **does)
    with ThreadedHosts(ollama_host(), ollama_host()) as behind, ThreadedHosts(router) as before:
        settings = Settings(hosts=behind.hosts, workload=PROMPTS, routers=(as_router("lite", before),))
        with Session(settings) as session:
            for strategy in ("sequential", "lite"):
                Measurement(session, strategy, report_dir=folder).measure(2)
        asked = [(name, each.body) for name, at in (("host", behind), ("router", before)) for each in at.asked]
    return document.read(folder / "report-lite.json"), [(name, body) for name, body in asked if body]


def test_a_router_that_says_that_it_answers_from_its_cache_is_believed_as_well(tmp_path: Path) -> None:
    report, _ = through(tmp_path)
    assert fairness(document.read(tmp_path / "report-sequential.json"), NOT_FROM_MEMORY)["held"] is not False
    assert fairness(report, NOT_FROM_MEMORY)["said"].endswith(
        "answers of lite came out of a cache, as their headers say"
    )
    assert any(
        "it came out of a cache of answers, as the header x-litellm-cache-key says" in note for note in notes(report)
    )


def test_a_router_is_asked_for_answers_that_are_made_and_a_host_is_not(tmp_path: Path) -> None:
    report, asked = through(tmp_path, cache="heeded")
    assert {json.dumps(body.get("cache")) for name, body in asked if name == "router"} == {'{"no-cache": true}'}
    assert not any("cache" in body for name, body in asked if name == "host")
    assert fairness(report, NOT_FROM_MEMORY)["held"] is not False


def test_a_router_that_refuses_to_be_asked_so_is_measured_without(tmp_path: Path) -> None:
    report, asked = through(tmp_path, cache="refused")
    assert sum("cache" in body for name, body in asked if name == "router") == 1
    assert any("lite: it refuses the field cache, and is asked without it" in note for note in notes(report))
    assert all(each["overhead_ratio"] for each in report["rounds"])


def test_a_router_that_works_is_believed(tmp_path: Path) -> None:
    report = measured(tmp_path, remembers=False, swept=True)
    assert fairness(report, POSSIBLE)["held"] is True
    assert fairness(report, NO_FASTER)["held"] is True
    assert all(each["run"]["lower_bound_ms"] for each in report["rounds"])
    assert report["gate"]["verdict"] == "pass"


@pytest.mark.parametrize("remembers", [True, False])
def test_hosts_that_answer_from_memory_after_the_first_time_are_found(tmp_path: Path, remembers: bool) -> None:
    host = ollama_host(works_s=WORKS_S, remembers=remembers)
    with ThreadedHosts(host, ollama_host(works_s=WORKS_S)) as hosts:  # noqa: SIM117
        with Session(Settings(hosts=hosts.hosts, workload=PROMPTS, baseline="a")) as session:
            Measurement(session, "serial-per-side", report_dir=tmp_path).measure(2)
    found = fairness(document.read(tmp_path / "report-serial-per-side.json"), NOT_FROM_MEMORY)
    assert found["held"] is not remembers
    if remembers:
        assert found["said"].startswith("a answered ")
        assert found["said"].endswith(" times as fast as when it was first asked")
