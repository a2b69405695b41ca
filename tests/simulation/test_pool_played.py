"""A scenario played: the same by the same seed wherever it is, nothing lost, and what failed is named."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from test_pool_scenario import TEXT, scenario

from outpace.ground.errors import UsageError
from outpace.simulation.pool import many
from outpace.simulation.pool.many import Failure, play_all
from outpace.simulation.pool.played import Cost, Played, play
from outpace.simulation.pool.population import drawn, workload
from outpace.simulation.pool.scenario import Scenario
from outpace.simulation.pool.variations import variations

LEAVING = "leaving = { drains = 1, cuts = 1, silent = 1 }\non_s = { exponential = 20 }\noff_s = { exponential = 10 }"
RESTLESS = TEXT.replace("on_s = { exponential = 600 }\noff_s = { exponential = 200 }", LEAVING)
NO_COST = Cost(0.0, 0.0, 0, 0.0)


@pytest.fixture
def restless(tmp_path: Path) -> Scenario:
    """Hosts that hardly stay for an answer."""
    return scenario(tmp_path, f"timeout_s = 20\n{RESTLESS}")


def digits(found: Played | Failure) -> Played | Failure:
    return found if isinstance(found, Failure) else replace(found, cost=NO_COST)


def unheard(_place: int, _found: Played | Failure) -> None:
    """Nobody watches."""


@pytest.mark.parametrize("rule", ["power-of-two", "shortest-expected-wait", "pull", "capacity-aware", "hedged"])
def test_the_same_seed_gives_the_same_to_the_last_digit_and_another_another(restless, rule):
    how = replace(restless, rule=rule)
    assert digits(play(how, 1)) == digits(play(how, 1))
    assert digits(play(how, 1)) != digits(replace(play(how, 2), seed=1))


def test_every_request_is_answered_although_hosts_leave_and_what_that_cost_is_told(restless):
    found = play(restless, 3)
    assert found.failed == 0
    assert found.answered == len(workload(restless, 3).prompts)
    assert found.attempts > found.answered
    assert found.left_s > 0
    assert 0 < found.busy_s < found.there_s < 4 * found.took_s
    assert 0 < (found.fairness or 0) <= 1
    assert found.cost.choices == found.answered


def test_without_churn_nothing_is_lost_and_all_are_there(tmp_path):
    steady = scenario(tmp_path, TEXT.replace("on_s = { exponential = 600 }\noff_s = { exponential = 200 }", ""))
    found = play(steady, 1)
    assert (found.left_s, found.spent_s, found.failed) == (0, 0, 0)
    assert found.attempts == found.answered
    assert found.there_s == pytest.approx(4 * found.took_s)


def test_several_coordinators_share_contributors_and_requests(restless):
    one, two = (each.scenario for each in variations(restless, ["coordinators:1,2"]))
    mine, theirs = play(one, 1), play(two, 1)
    assert mine == replace(play(restless, 1), cost=mine.cost)
    assert theirs.answered == mine.answered == theirs.given
    assert digits(theirs) == digits(play(two, 1))
    assert theirs.load.latencies["e2e_ms"]["mean"].value > mine.load.latencies["e2e_ms"]["mean"].value
    with pytest.raises(UsageError, match="5 coordinators cannot share 4 contributors"):
        play(replace(restless, coordinators=5), 1)


def test_one_host_more_changes_nothing_about_the_others(restless):
    few, more = (each.scenario for each in variations(restless, ["hosts:4,8"]))
    mine, theirs = ({each.name: each for each in drawn(how, 1)} for how in (few, more))
    assert mine.items() <= theirs.items()


def test_what_owners_claim_is_not_what_is(restless):
    found = [
        play(replace(restless, rule="shortest-expected-wait", knows=knows), 1) for knows in ("measured", "claimed")
    ]
    assert digits(found[0]) != digits(found[1])


def test_what_takes_many_away_at_once_costs(tmp_path):
    steady = TEXT.replace("on_s = { exponential = 600 }\noff_s = { exponential = 200 }", "")
    together = scenario(tmp_path, f"{steady}\n[together]\nevery_s = 15\nshare = 0.7\nfor_s = 5\n")
    found = play(together, 1)
    assert found.failed == 0
    assert found.left_s > 0
    assert found.there_s < 4 * found.took_s


def test_results_are_the_same_whichever_the_number_of_processes(restless):
    scenarios = [each.scenario for each in variations(restless, ["rule:random,pull"])]
    seen: list[tuple[int, int]] = []
    alone = play_all(scenarios, [1, 2], jobs=1, watch=unheard)
    several = play_all(scenarios, [1, 2], jobs=2, watch=lambda place, found: seen.append((place, found.seed)))
    assert [list(map(digits, each)) for each in alone] == [list(map(digits, each)) for each in several]
    assert sorted(seen) == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_one_that_fails_is_named_and_the_others_are_kept(restless):
    nothing_comes = replace(restless, for_s=1e-9)
    (failed,), (kept,) = play_all([nothing_comes, restless], [1], jobs=2, watch=unheard)
    assert failed == Failure(1, "No request arrives in that time: let more come, or for longer.")
    assert isinstance(kept, Played)


def test_whoever_is_killed_takes_nothing_along_that_was_brought(restless, monkeypatch):
    def brought_then_died(asked, _jobs):
        place, how, seed = asked[0]
        yield place, play(how, seed)
        raise MemoryError("no more")

    monkeypatch.setattr(many, "_results", brought_then_died)
    seen: list[Played | Failure] = []
    ((kept, failed),) = play_all([restless], [1, 2], watch=lambda _, found: seen.append(found))
    assert isinstance(kept, Played)
    assert failed == Failure(2, "whoever played it is gone: MemoryError: no more")
    assert seen == [kept, failed]


def test_those_who_play_for_one_that_is_killed_end_too(tmp_path):
    endless = TEXT.replace('for = "1min"', 'for = "100h"')
    (tmp_path / "endless.toml").write_text(endless, encoding="utf-8")
    asked = [sys.executable, "-m", "outpace.command.cli", "pool", "endless.toml", "--seeds=2", "--jobs=2"]
    with subprocess.Popen(asked, cwd=tmp_path) as asker:
        process = psutil.Process(asker.pid)
        while len(players := [each for each in process.children() if each.cpu_times().user > 1]) < 2:
            time.sleep(0.1)
        asker.kill()
    _, alive = psutil.wait_procs(players, timeout=30)
    for each in alive:
        each.kill()
    assert alive == []
