"""Other pytest plugins: a session is measured in its own order and in one process, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import forked
from harness import PUBLISHED, ThreadedHosts, ollama, paragraph_of, run, run_pytest
from outpace.suite.other_plugins import REFUSAL, put_in_order

pytest_plugins = ["pytester"]

HOSTS, STRATEGIES = ("near", "far"), ("pull", "sequential", "router")
IN_ORDER = [
    *(f"test_capacity[{host}]" for host in ("a", "b")),
    *(f"test_strategy[{strategy}]" for strategy in ("serial-per-side", "pull", "sequential")),
    *(f"test_gate[{strategy}]" for strategy in ("serial-per-side", "pull", "sequential")),
]
TWO_HOSTS = "--hosts=a=http://127.0.0.1:1,b=http://127.0.0.1:2"
ASKED = "--strategies=serial-per-side,pull,sequential"
SHUFFLERS = {
    "at first": "@pytest.hookimpl(tryfirst=True)\ndef pytest_collection_modifyitems(items):\n    items.reverse()",
    "at last": "@pytest.hookimpl(trylast=True)\ndef pytest_collection_modifyitems(items):\n    items.reverse()",
    "behind all others": "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_collection_modifyitems(items):\n"
    "    yield\n    items.sort(key=lambda item: item.name[-4])",
}


def item(stage: str, of: str | None = None, *, last: bool = False) -> Any:
    return SimpleNamespace(
        name=f"{stage} {of}",
        fixturenames=[stage],
        callspec=SimpleNamespace(params={"host" if stage == "sweep_host" else "strategy": of}),
        get_closest_marker=lambda name: object() if last and name == "outpace_last" else None,
    )


def ours() -> list[Any]:
    return [
        *(item("sweep_host", host) for host in HOSTS),
        *(item("measurement", strategy) for strategy in STRATEGIES),
        *(item("measured", strategy, last=True) for strategy in STRATEGIES),
    ]


def names(items: Sequence[Any]) -> list[str]:
    return [each.name for each in items]


@given(st.permutations([*ours(), *(item("tmp_path", str(number)) for number in range(4))]))
def test_whatever_the_order_capacity_comes_before_strategies_and_these_before_the_gate(shuffled: list[Any]) -> None:
    items = list(shuffled)
    put_in_order(items, HOSTS, STRATEGIES)
    strangers = [("tmp_path" in each.fixturenames, each.name) for each in shuffled]
    assert names(each for each in items if "tmp_path" not in each.fixturenames) == names(ours())
    assert [(place, name) for place, (stranger, name) in enumerate(strangers) if stranger] == [
        (place, each.name) for place, each in enumerate(items) if "tmp_path" in each.fixturenames
    ]


def collected(suite: pytest.Pytester, *arguments: str) -> list[str]:
    options = ["-p", "no:cacheprovider", "--collect-only", "-q"]
    # In a process of its own: what plugins import, such as numpy, cannot be imported twice in one.
    found = run_pytest(suite, "bench", TWO_HOSTS, ASKED, *options, *arguments)
    return [line.partition("::")[2] for line in found.outlines if "::" in line]


def test_the_order_is_that_of_the_command_line(suite: pytest.Pytester) -> None:
    assert collected(suite) == IN_ORDER


@pytest.mark.parametrize("seed", [1, 2])
def test_pytest_randomly_changes_nothing(suite: pytest.Pytester, seed: int) -> None:
    assert collected(suite, f"--randomly-seed={seed}") == IN_ORDER


@pytest.mark.parametrize("how", SHUFFLERS)
def test_a_plugin_that_reorders_changes_nothing_whenever_it_does(suite: pytest.Pytester, how: str) -> None:
    (suite.path / "shuffler.py").write_text(f"import pytest\n{SHUFFLERS[how]}\n")
    assert collected(suite, "-p", "shuffler") == IN_ORDER


def test_failed_first_does_not_put_the_gate_before_what_it_judges(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        options = ["bench", hosts.option, "--rounds=1", "--strategies=sequential", "--no-pages", "-k", "not capacity"]
        run_pytest(suite, *options, "--threshold=0.01").assert_outcomes(passed=1, failed=1)
        run_pytest(suite, *options, "--threshold=1000", "--ff").assert_outcomes(passed=2)


@pytest.mark.parametrize("workers", [["-n1"], ["--dist=each", "--tx=popen"]], ids=" ".join)
def test_workers_do_not_measure_and_their_session_says_why(suite: pytest.Pytester, workers: list[str]) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        said = paragraph_of(run(suite, hosts.option, "--rounds=1", *workers, sweep=True))
        assert hosts.asked == []
    assert REFUSAL in said
    assert not (suite.path / "reports").exists()


def test_the_refusal_names_what_measures_after_all(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 2")
    assert "Add -n0" in REFUSAL
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        run(suite, hosts.option, "--rounds=1", "--strategies=sequential", "--threshold=1000", "-n0").assert_outcomes(
            passed=2
        )


def test_the_command_refuses_workers_that_the_environment_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 1")
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        done = forked.outpace("run", hosts.option, "--report-dir=here", folder=tmp_path)
        assert hosts.asked == []
    assert done.returncode == 2
    assert REFUSAL in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_what_does_not_measure_runs_in_workers(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_other="def test_one(): pass\ndef test_two(): pass")
    replay = [f"--recordings={PUBLISHED.parent}", f"--hosts=replay:{PUBLISHED}", "--strategies=sequential"]
    run_pytest(suite, "test_other.py", "bench/test_regression.py", "-n2", *replay).assert_outcomes(passed=4)
