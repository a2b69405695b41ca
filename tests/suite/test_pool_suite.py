"""bench/test_pool.py: a scenario that keeps its promise passes, one that does not fails, and hosts come first."""

from __future__ import annotations

import pytest

from harness import PUBLISHED, run_pytest
from outpace.report import pool_document

pytest_plugins = ["pytester"]

SCENARIO = """\
title = "a few"
rule = "power-of-two"
slo = "ttft:p90<{limit}"
[arrivals]
requests = "poisson:2/s"
for = "1min"
[lengths]
prompt_tokens = 60
output_tokens = 40
[[hosts]]
name = "laptop"
count = 5
tokens_per_s = 30
"""


def written(suite: pytest.Pytester, limit: str) -> str:
    path = suite.path / f"within-{limit}.toml"
    path.write_text(SCENARIO.format(limit=limit), encoding="utf-8")
    return str(path)


# What plays a pool has processes of its own, which end with an interpreter, and not with a fork.


def test_a_promise_that_is_kept_passes_and_leaves_a_report(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("bench/test_pool.py", f"--pool={written(suite, '3s')}")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["a few: 5 contributors bear * requests a second with 90 % of first*"])
    assert pool_document.read(suite.path / "reports" / "pool-within-3s.json")["variations"][0]["hosts"] == 5


def test_one_that_is_broken_fails_and_says_why(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("bench/test_pool.py", f"--pool={written(suite, '50ms')}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Broken: 90 % of first tokens within 50 ms.*"])


def test_a_scenario_that_is_not_there_is_named_without_a_traceback(suite: pytest.Pytester) -> None:
    result = run_pytest(suite, "bench/test_pool.py", "--pool=nobody")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["There is no scenario nobody; write * or one of club, friends, globe, office."])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_where_hosts_are_measured_no_pool_is_played_unasked(suite: pytest.Pytester) -> None:
    result = run_pytest(suite, "bench/", "--collect-only", "-q", f"--hosts=replay:{PUBLISHED}")
    result.stdout.no_fnmatch_line("*test_pool*")
