"""The documentation: every command in it is one that works, every picture is there, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

import forked
from harness import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SHELL = re.compile(r"^( *)```sh\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def commands() -> list[str]:
    """The commands in the pages' shell blocks, each once, without comments and continued lines joined."""
    found = []
    for page in PAGES:
        for _, block in SHELL.findall(page.read_text(encoding="utf-8")):
            lines = block.replace("\\\n", " ").splitlines()
            found += [shlex.join(shlex.split(line, comments=True)) for line in lines]
    return sorted({line for line in found if line})


RUNS = [line for line in commands() if line.startswith(("outpace run", "pytest bench/"))]
LOADS = [line for line in commands() if line.startswith("outpace load")]
OTHERS = [line for line in commands() if line not in (*RUNS, *LOADS)]


def test_there_are_commands_to_test() -> None:
    assert len(RUNS) > 10


@pytest.mark.parametrize("command", RUNS)
def test_a_run_in_the_pages_is_one_that_can_be_asked_for(command: str, tmp_path: Path) -> None:
    """Its options are read and its tests collected, without any host being spoken to."""
    (tmp_path / "prompts.txt").write_text("Why is the sky blue?")
    asked = [part.replace("prompts.txt", str(tmp_path / "prompts.txt")) for part in shlex.split(command)[2:]]
    options = ["bench/", "--collect-only", "-q", "-p", "no:cacheprovider", *asked]
    done = forked.pytest(*options, folder=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_strategy[" in done.stdout or "test_regression" in command


@pytest.mark.parametrize("command", LOADS)
def test_a_load_in_the_pages_is_one_that_can_be_asked_for(command: str) -> None:
    done = forked.pytest(
        "bench/", "--collect-only", "-q", "-p", "no:cacheprovider", *shlex.split(command)[2:], folder=REPOSITORY
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("test_rate[pull]" in done.stdout) == ("--rate=find" in command)
    assert ("test_load[pull]" in done.stdout) == ("--arrivals=" in command)


@pytest.mark.parametrize("command", OTHERS)
def test_any_other_command_in_the_pages_is_run_elsewhere(command: str) -> None:
    """By CI, which calls the README's two, or by the tests of the command line."""
    ours = r"outpace (doctor --hosts=|compare bench/recordings/vllm |what-if bench/recordings/embedded.json )"
    mesh = r"umask 077$|wg |wireguard-go |ip (address|link) "  # tox -e mesh makes its own mesh by these
    rule = r"pytest -p outpace.plugin examples/test_stickiest.py|outpace rules bench/recordings/"
    pool = r"outpace pool (club|mine.toml|globe)|ray start --head$"  # tox -e ray has the latter
    elsewhere = rf"{mesh}|{rule}|{pool}|printf |python3 -m venv \.tools |tox -e gate$|{ours}"
    assert re.match(elsewhere, command), f"no test runs {command}"


def test_a_replay_in_the_pages_runs(tmp_path: Path) -> None:
    (command,) = [line for line in RUNS if "--fault=" in line and "replay:" in line]
    options = [*shlex.split(command)[1:], f"--report-dir={tmp_path}", "--no-pages"]
    done = forked.outpace(*options, folder=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attempts failed" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} names {target}"


def test_the_rooms_are_those_of_the_import_contract_and_each_has_its_tests() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    _, *rooms = contracts["contracts"][0]["layers"]
    page = (REPOSITORY / "docs" / "design.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE) == rooms
    assert set(rooms) <= {path.name for path in (REPOSITORY / "tests").iterdir()}


def test_whatever_tests_share_is_named_where_one_looks_for_it() -> None:
    helpers = REPOSITORY / "tests" / "helpers"
    page = (helpers / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in helpers.glob("*.py")} | {f"{path.parent.name}/" for path in helpers.glob("*/*.py")}
    assert {name for name in there if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_what_a_workflow_runs_is_what_the_pages_say(name: str) -> None:
    text = (REPOSITORY / "docs" / "examples" / name).read_text(encoding="utf-8")
    ran = re.findall(r"(?:- run: |    - )((?:tox|outpace) .*)", text)
    assert [line.split()[:2] for line in ran] == [["tox", "-e"], ["outpace", "run"]]
    gate, live = (line.replace("$HOSTS", "embedded") for line in ran)
    for asked in (
        ["bench/test_regression.py", *shlex.split(gate.partition(" -- ")[2])],
        ["bench/", *shlex.split(live)[2:]],
    ):
        done = forked.pytest("--collect-only", "-q", "-p", "no:cacheprovider", *asked, folder=REPOSITORY)
        assert done.returncode == 0, done.stdout + done.stderr
    (REPOSITORY / "gate.xml").unlink(missing_ok=True)
    (REPOSITORY / "live.xml").unlink(missing_ok=True)
