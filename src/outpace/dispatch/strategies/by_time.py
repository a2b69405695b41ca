"""Rules that go by how long hosts took, or are expected to take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from outpace.dispatch.job import Job
from outpace.dispatch.strategies.rules import Choose, chance_of, standing
from outpace.ground.records import RequestRecord
from outpace.workload.prompts import Prompt

SAMPLES = 10
"""LiteLLM's ``max_latency_list_size``."""

Keep = Callable[[Sequence[float], float], Sequence[float]]
"""Takes a new sample in among those there are."""


def lowest_latency(job: Job) -> Choose:
    """The host with the lowest mean of its latest ten times to first token; one that has answered nothing counts as 0.

    LiteLLM's ``lowest_latency.py`` (1.105) for answers that are streamed; by chance among several, with no buffer as
    by default. What is in flight it does not look at.
    """
    return _lowest(job, _first_token_s, lambda samples, new: [*samples, new][-SAMPLES:])


def lowest_latency_stuck(job: Job) -> Choose:
    """The same, as LiteLLM had it before: its first nine samples of a host stay for good, and one changes.

    So a host that has become slow is hardly found out. A time to first token counts by the tokens of its answer.
    """
    return _lowest(job, _first_token_s_a_token, lambda samples, new: [*samples[: SAMPLES - 1], new])


def _lowest(job: Job, measure: Callable[[RequestRecord], float], keep: Keep) -> Choose:
    chance = chance_of(job)
    samples: dict[str, Sequence[float]] = job.memory.setdefault("samples", {})

    def hear(answers: Sequence[RequestRecord], since: int) -> None:
        for request in answers[since:]:
            if request.error is None and request.host is not None:
                samples[request.host] = keep(samples.get(request.host, ()), measure(request))
        job.memory["heard"] = answers, len(answers)

    hear(*job.memory.get("heard", ((), 0)))  # what came in an earlier run after its last choice
    job.memory["heard"] = job.finished, 0

    def choose(_: Prompt) -> str:
        hear(*job.memory["heard"])
        means = {host: fmean(samples.get(host, [0.0])) for host in standing(job)}
        lowest = min(means.values())
        return chance.choice([host for host, mean in means.items() if mean == lowest])

    return choose


def _first_token_s(request: RequestRecord) -> float:
    """Seconds to the first token; an answer in one piece counts by its tokens."""
    if request.first_token_ms is None:
        return request.wall_ms / 1000 / (request.output_tokens or 1)
    return request.first_token_ms / 1000


def _first_token_s_a_token(request: RequestRecord) -> float:
    first_ms = request.wall_ms if request.first_token_ms is None else request.first_token_ms
    return first_ms / 1000 / (request.output_tokens or 1)


def shortest_expected_wait(job: Job) -> Choose:
    """The host that is expected to be done with it first, by what it has in flight and how fast it is known to be.

    Known as shortest expected delay (S. A. Banawan and J. Zahorjan, "Load sharing in heterogeneous queueing systems",
    INFOCOM 1989): requests there and this one, over the host's rate, and no less than what it takes alone. The best
    that can be done at once with what is known; none of the routers does it.
    """

    def choose(prompt: Prompt) -> str:
        work = job.expect.work(prompt)

        def done_s(host: str) -> tuple[float, int]:
            in_flight = job.in_flight_at(host)
            queued_s = (in_flight + 1) * work / job.expect.rate(host)
            return max(queued_s, job.expect.alone_s(host, work)), in_flight

        return min(standing(job), key=done_s)

    return choose
