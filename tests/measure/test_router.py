"""A router put under test: one more strategy, with the same rounds, baseline and gate as the others."""

from __future__ import annotations

import json

import pytest

from harness import ThreadedHosts, ollama, paragraph_of, run

pytest_plugins = ["pytester"]


def options(hosts: ThreadedHosts, *names: str) -> list[str]:
    """The first two hosts as hosts, the others as routers with these names."""
    named = hosts.option.removeprefix("--hosts=").split(",")
    urls = [each.partition("=")[2] for each in named[2:]]
    routers = [f"--router={name}={url}" for name, url in zip(names, urls, strict=True)]
    return [f"--hosts={','.join(named[:2])}", *routers]


def test_a_router_is_measured_like_a_strategy(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m"), ollama("m", pause_s=0.2)) as hosts:
        chosen = ["--strategies=serial-per-side", "--rounds=5", "--threshold=100", "-k", "not capacity"]
        result = run(suite, *options(hosts, "front"), *chosen)
        result.assert_outcomes(passed=4)
        asked = [each for each in hosts.asked if each.host == "c" and each.is_whole_answer]
    report = json.loads((suite.path / "reports" / "report-front.json").read_text())
    assert report["strategy"] == "front"
    assert [host["name"] for host in report["hosts"]][2:] == ["front"]
    assert len(report["rounds"]) == 5
    for each in report["rounds"]:
        assert {request["host"] for request in each["run"]["requests"]} == {"front"}
        assert {request["host"] for request in each["baseline"]["requests"]} <= {"a", "b"}
        assert each["run"]["lower_bound_ms"] <= each["run"]["makespan_ms"]
        requests = each["run"]["requests"]
        first_end_ms = min(request["start_ms"] + request["wall_ms"] for request in requests)
        assert max(request["start_ms"] for request in requests) < first_end_ms, "it is given all prompts at once"
    assert report["summary"]["overhead_ratio"]["confidence"] == 0.9375  # all that five rounds can hold
    assert report["gate"]["verdict"] in ("pass", "fail", "inconclusive")
    assert len(asked) >= 5 * 8
    assert "serial-per-side" in result.stdout.str()


def test_a_router_may_be_the_only_one_whose_gate_counts(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m", pause_s=0.002), ollama("m", pause_s=0.002), ollama("m", pause_s=0.2)) as hosts:
        chosen = ["--strategies=sequential", "--rounds=1", "--gate=front", "--threshold=1.5", "-k", "gate or strategy"]
        result = run(suite, *options(hosts, "front"), *chosen)
    result.stdout.fnmatch_lines(["*FAILED bench/test_gate.py::test_gate*front*"])


@pytest.mark.parametrize(
    ("name", "said"), [("pull", "the name is taken already"), ("front", "the name is taken already")]
)
def test_its_name_is_its_own(suite: pytest.Pytester, name: str, said: str) -> None:
    with ThreadedHosts(ollama("m"), ollama("m"), ollama("m"), ollama("m")) as hosts:
        assert said in paragraph_of(run(suite, *options(hosts, "front", name)))


@pytest.mark.parametrize("router", ["http://127.0.0.1:4000", "front=127.0.0.1:4000", "front=http://x:1/?key=secret"])
def test_it_is_named_with_a_url(suite: pytest.Pytester, router: str) -> None:
    said = paragraph_of(run(suite, f"--router={router}"))
    assert "--router: " in said
    assert "secret" not in said


def test_it_is_no_host(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        url = hosts.option.rpartition("=")[2]
        assert "same endpoint" in paragraph_of(run(suite, hosts.option, f"--router=front={url}"))


def test_it_stays_in_the_private_network(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        assert "--allow-public" in paragraph_of(run(suite, hosts.option, "--router=front=http://8.8.8.8:1"))


def test_one_that_offers_only_other_models_is_told(suite: pytest.Pytester) -> None:
    class TwoModels(ollama("x")):  # type: ignore[misc]
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            tags = {"models": [{"name": "x"}, {"name": "y"}]}
            self._say(200, tags if self.path == "/api/tags" else {"version": "0.9.1"})

    with ThreadedHosts(ollama("m"), ollama("m"), TwoModels) as hosts:
        said = paragraph_of(run(suite, *options(hosts, "front")))
    assert "Router front does not offer the model m" in said
    assert "x, y" in said


def test_one_with_a_single_other_model_is_asked_for_that(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m"), ollama("alias")) as hosts:
        chosen = ["--strategies=sequential", "--rounds=1", "-k", "strategy"]
        run(suite, *options(hosts, "front"), *chosen).assert_outcomes(passed=2)
        assert {each.body["model"] for each in hosts.asked if each.host == "c" and each.body} == {"alias"}


def test_a_recording_holds_none(suite: pytest.Pytester) -> None:
    (suite.path / "x.json").write_text("{}")
    assert "x.json" in paragraph_of(run(suite, "--hosts=replay:x.json", "--router=front=http://127.0.0.1:1"))
