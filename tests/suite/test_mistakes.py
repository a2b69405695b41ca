"""Mistakes on the command line: told in one paragraph, before anything is measured."""

from __future__ import annotations

import pytest

from harness import PUBLISHED, ThreadedHosts, ollama, paragraph_of, run

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--hosts=http://127.0.0.1:1"], "one host only"),
        (["--hosts=a=http://127.0.0.1:1,b=http://127.0.0.1:1"], "twice"),
        (["--hosts=a=http://localhost:1,b=http://127.0.0.1:1"], "same endpoint"),
        (["--hosts=a=127.0.0.1:1,b=127.0.0.1:2"], "http://"),
        (["--hosts=a=http://127.0.0.1:1,b=http://8.8.8.8:1"], "--allow-public"),
        (["--hosts=a=http://127.0.0.1:1,b=http://127.0.0.1:2"], "takes no connection"),
        (["--strategies=fastest"], "no strategy 'fastest'; there are sequential, serial-per-side, all-parallel"),
        (["--strategies=,"], "names no strategy"),
        (["--gate=sequential", "--strategies=all-parallel"], "would not be measured"),
        (["--rounds=0"], "--rounds=0"),
        (["--threshold=0"], "--threshold=0"),
        (["--least-gain=0"], "--least-gain=0"),
        (["--timeout=-1"], "--timeout=-1"),
        (["--temperature=-1"], "--temperature=-1"),
        (["--prompts=missing.txt"], "missing.txt"),
        (["--protocol=grpc"], "grpc"),
        (["--hosts=replay:missing.json"], "missing.json cannot be read"),
        (["--hosts=replay:conftest.py"], "is not JSON"),
        (["--hosts=replay:"], "takes one recording"),
        ([f"--hosts=replay:{PUBLISHED}", "--max-tokens=5", "--seed=1"], "--max-tokens, --seed cannot be changed"),
        ([f"--hosts=replay:{PUBLISHED}", "--record=x.json"], "nothing new to record"),
        ([f"--hosts=replay:{PUBLISHED}", "--fault=desktop:dies@1s"], "no host is called 'desktop'"),
        (["--fault=clock:jumps(3s)"], "in a replay only"),
        (["--fault=desktop:explodes"], "The kinds are"),
        (["--redact-text"], "--record=FILE"),
    ],
)
def test_a_mistake_is_told_in_one_paragraph(suite: pytest.Pytester, arguments: list[str], said: str) -> None:
    assert said in paragraph_of(run(suite, *arguments))


def test_a_name_without_an_address_is_told(suite: pytest.Pytester) -> None:
    # A label of more than 63 letters is refused by the resolver itself: nothing is asked of any network.
    name = "x" * 64
    assert f"the name {name} has no address" in paragraph_of(
        run(suite, f"--hosts=a=http://{name}:1,http://127.0.0.1:2")
    )


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "no prompt"), (b"Caf\xe9\n", "not UTF-8"), (b"\n \n", "no prompt")]
)
def test_an_unusable_prompts_file_is_told(suite: pytest.Pytester, content: bytes, said: str) -> None:
    (suite.path / "prompts.txt").write_bytes(content)
    assert said in paragraph_of(run(suite, "--prompts=prompts.txt"))


def test_a_model_that_is_missing_is_told_with_those_there_are(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        assert "does not have the model other. It has m." in paragraph_of(run(suite, hosts.option, "--model=other"))


def test_a_baseline_that_is_no_host_is_told(suite: pytest.Pytester) -> None:
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        assert "the hosts are a, b" in paragraph_of(run(suite, hosts.option, "--baseline=c"))


def test_a_report_folder_that_cannot_be_written_is_told_before_anything_is_measured(suite: pytest.Pytester) -> None:
    (suite.path / "reports").write_text("in the way")
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        assert "--report-dir" in paragraph_of(run(suite, hosts.option))
        assert not any(asked.method == "POST" for asked in hosts.asked)


def test_a_folder_for_the_recording_that_cannot_be_written_is_told_too(suite: pytest.Pytester) -> None:
    (suite.path / "mine").write_text("in the way")
    with ThreadedHosts(ollama("m"), ollama("m")) as hosts:
        said = paragraph_of(run(suite, hosts.option, "--record=mine/r.json"))
    assert "No recording can be written to mine" in said
    assert "--record" in said
