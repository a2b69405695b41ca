"""What a pool comes to as a document and as a page: medians over seeds, the promise, and who failed."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from harness import REPOSITORY
from outpace.ground.errors import DocumentInvalid
from outpace.report import pool_document, pool_page
from outpace.simulation.pool.many import Failure
from outpace.simulation.pool.played import play
from outpace.simulation.pool.scenario import read
from outpace.simulation.pool.variations import variations

OFFICE = REPOSITORY / "bench" / "scenarios" / "office.toml"
SEEDS = range(1, 6)


@pytest.fixture(scope="module")
def document():
    office = replace(read(OFFICE, [REPOSITORY / "bench" / "recordings"]), for_s=120.0)
    varied = variations(office, ["rule:shortest-expected-wait,random"])
    plays = [[play(each.scenario, seed) for seed in SEEDS] for each in varied]
    return pool_document.build(office, varied, [plays[0], [*plays[1], Failure(6, "no memory")]])


def test_it_is_valid_and_comes_back_as_it_was(document, tmp_path: Path):
    path = tmp_path / "pool-office.json"
    pool_document.write(path, document)
    assert pool_document.read(path) == document


def test_a_figure_out_of_bounds_is_refused(document, tmp_path: Path):
    first, *others = document["variations"]
    with pytest.raises(DocumentInvalid, match=r"\$.variations\[0\].away"):
        pool_document.write(tmp_path / "x.json", {**document, "variations": [{**first, "away": 1.5}, *others]})


def test_figures_are_medians_of_the_seeds_with_their_interval(document):
    for each in document["variations"]:
        for name, found in each["figures"].items():
            values = sorted(value for seed in each["seeds"] if (value := seed["figures"][name]) is not None)
            if found is None or len(values) < 5:  # so few requests have no p99
                assert found is None or name.endswith("_p99_ms")
                continue
            assert found["median"] == values[2]
            assert values[0] <= found["low"] <= found["high"] <= values[-1]


def test_the_sentence_is_of_the_best_variation_and_comes_first(document):
    shown = " ".join(pool_page.in_terminal(document).split())
    assert shown.startswith(
        "an office of ten: 10 contributors, away 15% of the time, bear 2.92 requests a second with "
    )
    assert "95 % of first tokens within 3 s under shortest-expected-wait; the coordinator is busy " in shown


def test_how_far_simulation_was_from_live_pools_stands_beside_the_answer(document):
    document = copy.deepcopy(document)
    shown, page = " ".join(pool_page.in_terminal(document).split()), pool_page.page(document)
    assert shown.index("Simulated, TTFT p95 was ") < shown.index("goodput")
    held = {(each["measured"], each["rule"]) for variation in document["variations"] for each in variation["trust"]}
    assert ("fifty reference engines that come and go", "shortest-expected-wait") in held
    for measured, rule in held:
        assert f"at the worst: {measured} under {rule}" in shown
        assert measured in page
    for variation in document["variations"]:
        variation["trust"] = []
    assert "Nothing of what is promised here has been held against live runs." in pool_page.in_terminal(document)


def test_a_row_a_variation_and_whoever_failed_is_named(document):
    kept, broken = pool_page.promised(document).rows
    assert (kept[0], kept[1]) == (("rule shortest-expected-wait",), "kept")
    assert (broken[0], broken[1]) == (("rule random",), "broken")
    assert "rule random: seed 6 came to nothing: no memory" in pool_page.in_terminal(document)
    page = pool_page.page(document)
    assert page.startswith("**an office of ten: ")
    assert page.count("\n| rule") == 4


def test_a_promise_that_some_seeds_keep_is_open():
    def gate(*verdicts: str) -> str:
        return pool_document._gate([{"verdict": each, "reason": each} for each in verdicts])["verdict"]

    assert gate("pass", "pass", "pass") == "pass"
    assert gate("pass", "pass", "fail") == "inconclusive"
    assert gate("fail", "pass", "fail") == "fail"
    assert gate("inconclusive", "inconclusive") == "inconclusive"
    assert gate() == "inconclusive"


def test_where_every_play_failed_that_is_said(document, tmp_path: Path):
    office = read(OFFICE, [REPOSITORY / "bench" / "recordings"])
    failed = pool_document.build(office, variations(office, []), [[Failure(1, "no memory")]])
    pool_document.write(tmp_path / "pool-office.json", failed)
    assert "may or may not bear what was asked" in pool_page.in_terminal(failed).replace("\n", " ")
