"""Schedules to hold the coordinator's law over: hosts, what goes wrong with them and when, and wrong strategies."""

from __future__ import annotations

from itertools import accumulate

import anyio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from outpace.dispatch import Job
from outpace.dispatch.strategies import RULES, STRATEGIES
from outpace.simulation.fault_schedule import KINDS, Fault
from synthetic import Synthetic

COUNTS = {"dev": 200, "ci": 2_000, "nightly": 100_000}
"""How many schedules, by the name of hypothesis' profile."""
TIMEOUTS_S = (1.0, 5.0, 30.0)

hosts = st.lists(
    st.tuples(
        st.sampled_from([5.0, 90.0, 400.0, 900.0, 2000.0, 4600.0]),  # ms of work
        st.integers(1, 3),  # slots
        st.sampled_from(["ollama", "openai"]),
        st.sampled_from([0.0, 2.0, 60.0]),  # ms of round trip
        st.booleans(),  # whether the status comes with the first text only
    ),
    min_size=1,
    max_size=5,
).map(lambda found: [Synthetic(f"h{index}", *each) for index, each in enumerate(found)])


def law_over(count: int) -> settings:
    """Hold it over so many schedules, however long each takes."""
    return settings(max_examples=count, suppress_health_check=list(HealthCheck))


def profile() -> str:
    return settings.get_current_profile_name()


async def send_all_to_all(job: Job) -> None:
    """As wrong as a strategy can be: each prompt to each host at once."""
    async with anyio.create_task_group() as tasks:
        for host in job.hosts:
            for prompt in job.prompts:
                tasks.start_soon(job.send, host, prompt)


async def copy_all_to_all(job: Job) -> None:
    """As greedy as a strategy can be: each host copies whatever is under way elsewhere, again and again."""

    async def copy_all(host: str) -> None:
        while True:
            for prompt in job.prompts:
                await job.copy(host, prompt)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_all_to_all, job)
        for host in job.hosts:
            tasks.start_soon(copy_all, host)


WRONG = {"all-to-all": send_all_to_all, "copy-all": copy_all_to_all}
RIGHT = [*STRATEGIES, *RULES]
EVERY_STRATEGY = [*RIGHT, *WRONG]
times = st.sampled_from([0.0, 0.001, 0.05, 0.3, 0.9, 1.0, 2.5, 7.0])


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[Synthetic], list[Fault]]:
    chosen = draw(hosts)
    names = st.sampled_from([*(host.name for host in chosen), "*"])
    faults = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        start_s = draw(times)
        length_s = draw(st.sampled_from([0.01, 0.5, 3.0, float("inf")]))
        parameter = {"slow": 10.0, "jumps": draw(st.sampled_from([0.25, 0.9, 3.0, 45.0]))}.get(kind)
        if kind == "busy":
            parameter = draw(st.sampled_from([None, 0.0, 3.0]))
        faults.append(Fault(draw(names), kind, start_s, start_s + length_s, parameter))
    return chosen, faults


arrivals = st.lists(st.sampled_from([0.0, 0.0, 1.0, 40.0, 300.0, 1000.0, 5000.0]), min_size=1, max_size=12).map(
    lambda gaps_ms: list(accumulate(gaps_ms))
)


def a_healthy_host_can_do_it(chosen: list[Synthetic], faults: list[Fault], prompts: int, timeout_s: float) -> bool:
    """Whether there is a host without a fault, and time enough for it: then nothing may be among the failed.

    While the clock runs as it should, a host has time enough if one prompt alone takes it 95 % of the timeout at most.
    A jump makes whatever is under way time out, and takes its length from the run's limit: one of 45 s ends a run of
    one prompt and 5 s timeout whatever its host does. Jumps of one timeout in all are survived by a host that could do
    all prompts, given to it at once, in half a timeout.
    """
    jumps_s = sum(fault.parameter or 0.0 for fault in faults if fault.kind == "jumps")
    for host in chosen:
        if not any(fault.concerns(host.name) for fault in faults):
            alone_s = (host.work_ms + host.round_trip_ms) / 1000
            if alone_s <= 0.95 * timeout_s and not jumps_s:
                return True
            if prompts * alone_s <= 0.5 * timeout_s and jumps_s <= timeout_s:
                return True
    return False
