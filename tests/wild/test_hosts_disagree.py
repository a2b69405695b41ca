"""Hosts that read or answer the same prompt otherwise than the rest are named beside the ratio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from field_hosts import Says, ollama_host, plainly
from harness import ThreadedHosts
from outpace.judge.agreement import ANSWERED_ALIKE, READ_ALIKE
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.report import document
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload


def reads(most: int) -> Says:
    """A host whose context holds ``most`` tokens: what is longer it cuts without a word."""
    return lambda prompt: (f"An answer to {prompt[:20]}", min(most, len(prompt) // 4 + 6))


def quantised(prompt: str) -> tuple[str, int]:
    return f"Another answer than the question deserves: {prompt}", 9


def measured(folder: Path, *says: Says, texts: tuple[str, ...] = DEFAULT_PROMPTS, **more: Any) -> dict[str, Any]:
    """The report of a round of serial-per-side over hosts a, b, ... that say so."""
    work = workload(texts, Generation(**more))
    with ThreadedHosts(*(ollama_host(says=each) for each in says)) as hosts:  # noqa: SIM117
        with Session(Settings(hosts=hosts.hosts, workload=work, baseline="a")) as session:
            Measurement(session, "serial-per-side", report_dir=folder).measure(1)
    return document.read(folder / "report-serial-per-side.json")


def checks(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in report["fairness"]}


def test_a_host_that_cuts_prompts_to_its_context_is_named_with_both_figures(tmp_path: Path) -> None:
    texts = ("Sum this up: " + "a word or two " * 2_000, *DEFAULT_PROMPTS[:3])
    report = measured(tmp_path, reads(2051), reads(8192), texts=texts)
    assert checks(report)[READ_ALIKE]["held"] is False
    assert checks(report)[READ_ALIKE]["said"] == f"a read 2051 tokens of prompt 0, b {len(texts[0]) // 4 + 6}"
    assert f"Not held: {READ_ALIKE} (a read 2051 tokens" in " ".join(report["summary"]["notes"])


def test_hosts_that_cut_prompts_alike_are_not_taken_for_whole(tmp_path: Path) -> None:
    report = measured(tmp_path, reads(2048), reads(2048), texts=("a word or two " * 2_000, *DEFAULT_PROMPTS[:3]))
    assert "which has 28000 characters" in checks(report)[READ_ALIKE]["said"]


def test_a_host_of_another_quantisation_is_named_with_an_example_and_without_what_it_said(tmp_path: Path) -> None:
    report = measured(tmp_path, plainly, quantised)
    found = checks(report)[ANSWERED_ALIKE]
    assert found["held"] is False
    assert found["said"].startswith("b answers otherwise than a: ")
    assert "prompt 0 for example from character 1 on" in found["said"]
    assert "Another answer" not in (tmp_path / "report-serial-per-side.json").read_text()


@pytest.mark.parametrize("odd", ["a", "b", "c"])
def test_the_odd_one_of_three_is_named_though_it_be_the_baseline(tmp_path: Path, odd: str) -> None:
    report = measured(tmp_path, *(quantised if host == odd else plainly for host in "abc"))
    assert checks(report)[ANSWERED_ALIKE]["said"].startswith(f"{odd} answers otherwise than ")


def test_hosts_of_one_mind_agree(tmp_path: Path) -> None:
    report = measured(tmp_path, plainly, plainly)
    assert {checks(report)[name]["held"] for name in (READ_ALIKE, ANSWERED_ALIKE)} == {True}
    assert not any("Not held: prompts" in note for note in report["summary"]["notes"])


def test_nothing_is_held_against_answers_that_were_sampled(tmp_path: Path) -> None:
    found = checks(measured(tmp_path, plainly, quantised, temperature=0.8))[ANSWERED_ALIKE]
    assert found["held"] is None
    assert "nothing promises it at a temperature of 0.8" in found["said"]
