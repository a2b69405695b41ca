"""What if, as hosts of the suite: ``--hosts=replay:FILE,add=desktop*2``."""

from __future__ import annotations

import pytest

from harness import REPOSITORY, paragraph_of, run
from outpace.command.cli import main
from outpace.command.what_if import what_if
from outpace.ground.errors import UsageError
from outpace.ground.hosts import ReplayHosts, parse
from outpace.recording import har
from outpace.report import document
from outpace.simulation.altered_recording import parse_alteration

pytest_plugins = ["pytester"]

RECORDING = REPOSITORY / "bench" / "recordings" / "ollama-np1.json"


def test_changes_stand_behind_the_file() -> None:
    assert parse(["replay:a.json,add=b*3,rtt=b:5ms"]) == ReplayHosts(
        parse(["replay:a.json"]).path, ("add=b*3", "rtt=b:5ms")
    )
    with pytest.raises(UsageError, match="takes one recording"):
        parse(["replay:,add=b"])


def test_the_suite_measures_gates_and_says_that_it_is_foretold(suite: pytest.Pytester) -> None:
    options = [f"--hosts=replay:{RECORDING},add=desktop*2", "--strategies=pull", "-k", "test_strategy or test_gate"]
    run(suite, *options).assert_outcomes(passed=2)
    found = document.read(suite.path / "reports" / "report-pull.json")
    assert [host["name"] for host in found["hosts"]] == ["laptop", "desktop", "desktop-2", "desktop-3"]
    assert any(note.startswith("What if, with desktop-2 to desktop-3: foretold") for note in found["summary"]["notes"])
    caution = "> What if, with desktop-2 to desktop-3: foretold by a replay, not measured"
    assert main(["report", str(suite.path / "reports")]) == 0
    assert caution in (suite.path / "reports" / "RESULT.md").read_text()
    (foretold,) = what_if(har.read(RECORDING), [parse_alteration("add=desktop*2")], ["pull"])
    assert found["summary"]["overhead_ratio"]["median"] == pytest.approx(foretold.after.overhead_ratio, rel=0.02)


def test_what_is_replayed_as_it_was_says_nothing_of_it(suite: pytest.Pytester) -> None:
    run(suite, f"--hosts=replay:{RECORDING}", "--strategies=pull", "-k", "test_strategy").assert_outcomes(passed=1)
    notes = document.read(suite.path / "reports" / "report-pull.json")["summary"]["notes"]
    assert not any("What if" in note for note in notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [("add=nobody", "the hosts are laptop, desktop"), ("more", "cannot read 'more'"), ("", "cannot read ''")],
)
def test_a_change_that_cannot_be_made_is_told(suite: pytest.Pytester, change: str, said: str) -> None:
    assert said in paragraph_of(run(suite, f"--hosts=replay:{RECORDING},{change}"))
