"""``outpace pool``: a sentence first, a document and a page; what cannot be is said with what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness import REPOSITORY
from outpace.command import cli
from outpace.report import pool_document


def test_a_shipped_scenario_is_played_by_its_name(tmp_path: Path, capsys):
    asked = ["pool", "friends", "--seeds=2", "--jobs=1", "--vary=rule:random,power-of-two", f"--report-dir={tmp_path}"]
    assert cli.main(asked) == 0
    said = capsys.readouterr()
    assert said.out.startswith("two friends: 2 contributors, away 4.5% of the time, bear 0.3")
    assert "rule power-of-two, seed 2: pass" in said.err
    document = pool_document.read(tmp_path / "pool-friends.json")
    assert [each["varied"] for each in document["variations"]] == [{"rule": "random"}, {"rule": "power-of-two"}]
    assert (tmp_path / "pool-friends.md").read_text(encoding="utf-8").startswith("**two friends: ")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ["nobody"],
            "There is no scenario nobody; write the path of a TOML file, or one of club, friends, globe, office.",
        ),
        (["nobody.toml"], "nobody.toml cannot be read"),
        (["friends", "--seeds=0"], "play it at least once"),
        (["friends", "--jobs=0"], "one at a time"),
        (["friends", "--vary=colour:red"], "cannot read 'colour:red'"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, capsys, asked, said):
    assert cli.main(["pool", *asked, f"--report-dir={tmp_path}"]) == 2
    assert said in capsys.readouterr().err


def test_a_cluster_that_is_not_installed_is_named(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert cli.main(["pool", "friends", "--on=ray", f"--report-dir={tmp_path}"]) == 2
    assert "install outpace[ray]" in capsys.readouterr().err


def test_a_play_that_comes_to_nothing_is_no_success(tmp_path: Path, capsys):
    text = (REPOSITORY / "bench" / "scenarios" / "friends.toml").read_text(encoding="utf-8")
    (tmp_path / "none.toml").write_text(text.replace('for = "30min"', 'for = "1ms"'), encoding="utf-8")
    assert cli.main(["pool", str(tmp_path / "none.toml"), "--seeds=1", "--jobs=1", f"--report-dir={tmp_path}"]) == 1
    assert "seed 1 came to nothing: No request arrives" in capsys.readouterr().out
