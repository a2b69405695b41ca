"""With many hosts, that come and go: what a decision looks at is what there is, and no more than it needs."""

from __future__ import annotations

import anyio
import pytest

from outpace.dispatch import Coordinator, Job, find_strategy
from virtual import NumberEngine, numbers, run_virtually


def played(strategy, engines: list[NumberEngine], due_s: list[float], away: list[str]):
    by_name = {engine.host.name: engine for engine in engines}

    async def main():
        coordinator = Coordinator(by_name, timeout_s=60.0)
        how = find_strategy(strategy) if isinstance(strategy, str) else strategy
        return await coordinator.run("under-test", how, numbers(0, due_s), [*by_name], cache_key="key", away=away)

    return run_virtually(main)


@pytest.mark.parametrize("strategy", ["random", "least-in-flight", "pull"])
def test_who_is_known_to_be_away_gets_nothing_until_it_answers_a_ping(strategy: str) -> None:
    engines = [NumberEngine("a", up=lambda at_s: at_s > 20), NumberEngine("b")]
    outcome = played(strategy, engines, [float(at_s) for at_s in range(0, 60, 2)], ["a"])
    assert not outcome.run.failed
    assert not outcome.run.failed_attempts
    first = min(request.start_ms for request in outcome.run.requests if request.host == "a")
    assert 20_000 < first < 32_000


def test_those_who_stand_are_told_as_it_changes() -> None:
    seen: list[tuple[float, list[str]]] = []

    async def strategy(job: Job) -> None:
        async for prompt in job.arriving():
            assert [*job.standing] == [host for host in job.hosts if job.stands(host)]
            assert {host: job.in_flight_at(host) for host in job.hosts} == job.in_flight
            seen.append((anyio.current_time(), [*job.standing]))
            job.start("a" if len(seen) == 1 else "c", prompt)

    engines = [NumberEngine("a", up=lambda at_s: not 1 < at_s < 10), NumberEngine("b"), NumberEngine("c")]
    outcome = played(strategy, engines, [0.5, 3.0, 30.0], ["b"])
    assert not outcome.run.failed
    assert seen == [(0.5, ["a", "b", "c"]), (3.0, ["b", "c"]), (30.0, ["a", "b", "c"])]
