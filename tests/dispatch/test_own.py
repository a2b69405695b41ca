"""Strategies of users' own: found, held to the law, and named with file and line where they do wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from outpace.dispatch import Job, Outcome, find_strategy
from outpace.dispatch.strategies import adopted, registry, steps
from outpace.dispatch.strategies.own import as_strategy
from outpace.ground.errors import StrategyUnknown, UsageError
from outpace.suite.law import LawBroken, hold
from virtual import NumberEngine, coordinate

MINE = """\
def first(job):
    return lambda prompt: job.hosts[0]

async def both(job):
    for prompt in job.prompts:
        await job.send(job.hosts[prompt.index % 2], prompt)

def too_many(job, prompt):
    return job.hosts[0]

number = 7
"""


@pytest.fixture(autouse=True)
def nothing_is_adopted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_adopted", {})
    yield
    for name in [name for name in sys.modules if name.startswith("outpace_own_")]:
        del sys.modules[name]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def run(strategy: object, hosts: int = 2, **how: object) -> Outcome:
    engines = [NumberEngine(name) for name in "abc"[:hosts]]
    outcome, _ = coordinate(engines, as_strategy(strategy, "test"), **how)  # type: ignore[arg-type]
    return outcome


def all_are_answered(outcome: Outcome) -> str:
    """And one thing was wrong with the strategy: gives what."""
    assert not outcome.run.failed
    assert all(outcome.answers)
    (said,) = outcome.faults
    return said


@pytest.mark.parametrize(("name", "hosts"), [("first", "aaaa"), ("both", "abab")])
def test_a_rule_or_a_coroutine_out_of_a_file_has_its_short_name(here: Path, name: str, hosts: str) -> None:
    assert adopted(f"mine.py:{name}", "--strategies") == name
    outcome, _ = coordinate([NumberEngine("a"), NumberEngine("b")], name, prompts=4)
    assert [request.host for request in outcome.run.requests] == list(hosts)
    assert not outcome.faults


def test_a_module_is_taken_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(here)
    assert adopted("mine:first", "--strategies") == "first"
    sys.modules.pop("mine")


def test_an_installed_package_brings_its_own_by_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = here / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[outpace.strategies]\ntheir-first = mine:first\n")
    monkeypatch.syspath_prepend(here)
    assert adopted("their-first", "--strategies") == "their-first"
    with pytest.raises(StrategyUnknown, match="their-first"):
        find_strategy("their-second")
    sys.modules.pop("mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("none.py:first", "there is no file none.py"),
        ("mine.py:second", r"mine.py has no second; it has first, both, too_many"),
        ("mine.py:", "mine.py has no name after the colon"),
        ("mine.py:number", "a strategy is async def"),
        ("mine.py:too_many", "a strategy is async def"),
        ("mine_too:first", "Python finds no module mine_too. A file is named with its ending, as mine_too.py:first"),
        ("broken.py:first", "broken.py, line 2: ZeroDivisionError: division by zero"),
        ("unread.py:first", "unread.py, line 1: SyntaxError"),
    ],
)
def test_what_cannot_be_had_is_told(here: Path, text: str, said: str) -> None:
    (here / "broken.py").write_text("\n1 / 0\n")
    (here / "unread.py").write_text("def first(:\n")
    with pytest.raises(UsageError, match=said):
        adopted(text, "--strategies")


def test_a_name_is_taken_once(here: Path) -> None:
    (here / "pull.py").write_text("def pull(job): ...\n")
    (here / "other.py").write_text(MINE)
    with pytest.raises(UsageError, match="the name pull is taken already"):
        adopted("pull.py:pull", "--strategies")
    assert adopted("mine.py:first", "--strategies") == adopted("mine.py:first", "--strategies")
    with pytest.raises(UsageError, match="the name first is taken already"):
        adopted("other.py:first", "--strategies")


def test_one_that_forgets_prompts_is_named_and_they_are_sent_all_the_same() -> None:
    async def forgetful(job: Job) -> None:
        for prompt in job.prompts[::2]:
            await job.send(job.hosts[0], prompt)

    said = all_are_answered(run(forgetful))
    assert "test_own.py, line " in said
    assert "it forgot 4 of 8 prompts (1, 3, 5, 7)" in said


def test_one_that_leaves_before_prompts_come_has_forgotten_them_unless_it_said_who_gets_them() -> None:
    async def hasty(job: Job) -> None:
        job.start(job.hosts[0], job.prompts[0])

    async def foresighted(job: Job) -> None:
        for prompt in job.prompts:
            job.start(job.hosts[0], prompt)

    assert "forgot 2 of 3 prompts (1, 2)" in all_are_answered(run(hasty, due_s=[1.0, 2.0, 3.0]))
    assert not run(foresighted, due_s=[1.0, 2.0, 3.0]).faults


def test_one_that_raises_is_named_with_its_line_and_what_it_had_not_sent_is_sent() -> None:
    def raises(job: Job):
        def choose(prompt):
            return job.hosts[0 if prompt.index < 3 else 1 // 0]

        return choose

    line = raises.__code__.co_firstlineno + 2
    assert f"test_own.py, line {line}: ZeroDivisionError: " in all_are_answered(
        run(raises, due_s=[0.1 * n for n in range(9)])
    )


def test_one_whose_task_raises_is_named_with_that_line() -> None:
    async def in_a_task(job: Job) -> None:
        async def fails() -> None:
            raise KeyError("of its own")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(job.send, job.hosts[0], job.prompts[0])
            tasks.start_soon(fails)

    line = in_a_task.__code__.co_firstlineno + 2
    assert f"line {line}: KeyError: 'of its own'" in all_are_answered(run(in_a_task))


def test_a_rule_that_names_no_host_is_told_what_hosts_there_are() -> None:
    def nobody(_job: Job):
        return lambda prompt: None

    assert "gave None for prompt 0; the hosts are a, b" in all_are_answered(run(nobody))


def test_a_rule_that_gives_no_function_is_told_what_a_rule_is() -> None:
    assert "no function of a prompt" in all_are_answered(run(lambda job: job.hosts[0]))


def test_one_that_waits_for_ever_is_named_with_the_line_at_which_it_waits() -> None:
    async def waits(job: Job) -> None:
        await job.send(job.hosts[0], job.prompts[0])
        await anyio.Event().wait()

    said = all_are_answered(run(waits, timeout_s=30))
    assert f"line {waits.__code__.co_firstlineno + 2}: it sent nothing for 30 s while 7 prompts waited" in said


def test_one_that_does_no_more_but_is_waited_for_by_nobody_is_let_be() -> None:
    async def lingers(job: Job) -> None:
        for prompt in job.prompts:
            job.start(job.hosts[0], prompt)
        await anyio.Event().wait()

    assert not run(lingers).faults


def test_one_that_never_gives_way_is_stopped_at_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LONGEST_STEP_S", 0.2)

    def spins(_job: Job):
        def choose(_prompt):
            while True:
                pass

        return choose

    said = all_are_answered(run(spins))
    assert "it goes on and on" in said
    line = spins.__code__.co_firstlineno
    assert any(f"test_own.py, line {at}:" in said for at in (line + 2, line + 3))


def test_one_that_gives_way_for_ever_is_stopped_though_no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "MOST_STEPS", 1000)

    async def idles(_job: Job) -> None:
        while True:
            await checkpoint()

    assert "it goes on and on" in all_are_answered(run(idles))


def test_the_law_names_what_a_strategy_does_wrong_and_the_schedule() -> None:
    def shy(job: Job):
        def choose(prompt):
            if job.in_flight[job.hosts[0]] > 2:
                raise RuntimeError("too busy for me")
            return job.hosts[0]

        return choose

    def fine(job: Job):
        return lambda prompt: job.hosts[prompt.index % len(job.hosts)]

    hold(fine, schedules=20)
    with pytest.raises(LawBroken, match=r"RuntimeError: too busy for me(.|\n)*The schedule: \d+ prompts"):
        hold(shy, schedules=60)
