"""The law under churn: nothing is lost and nothing is answered twice, whoever leaves in whatever way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.dispatch import RULES, STRATEGIES, find_strategy
from outpace.judge.slo import parse_slo
from outpace.simulation.clock import VirtualLoop
from outpace.simulation.pool.draws import Draw, constant
from outpace.simulation.pool.machine import Kind
from outpace.simulation.pool.played import Pool, most_at_once, play
from outpace.simulation.pool.population import workload
from outpace.simulation.pool.presence import Churn, Outages, Sessions
from outpace.simulation.pool.scenario import Group, Scenario, find
from outpace.workload.arrivals import parse

KIND = Kind(constant(20.0), None, Draw("lognormal", (30.0, 1.0)), 2, ((1, 1.0), (2, 1.5)))
UNHEDGED = sorted({*RULES, *STRATEGIES} - {"hedged"})
seconds = st.sampled_from([0.5, 3.0, 20.0, 100.0])
ways = st.lists(st.tuples(st.sampled_from(["drains", "cuts", "silent"]), st.just(1.0)), min_size=1, max_size=3)
churns = st.builds(
    Churn,
    st.builds(
        Sessions, seconds.map(lambda s: Draw("exponential", (s,))), seconds.map(lambda s: Draw("weibull", (s, 0.6)))
    ),
    leaving=ways.map(tuple),
)


def scenario(rule: str, churn: list[Churn], outages: Outages | None, rate: float) -> Scenario:
    groups = (Group("steady", 1, KIND, Churn()), *(Group(f"g{n}", 2, KIND, each) for n, each in enumerate(churn)))
    return Scenario(
        name="law",
        title="law",
        rule=rule,
        knows="measured",
        claims=constant(1.0),
        timeout_s=10.0,
        queue=None,
        slo=parse_slo("ttft:p95<3s"),
        arrivals=parse(f"poisson:{rate}/s"),
        for_s=30.0,
        prompt_tokens=constant(20.0),
        output_tokens=Draw("empirical", (2.0, 20.0, 90.0)),
        groups=groups,
        outages=outages,
        told={},
    )


@settings(max_examples=60)
@given(
    st.sampled_from(UNHEDGED),
    st.lists(churns, max_size=3),
    st.sampled_from([None, Outages(10.0, 0.5, 4.0)]),
    st.sampled_from([0.5, 1.0]),
    st.integers(1, 1000),
    st.integers(1, 3),
)
def test_nothing_is_lost_and_nothing_is_answered_twice(rule, churn, outages, rate, seed, coordinators):
    how = scenario(rule, churn, outages, rate)
    coordinators = min(coordinators, how.hosts)
    found = play(replace(how, coordinators=coordinators), seed)
    assert found.answered + found.failed == len(workload(how, seed).prompts)
    assert found.given == found.answered  # no answer that was given went nowhere, none was given for nothing
    assert found.attempts >= found.answered
    if outages is None and coordinators == 1:  # one host is always there, and works fast enough
        assert found.failed == 0


@pytest.mark.parametrize("at_s", [7.0, 33.3])
def test_a_coordinator_that_is_killed_loses_what_the_report_says_it_had_in_memory(at_s):
    office = replace(find("office", REPOSITORY / "bench"), rule="random", for_s=40.0)

    async def until_killed() -> tuple[int, int]:
        pool = Pool(office, 1)
        with suppress(TimeoutError), anyio.fail_after(at_s):
            await pool.run("random", find_strategy("random"))
        return sum(each.answers for each in pool.engines.values()), pool.in_flight

    async def to_its_end() -> tuple[int, int, int]:
        run = (await Pool(office, 1).run("random", find_strategy("random"))).run
        spans = [(each.due_ms, (each.start_ms or 0.0) + each.wall_ms) for each in run.requests]
        come = [span for span in spans if span[0] <= at_s * 1000]
        in_memory = sum(over_ms > at_s * 1000 for _, over_ms in come)
        return len(come), in_memory, most_at_once(spans)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        answered, _ = runner.run(until_killed())
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        come, in_memory, most = runner.run(to_its_end())
    assert answered == come - in_memory
    assert 0 < in_memory <= most


def test_the_most_at_once_counts_no_end_with_a_beginning():
    assert most_at_once([]) == 0
    assert most_at_once([(0.0, 1.0), (1.0, 2.0), (1.5, 3.0)]) == 2
