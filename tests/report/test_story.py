"""The story: what is told of reports, from the answer to what was not measured."""

import copy
import json
from pathlib import Path

import pytest

from harness import REPOSITORY
from outpace.ground.errors import DocumentInvalid
from outpace.judge import capacity
from outpace.report.answer import answer, cautions, question
from outpace.report.conditions import conditions, not_measured
from outpace.report.latency import split
from outpace.report.method import method
from outpace.report.story import read, tell
from outpace.report.words import joined, visible
from report_documents import attempt, holding, keep, levels, plain, report, request, run, said, swept

RECORDED = sorted(path.parent for path in (REPOSITORY / "bench" / "recordings").glob("*/report-sequential.json"))


def test_the_published_experiment_is_told():
    story = read(REPOSITORY / "reports" / "phase-0")
    assert plain(question(story)) == "Do two machines outpace local alone?"
    assert [plain(each) for each in answer(story)] == [
        "Two machines answer eight prompts 1.15 times as fast as local one after another, the published baseline.",
        "The best strategy is serial-per-side; gate < 2.0 passed.",
        "The gate failed for all-parallel.",
    ]
    assert [row.strategy for row in story.rows] == ["serial-per-side", "all-parallel"]
    local, remote = story.latencies[0].hosts
    assert local.parts["network"].median_ms == pytest.approx(24.4)
    assert remote.parts["network"].share == pytest.approx(0.036, abs=1e-3)
    assert "queue" not in remote.parts
    assert story.timelines[0].run.assumed
    assert len(story.timelines) == 1
    assert any("published experiment" in plain(each) for each in cautions(story))
    assert any("no lower bound" in plain(each) for each in not_measured(story))


def test_the_replayed_experiment_is_told():
    story = read(REPOSITORY / "bench" / "recordings" / "phase-0")
    assert plain(answer(story)[0]) == (
        "Two machines answer eight prompts 1.53 times as fast as local at its best (one after another, the published "
        "baseline)."
    )
    assert story.best.strategy == "earliest-finish"
    assert story.failures[0].kind == "spent"
    assert story.failures[0].harmless
    assert any("One" not in plain(each) and "replay" in plain(each).lower() for each in cautions(story))
    facts = {head: plain(text) for head, text in method(story.documents, story.newest)}
    assert facts["Settings"] == "at most 64 tokens an answer, temperature 0, seed 7"
    assert "all-parallel -0.00% (worst -0.00%, of 1 run)" in facts["Replay error"]


@pytest.mark.parametrize("folder", RECORDED, ids=lambda path: path.name)
def test_every_recording_is_told_with_figures_that_agree_with_its_reports(folder: Path):
    story = read(folder)
    reports = {each["strategy"]: each for each in (json.loads(path.read_text()) for path in folder.glob("report-*"))}
    assert {row.strategy for row in story.rows} == set(reports)
    for row in story.rows:
        summary = reports[row.strategy]["summary"]
        assert row.ratio.median == summary["overhead_ratio"]["median"]
        assert row.comparison.dispatch_efficiency == summary["dispatch_efficiency"]
    assert len(story.timelines) == len(story.latencies) == len(reports)
    for latency in story.latencies:
        for host in latency.hosts:
            assert sum(part.share or 0 for part in host.parts.values()) == pytest.approx(1)


def test_a_strategy_that_is_slower_is_said_to_be():
    assert said(report([1.2, 1.3, 1.25])) == (
        "Two machines answer eight prompts no faster than near one after another, the published baseline: 0.80 times "
        "as fast (rounds 0.77 to 0.83). The best strategy is serial-per-side; gate < 2.0 passed."
    )


def test_rounds_on_both_sides_of_one_leave_the_answer_open():
    assert said(report([0.9, 0.95, 1.1], bound=0.5)) == (
        "Whether two machines answer eight prompts faster than near one after another, the published baseline, cannot "
        "be told from these rounds: 1.05 times as fast (rounds 0.91 to 1.11). The best strategy is serial-per-side; "
        "gate < 2.0 passed; the best split would give 2.00 times."
    )


