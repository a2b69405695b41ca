"""The coordinator's ceiling: so many requests and tokens a second this machine keeps up with before it measures itself.

A second's measurement. What a request and a token take of the processor is found over an engine that costs nothing
(``eventful``), from answers of two lengths whose tokens come one by one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from statistics import fmean

import anyio

from outpace.dispatch import Coordinator, find_strategy
from outpace.dispatch.limits import FixedLimit
from outpace.engines import Client, Identity
from outpace.engines.openai import OpenAIEngine
from outpace.ground.hosts import Host
from outpace.measure.eventful import serving
from outpace.measure.session import Session
from outpace.workload.prompts import Generation, workload

SHARE = 0.6
"""Of the processor: from there on the coordinator's own lag passes the 1 % that fairness allows, as a study shows."""
NEAR = 0.7
"""Of the ceiling: so much is near it."""
SLOW = 5_000
"""Up to so many tokens a second no time is spent on it: a machine a third as fast as that of the docs can bear them."""
USUAL_TOKENS = 64
TURN_S, IN_FLIGHT = 0.02, 200
SHORT, LONG = 4, 24
"""Tokens an answer: a token costs more where many answers come in at once, and each of its own."""


@dataclass(frozen=True)
class Ceiling:
    """What a request, and each token of its answer, takes of the coordinator's processor, in ms."""

    request_ms: float
    token_ms: float

    def requests_per_s(self, tokens: float) -> float:
        """The most requests a second, with answers of so many ``tokens``, at which the coordinator lags below 1 %."""
        return SHARE * 1000 / (self.request_ms + tokens * self.token_ms)

    def in_words(self, tokens: float = USUAL_TOKENS) -> str:
        """The ceiling, with answers of so many ``tokens``."""
        most = self.requests_per_s(tokens)
        return (
            f"this machine keeps up with about {_rounded(most)} requests or {_rounded(most * tokens)} tokens a second "
            f"(answers of {tokens:.0f} tokens); with more it would measure itself"
        )

    def warning(self, tokens: float, tokens_per_s: float) -> str | None:
        """What to say where hosts make ``tokens_per_s`` in answers of ``tokens``; None well below the ceiling."""
        if tokens_per_s < NEAR * tokens * self.requests_per_s(tokens):
            return None
        return (
            f"these hosts make up to {_rounded(tokens_per_s)} tokens a second, and {self.in_words(tokens)}, not them. "
            "Measure from a quicker machine with nothing else to do, or fewer hosts at a time; ratios are the hosts' "
            "own as long as the check of fairness finds the coordinator below 1 %."
        )


def told_of(session: Session) -> str | None:
    """What is to be said before ``session`` begins of its coordinator; None where it has no need to hurry.

    Goes by the first answers of its hosts, and by what sweeps have shown that concurrency does to them.
    """
    knowledge, most = session.knowledge, session.settings.workload.generation.max_tokens
    first = {host: knowledge.first[host] for host in session.ordered}
    gains = {host: max(1.0, found.gain) for host, found in knowledge.capacities.items()}
    told = [each.output_tokens or most for answers in first.values() for each in answers]
    if session.settings.recording is not None or not told:
        return None
    tokens = fmean(told)
    tokens_per_s = sum(
        tokens * 1000 / max(fmean(each.wall_ms for each in answers), 0.001) * gains.get(host, 1.0)
        for host, answers in first.items()
        if answers
    )
    found = anyio.run(measured) if tokens_per_s >= SLOW else None
    return found.warning(tokens, tokens_per_s) if found else None


async def measured() -> Ceiling | None:
    """The ceiling of this machine, in about a second; None where not even its own loopback answers."""
    with serving(TURN_S) as port:
        host = Host("here", f"http://127.0.0.1:{port}", ("127.0.0.1",))
        async with Client(timeout_s=30, patient=True) as client:
            engine = OpenAIEngine(client, host, Identity("vllm", "openai", None, {"m": None}), "m")
            coordinator, pull = Coordinator({"here": engine}, timeout_s=30), find_strategy("pull")
            prompts = [str(number) for number in range(IN_FLIGHT)]

            async def spent_ms(tokens: int) -> float:
                """Processor time a request, not a number where one failed."""
                work, limit = workload(prompts, Generation(max_tokens=tokens)), FixedLimit(IN_FLIGHT)
                began_s = time.process_time()
                outcome = await coordinator.run("pull", pull, work, ["here"], cache_key="k", limit=lambda _: limit)
                spent_s = time.process_time() - began_s
                return math.nan if outcome.run.failed else spent_s * 1000 / IN_FLIGHT

            await spent_ms(SHORT)  # opens the connections
            short_ms = min(await spent_ms(SHORT), await spent_ms(SHORT))
            long_ms = await spent_ms(LONG)
    if math.isnan(short_ms + long_ms):
        return None
    token_ms = max(0.0, long_ms - short_ms) / (LONG - SHORT)
    return Ceiling(max(0.0, short_ms - SHORT * token_ms), token_ms)


def _rounded(rate: float) -> str:
    """A rate with two figures that mean something."""
    digits = max(0, len(str(int(rate))) - 2)
    return f"{round(rate, -digits):,.0f}"
