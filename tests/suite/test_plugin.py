"""The command line as a user meets it: options, errors in one paragraph, rounds, reports, gate, summary."""

from __future__ import annotations

import json
import shutil

import pytest

from harness import PUBLISHED, REPOSITORY, ThreadedHosts, ollama, paragraph_of, report, run, run_pytest
from outpace.judge import capacity
from outpace.workload.prompts import DEFAULT_PROMPTS

pytest_plugins = ["pytester"]

# Answers of milliseconds: where the gate is not what is tested, a pause of the machine must not decide.
LENIENT = "--threshold=1000"


def test_help_lists_the_options_in_a_group(suite: pytest.Pytester) -> None:
    text = run(suite, "--help").stdout.str()
    _, _, group = text.partition("outpace: do these machines")
    for option in ("--hosts", "--strategies", "--rounds", "--model", "--protocol", "--prompts", "--max-tokens"):
        assert option in group
    for option in (
        "--temperature",
        "--seed",
        "--threshold",
        "--least-gain",
        "--gate",
        "--baseline",
        "--report-dir",
        "--timeout",
    ):
        assert option in group
    assert "--allow-public" in group
    assert "--keep-answers" in group


def test_a_plain_run_measures_gates_and_reports(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m", pause_s=0.02), ollama("m", pause_s=0.03)) as hosts:
        result = run(suite, hosts.option, LENIENT, "--rounds=5", "--keep-answers", "--benchmark-json=out.json")
    assert result.ret == 0, result.stdout.str()
    result.assert_outcomes(passed=6)
    for strategy in ("sequential", "serial-per-side", "all-parallel"):
        found = report(suite, strategy)
        assert len(found["rounds"]) == 5
        assert found["gate"]["verdict"] == "pass"
        assert found["source"] == "live"
        assert [each["baseline"]["hosts"] for each in found["rounds"]] == [["a"]] * 5
        result.stdout.fnmatch_lines([f"{strategy} * to * to * 5  pass"])
    answers = (suite.path / "reports" / "answers-serial-per-side.txt").read_text()
    assert answers == "\n\n".join(f"answer to {text}" for text in DEFAULT_PROMPTS) + "\n"
    benchmarks = json.loads((suite.path / "out.json").read_text())["benchmarks"]
    timed = {each["params"]["strategy"]: each for each in benchmarks}
    makespans = [each["run"]["makespan_ms"] for each in report(suite, "all-parallel")["rounds"]]
    assert timed["all-parallel"]["stats"]["rounds"] == 5
    assert timed["all-parallel"]["stats"]["min"] * 1000 >= min(makespans)
    assert timed["all-parallel"]["extra_info"]["overhead_ratio"] > 0


def test_each_round_has_one_run_over_all_hosts_and_one_host_has_its_other_runs_to_itself(
    suite: pytest.Pytester,
) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        run(suite, hosts.option, "--rounds=3", "--strategies=serial-per-side", "--baseline=a")
        whose = ["b" if asked.host == "b" else "a" for asked in hosts.asked if asked.is_whole_answer]
    whole = "".join(whose)[6:]  # behind the three prompts that each host is timed with
    runs = ["".join(sorted(set(whole[index : index + 8]))) for index in range(0, len(whole), 8)]
    assert len(whole) % 8 == 0
    assert runs.count("ab") == 3
    assert runs.count("a") >= 3  # the baseline's; more are of the best alone, and of how it was found
    assert runs[0] == "a"


def test_the_gate_fails_with_strategy_ratio_and_threshold(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        result = run(suite, hosts.option, "--rounds=2", "--strategies=sequential", "--threshold=0.01")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [r".*sequential: overhead ratio \d\.\d+, from .* over 2 rounds .*threshold 0\.01: not"]
    )


def test_all_parallel_breaks_the_gate_only_where_it_is_enforced(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        options = (hosts.option, "--rounds=1", "--strategies=all-parallel", "--threshold=0.01")
        run(suite, *options).assert_outcomes(passed=1, xfailed=1)
        run(suite, *options, "--gate=all-parallel").assert_outcomes(passed=1, failed=1)


def test_a_gate_with_nothing_measured_fails(suite: pytest.Pytester) -> None:
    result = run(suite, "-k", "test_gate and serial")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*serial-per-side was not measured in this session*"])


def test_a_strategy_is_chosen_by_k_and_compared_with_an_earlier_run(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        options = (hosts.option, LENIENT, "--rounds=2", "-k", "serial")
        run(suite, *options, "--benchmark-autosave").assert_outcomes(passed=2)
        again = run(suite, *options, "--benchmark-compare")
    again.assert_outcomes(passed=2)
    again.stdout.fnmatch_lines(["*test_strategy?serial-per-side? (0001_*"])


def test_a_run_that_is_not_timed_is_measured_all_the_same(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        options = (hosts.option, LENIENT, "--strategies=serial-per-side")
        run(suite, *options, "--benchmark-disable").assert_outcomes(passed=2)
    assert len(report(suite, "serial-per-side")["rounds"]) == 1


def test_prompts_that_no_host_answers_fail_strategy_and_gate_and_are_reported(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m", refuses="remote work"), ollama("m", refuses="remote work")) as hosts:
        result = run(suite, hosts.option, "--rounds=3", "--strategies=serial-per-side")
    result.assert_outcomes(failed=2)
    assert "Traceback" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*did not finish: in round 1*prompt 4: refused: * refused the request (status 400)*"])
    found = report(suite, "serial-per-side")
    assert found["rounds"][0]["overhead_ratio"] is None
    assert found["rounds"][0]["run"]["requests"][4]["error"].startswith("refused: ")
    assert found["gate"]["verdict"] == "fail"
    assert [request["error"] for request in found["rounds"][0]["run"]["requests"]].count(None) == 7


def test_secrets_are_in_no_report(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPACE_TOKEN_A", "hush-hush")
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        result = run(suite, hosts.option, "--rounds=1", "--strategies=serial-per-side", "--benchmark-json=out.json")
        assert {asked.headers.get("authorization") for asked in hosts.asked} == {"Bearer hush-hush", None}
    written = [path for path in suite.path.rglob("*") if path.is_file()]
    assert len(written) > 3
    assert not any(b"hush-hush" in path.read_bytes() for path in written)
    assert "hush-hush" not in result.stdout.str()


def test_the_summary_fits_80_columns(suite: pytest.Pytester) -> None:
    name = "a-model-with-a-very-long-name-" * 4
    with ThreadedHosts(ollama(name), ollama(name)) as hosts:
        result = run(suite, hosts.option, "--rounds=1")
    _, _, summary = result.stdout.str().partition("= outpace =")
    lines = summary.partition("reports: ")[0].splitlines()[1:]
    assert len(lines) > 8
    assert max(map(len, lines)) <= 80


@pytest.mark.quiet
def test_what_concurrency_does_to_hosts_is_kept_and_known_to_strategies(suite: pytest.Pytester) -> None:
    def several_at_once() -> bool:
        """Whether two hosts got a third prompt before the first answer was there."""
        requests = report(suite, "pull")["rounds"][0]["run"]["requests"]
        first_end_ms = min(each["start_ms"] + each["wall_ms"] for each in requests)
        return sorted(each["start_ms"] for each in requests)[2] < first_end_ms

    with ThreadedHosts(ollama("m", pause_s=0.03), ollama("m", pause_s=0.03)) as hosts:
        options = [hosts.option, "--rounds=1", "--strategies=pull"]
        result = run(suite, *options, "-k", "capacity or strategy", sweep=True)
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines(["a batches, limit *", "b batches, limit *"])
        kept = capacity.from_document(capacity.read(suite.path / "reports" / "capacity.json"))
        assert {host.name for host in kept} == {"a", "b"}
        assert all(host.capacity.limit > 1 for host in kept)
        assert several_at_once(), "hosts that batch get several at once"
        shutil.copy(suite.path / "reports" / "capacity.json", suite.path / "kept.json")
        run(suite, *options, "-k", "strategy", "--capacity=kept.json").assert_outcomes(passed=1)
        assert several_at_once(), "a later session is told of it"
        run(suite, *options, "-k", "strategy").assert_outcomes(passed=1)
        assert not several_at_once(), "hosts of which nothing is known get one at a time"


@pytest.mark.parametrize("limits", ["0", "many", "-1", "1e3", "99999"])
def test_a_limit_that_is_none_is_told(suite: pytest.Pytester, limits: str) -> None:
    assert "write sweep, adaptive, or a number" in paragraph_of(run(suite, f"--limits={limits}"))


def test_pages_for_people_lie_beside_the_reports(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = suite.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    options = [f"--hosts=replay:{PUBLISHED}", "--strategies=serial-per-side", "--junitxml=junit.xml"]
    run_pytest(suite, "bench", *options, "-k", "not regression").assert_outcomes(passed=4)
    page = (suite.path / "reports" / "report.html").read_text()
    result = (suite.path / "reports" / "RESULT.md").read_text()
    assert "<script" not in page
    assert "--strategies=serial-per-side" in result.rpartition("Run it again")[2]
    assert summary.read_text().strip() == result.strip()
    against, ratio = json.loads((suite.path / "reports" / "benchmark-action.json").read_text())
    assert (against["name"], ratio["name"]) == (
        "time against the best alone, serial-per-side",
        "overhead ratio, serial-per-side",
    )
    for figure in (against, ratio):  # the published host is at its best one at a time: both say the same
        assert figure["unit"] == "ratio"
        assert figure["value"] == pytest.approx(0.866, abs=1e-3)
    properties = (suite.path / "junit.xml").read_text()
    assert '<property name="verdict" value="pass"' in properties
    assert '<property name="set_gain" value="1.15' in properties
    assert '<property name="best_alone" value="local, 1 in flight"' in properties


def test_the_set_gain_leads_and_has_a_gate_where_one_is_asked_for(suite: pytest.Pytester) -> None:
    batching = REPOSITORY / "bench" / "recordings" / "vllm.json"
    options = [f"--hosts=replay:{batching}", "--strategies=serial-per-side,all-parallel", "-k", "not regression"]
    unasked = run(suite, *options)
    unasked.assert_outcomes(passed=4)
    said = unasked.stdout.str().partition("= outpace =")[2]
    words = " ".join(said.split())
    assert words.partition(" laptop (baseline)")[0].endswith(
        "Two hosts answer eight prompts 1.49 times as fast as laptop at its best (eight at once; rounds 1.36 to 1.49), "
        "and 5.23 times as fast as laptop one after another, the published baseline. The set outpaces laptop, under "
        "all-parallel."
    )
    assert "Best: all-parallel" in words
    assert "--least-gain=1 would have passed all-parallel; failed serial-per-side." in words
    assert "best alone: laptop with 8 in flight, forecast from the host model" in words
    asked = run(suite, *options, "--least-gain=1", "--gate=serial-per-side,all-parallel")
    asked.assert_outcomes(passed=3, failed=1)
    assert "would have" not in asked.stdout.str()
    assert "serial-per-side: set gain 0.521, from 0.500 to 0.555 over 3 rounds" in " ".join(asked.stdout.str().split())
    gate = report(suite, "serial-per-side")["gate"]
    assert (gate["verdict"], gate["least_gain"]) == ("fail", 1.0)
    (line,) = [line for line in run(suite, *options, "-q").outlines if line.startswith("outpace: set gain")]
    assert line == "outpace: set gain 1.490, ratio 0.191 under all-parallel; gate passed"


def test_the_terminal_tells_that_the_best_was_chosen(suite: pytest.Pytester) -> None:
    hosts = f"--hosts=replay:{REPOSITORY / 'bench' / 'recordings' / 'vllm.json'}"
    strategies = ["--strategies=serial-per-side,all-parallel", "--rounds=5", "-k", "strategy"]
    words = " ".join(run(suite, hosts, *strategies).stdout.str().split())
    assert "The set outpaces laptop, under all-parallel. Chosen as the best of two, its interval is wider" in words


def test_a_model_name_that_would_command_the_terminal_harms_neither_it_nor_the_pages(suite: pytest.Pytester) -> None:
    hostile = "m\x1b[31m\x1b]0;title\x07\u202e<script>alert(1)</script>|*_`"
    with ThreadedHosts(ollama(hostile), ollama(hostile)) as hosts:
        options = [hosts.option, "--strategies=sequential", "--rounds=1", "-k", "strategy", "--color=yes"]
        result = run_pytest(suite, "bench", "-p", "no:cacheprovider", *options)
    result.assert_outcomes(passed=1)
    said = result.stdout.str()
    for command in ("\x1b[31mm", "\x1b]0;", "\x07", "\u202e"):
        assert command not in said
    assert "<script>alert(1)" in said
    page = (suite.path / "reports" / "report.html").read_text()
    assert "<script" not in page
    for text in (page, (suite.path / "reports" / "RESULT.md").read_text()):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