def test_an_interval_decides_where_there_is_one():
    assert "1.05 times as fast" in said(report([0.94, 0.95, 0.95, 0.96, 1.1], interval=(0.94, 0.97)))


def test_strategies_that_cannot_be_told_apart_are_called_a_tie():
    one, other = report([0.5, 0.6, 0.55], "pull"), report([0.52, 0.61, 0.56], "hedged")
    assert "is pull, which cannot be told from hedged; gate" in said(one, other)
    assert "cannot be told from" not in said(one, report([0.7, 0.71, 0.72], "hedged"))


def test_a_session_with_failures_says_so():
    story = tell([report([0.5, None], verdict="fail"), report([0.9, 0.9], "pull")], None)
    assert "one prompt" not in plain(answer(story)[0])
    assert "1 prompt was answered by no host under serial-per-side" in [plain(each) for each in cautions(story)][1]
    assert story.unanswered[0].error == "connect: refused"
    assert story.unanswered[0].round == 2


def test_a_session_in_which_nothing_finished_has_no_answer():
    story = tell([report([None], verdict="fail")], None)
    assert "No strategy finished a round" in plain(answer(story)[0])
    assert story.best is None
    assert [each.holds for each in conditions(story)] == [False]


def test_the_baseline_alone_is_no_comparison():
    assert said(report([1.0, 1.0], "sequential")) == (
        "Only the baseline was measured, near alone: there is nothing to compare."
    )


def test_no_rounds_at_all_can_be_told():
    assert "No strategy finished" in said(report([]))


def test_hosts_on_one_loopback_are_not_called_machines():
    document = report([0.5])
    for index, host in enumerate(document["hosts"]):
        host["url"] = f"http://127.0.0.1:{8080 + index}"
    assert said(document).startswith("Two hosts answer")


def test_a_router_is_no_host_of_its_own():
    document = report([0.5], "litellm", names=("near", "far"))
    document["hosts"].append({**document["hosts"][0], "name": "litellm"})
    assert said(document).startswith("Two machines answer")


def test_reports_of_several_sessions_are_not_compared():
    old = report([0.1], "pull", created="2025-12-31T12:00:00+00:00")
    story = tell([old, report([0.5])], None)
    assert story.best.strategy == "serial-per-side"
    assert [(row.strategy, row.ranked) for row in story.rows] == [("serial-per-side", True), ("pull", False)]
    assert any("two sessions" in plain(each) for each in cautions(story))
    assert [each.strategy for each in story.timelines] == ["serial-per-side"]


def test_a_ratio_of_nothing_is_not_ranked():
    assert "No strategy finished" in said(report([0.0]))


@pytest.mark.parametrize(
    ("told", "trip_ms", "parts"),
    [
        ({"server_ms": 90.0}, None, {"network": 10, "working": 90}),
        ({"server_ms": 90.0, "first_token_ms": 40.0}, None, {"network": 10, "prompt": 30, "generation": 60}),
        (
            {"server_ms": 90.0, "queue_ms": 20.0, "load_ms": 1.0, "first_token_ms": 40.0},
            None,
            {"network": 10, "queue": 20, "load": 1, "prompt": 9, "generation": 60},
        ),
        ({"server_ms": 60.0, "first_token_ms": 50.0}, 5.0, {"network": 5, "queue": 35, "prompt": 10, "generation": 50}),
        ({"first_token_ms": 50.0}, 5.0, {"network": 5, "prompt": 45, "generation": 50}),
        ({}, None, {"working": 100}),
        ({"server_ms": 120.0}, None, {"network": 0, "working": 100}),
        ({"queue_ms": 500.0, "first_token_ms": 40.0}, None, {"queue": 100, "prompt": 0, "generation": 0}),
    ],
)
def test_the_parts_of_a_request_are_its_wall_time(told, trip_ms, parts):
    found = split(request(0, "near", 0.0, 100.0, **told), trip_ms)
    assert found == pytest.approx(parts)
    assert sum(found.values()) == pytest.approx(100)


