"""``outpace rules``: each rule over one recording, the best first, and how far that can be trusted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rules_table
from harness import PUBLISHED
from outpace.command import cli
from outpace.command.rules import OURS, rank
from outpace.dispatch.strategies import RULES
from outpace.ground.records import FailedAttempt, RequestRecord, Run
from outpace.judge.evenness import busy_ms, evenness
from outpace.measure.load import Load
from outpace.report.rules import WHOSE
from outpace.workload.arrivals import arriving, parse
from recorded import recorded


@pytest.fixture(scope="module")
def told():
    recording = recorded("phase-0")
    return rank(recording, ["least-busy", "shortest-expected-wait", "random", "earliest-finish"], recording.workload)


def test_the_best_comes_first_and_a_burst_on_one_host_gains_nothing(told) -> None:
    gains = {rule.name: rule.gain.median for rule in told.rules}
    assert list(gains.values()) == sorted(gains.values(), reverse=True)
    assert told.rules[0].name == "earliest-finish"
    assert gains["least-busy"] < 1
    assert all(rule.problem is None for rule in told.rules)


def test_of_what_arrives_each_rule_tells_fairness_and_the_limit_and_the_best_host_alone_is_beside_them() -> None:
    recording = recorded("ollama-np1")
    work = arriving(recording.workload, parse("poisson:50/min"), seed=7, requests=60)
    told = rank(recording, ["round-robin", "lowest-latency"], recording.workload, Load("so", work))
    found = {rule.name: rule.load for rule in told.rules}
    assert all(each.figures.unanswered == 0 for each in found.values())
    assert 0.5 < found["lowest-latency"].evenness < found["round-robin"].evenness <= 1
    assert told.alone_load.efficiency < found["round-robin"].efficiency < 1
    assert told.alone_load.evenness is None


def test_each_round_of_chance_is_another(told) -> None:
    (chance,) = [rule for rule in told.rules if rule.name == "random"]
    assert len(set(chance.gains)) > 1
    assert chance.gain.low < chance.gain.high


def test_what_replays_were_off_is_told(told) -> None:
    assert told.off is not None
    assert 0 <= told.off[0] < 1


def test_every_rule_says_whose_it_is() -> None:
    assert set(WHOSE) == set(RULES)


def test_evenness_is_of_the_time_that_hosts_were_busy() -> None:
    def run(*spans: tuple[str, float, float]) -> Run:
        return Run("s", ("a", "b"), 9.0, tuple(RequestRecord(0, host, at, ms) for host, at, ms in spans))

    assert busy_ms(run(("a", 0, 10), ("a", 5, 10), ("b", 20, 5))) == {"a": 15, "b": 5}
    assert evenness(run(("a", 0, 10), ("b", 7, 10))) == pytest.approx(1)
    assert evenness(run(("a", 0, 10))) == pytest.approx(0.5)
    assert evenness(run()) is None
    failed = Run("s", ("a", "b"), 9.0, (), (FailedAttempt(0, "b", 0.0, 4.0, "cut: x"),))
    assert busy_ms(failed) == {"a": 0, "b": 4}


def test_evenness_that_no_run_tells_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outpace.command.rules.evenness", lambda _run: None)
    recording = recorded("phase-0")
    (rule,) = rank(recording, ["round-robin"], recording.workload).rules
    assert rule.evenness is None


def test_the_table_of_the_page_is_what_its_study_makes_now() -> None:
    told = rules_table.as_recorded(rules_table.read(rules_table.RECORDINGS[0]))
    page = rules_table.PAGE.read_text(encoding="utf-8").partition("<!-- unequal -->")[0]
    assert {rule.name for rule in told.rules} == {*RULES, *OURS.split(",")}
    for rule in told.rules:
        assert f"\n| `{rule.name}` | {rules_table.cell(told, rule.name)} |" in page


def test_the_command_tells_and_leaves_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def only(job):\n    return lambda prompt: job.hosts[0]\n")
    asked = ["rules", str(PUBLISHED), "--strategies=mine.py:only,round-robin", "--report-dir=out"]
    assert cli.main([*asked, "--arrivals=constant:1/min", "--requests=30", "--slo=e2e:p90<60s"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("On these machines ")
    assert "Arrivals constant:1/min, requests=30:" in said
    assert "only" in said
    assert "Replays of this recording were off" in said
    assert "<svg" in (tmp_path / "out" / "rules.html").read_text()
    assert "| round-robin |" in (tmp_path / "out" / "rules.md").read_text()


def test_what_rate_each_bears_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = str(PUBLISHED.with_name("ollama-np1.json"))
    asked = ["rules", recording, "--strategies=round-robin,lowest-latency,pull", f"--report-dir={tmp_path}"]
    assert cli.main([*asked, "--rate=find", "--slo=e2e:p95<5s", "--requests=60"]) == 0
    said = capsys.readouterr().out
    first = " ".join(said.partition("\n\n")[0].split())
    best, worst = r"round-robin \(nginx, GPUStack\)", r"lowest-latency \(LiteLLM's latency-based\)"
    found = re.fullmatch(
        rf"On these machines (?:{best}|pull) bears ([0-9.]+) requests a minute with 95 % of answers within 5 s, "
        rf"(?:{best}|pull) ([0-9.]+), {worst} ([0-9.]+), laptop alone ([0-9.]+)\.",
        first,
    )
    assert found is not None, first
    highest, next_one, low, _ = map(float, found.groups())
    assert highest >= next_one > 1.5 * low
    assert "| rule | whose | requests a minute | rate gain |" in (tmp_path / "rules.md").read_text()
    assert "What rate they bear" in (tmp_path / "rules.html").read_text()


def test_a_rate_is_searched_for_of_none_that_did_not_finish(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "losing.py").write_text("async def losing(job):\n    await job.send(job.hosts[0], job.prompts[0])\n")
    asked = ["rules", str(PUBLISHED), "--strategies=losing.py:losing,round-robin", "--report-dir=out"]
    assert cli.main([*asked, "--rate=find", "--slo=e2e:p95<5s", "--requests=20"]) == 0
    said = capsys.readouterr().out.partition("A rate gain")[0]
    assert "round-robin" in said
    assert "losing" not in said


def test_one_that_loses_prompts_is_named_and_is_not_the_best(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lossy.py").write_text("async def lossy(job):\n    await job.send(job.hosts[0], job.prompts[0])\n")
    assert cli.main(["rules", str(PUBLISHED), "--strategies=lossy.py:lossy,round-robin", "--report-dir=out"]) == 0
    said = capsys.readouterr().out
    assert "lossy.py, line 1: it forgot 7 of 8 prompts (1, 2, 3, 4, 5, 6, 7)" in " ".join(said.split())
    assert "A tie" not in said