def test_failures_are_counted_by_host_and_kind_the_harmful_first():
    attempts = [attempt("far", "connect: refused"), attempt("near", "stale: closed"), attempt("near", "stale: closed")]
    story = tell([report([0.5, 0.6], failed_attempts=attempts)], None)
    assert [(each.host, each.kind, each.count, each.harmless) for each in story.failures] == [
        ("far", "connect", 2, False),
        ("near", "stale", 4, True),
    ]
    assert story.failures[0].meaning.startswith("No connection could be made")
    assert holding(story, "No attempt fails").holds is False
    assert sum(bar.failed is not None for bar in story.timelines[0].run.bars) == 3


def test_an_unanswered_prompt_is_drawn_once():
    document = report([None], failed_attempts=[attempt("far", "connect: refused", prompt=7)])
    assert [bar.prompt for bar in tell([document], None).timelines[0].run.bars].count(7) == 1


def test_capacities_become_conditions_of_what_the_best_strategy_had_in_flight():
    story = tell(
        [report([0.5])],
        swept(("near", levels((1, 10), (2, 5))), ("far", levels((1, 10), (4, 40))), ("gone", levels((1, 10), (2, 10)))),
    )
    assert holding(story, "near thrashes").holds is True
    assert holding(story, "far batches").holds is False
    assert holding(story, "gone queues").holds is None
    assert not any(plain(each).startswith("Capacity") for each in not_measured(story))


def test_a_network_that_takes_much_is_a_condition_that_does_not_hold():
    document = report([0.5])
    document["summary"]["hosts"]["far"]["network_share"] = 0.3
    found = holding(tell([document], None), "The network takes less")
    assert found.holds is False
    assert "30% on far" in plain(found.text)


def test_runs_of_which_nothing_is_told_are_not_drawn():
    document = report([0.5])
    for each in document["rounds"]:
        each["run"] = run("serial-per-side", ["near", "far"], None, [])
    story = tell([document], None)
    assert story.timelines == []
    assert story.latencies[0].hosts == ()


def test_a_folder_without_reports_is_refused(tmp_path):
    with pytest.raises(DocumentInvalid, match=r"no report-\*\.json"):
        read(tmp_path)


def test_an_invalid_report_is_refused_by_name(tmp_path):
    keep(tmp_path, report([0.5]) | {"extra": 1})
    with pytest.raises(DocumentInvalid, match=r"report-serial-per-side\.json"):
        read(tmp_path)


def test_a_folder_is_read_with_its_capacities(tmp_path):
    keep(tmp_path, report([0.5]))
    capacity.write(tmp_path / "capacity.json", swept(("near", levels((1, 10), (2, 5)))))
    assert [host.name for host in read(tmp_path).capacities] == ["near"]


def test_telling_changes_no_report():
    documents = [report([0.5, None]), report([0.6], "pull")]
    before = copy.deepcopy(documents)
    tell(documents, None)
    assert documents == before


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[1mbold", "\u241b[1mbold"),
        ("a\r\nb", "a\u240d\u240ab"),
        ("\x7f\x9b", "\u2421[U+009B]"),
        ("\u202eexe", "[U+202E]exe"),
        ("\ud800", "[U+D800]"),
        ("\u2028", "[U+2028]"),
        ("\U000e0041", "[U+E0041]"),
        ("é 日本 👩\u200d🔬", "é 日本 👩\u200d🔬"),
        ("x" * 601, "x" * 599 + "…"),
    ],
)
def test_what_is_hidden_is_shown(text, shown):
    assert visible(text) == shown


def test_of_many_names_the_first_are_told():
    assert plain(joined(map(str, range(64)))) == "0, 1, 2, 3, 4, 5, 6 and 57 more"
