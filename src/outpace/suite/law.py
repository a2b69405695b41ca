"""The law that every strategy keeps, held over one of a user's own: whatever hosts do, no prompt is lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import pytest

from outpace.dispatch import Strategy, find_strategy
from outpace.dispatch.attempts import ATTEMPTS_A_HOST
from outpace.dispatch.strategies.own import as_strategy
from outpace.simulation.fault_schedule import Fault
from outpace.simulation.played import Played, Synthetic, answer_to, play

SCHEDULES = 200
SEED = 7
KINDS = ("refuses", "resets", "truncates", "dies", "silent", "busy", "errors", "garbage", "endless", "slow")
TIMEOUTS_S = (1.0, 5.0, 30.0)


class LawBroken(AssertionError):
    """A strategy lost a prompt, or did something wrong, under the schedule that is told."""


Hold = Callable[..., None]


@pytest.fixture
def law() -> Hold:
    """Holds the law over a strategy: ``law(stickiest)``, or ``law("mine.py:stickiest", schedules=1000)``."""
    return hold


def hold(strategy: str | Callable[[Any], Any], schedules: int = SCHEDULES, seed: int = SEED) -> None:
    """Run ``strategy`` over hosts that fail in all ways, in virtual time, the small schedules first.

    It is a name, or a strategy or a rule itself. Raises ``LawBroken`` that tells the first schedule under which a
    prompt is lost, or the strategy raises, forgets, or never ends.
    """
    how = find_strategy(strategy) if isinstance(strategy, str) else as_strategy(strategy, "law")
    chance = random.Random(seed)  # noqa: S311 - no secret
    for number in range(schedules):
        _hold_once(how, chance, most=1 + number * 12 // schedules)


def _hold_once(how: Strategy, chance: random.Random, most: int) -> None:
    hosts = [
        Synthetic(
            f"h{index}",
            chance.choice([5.0, 90.0, 400.0, 900.0, 2000.0, 4600.0]),
            chance.randint(1, 3),
            chance.choice(["ollama", "openai"]),
            chance.choice([0.0, 2.0, 60.0]),
        )
        for index in range(chance.randint(1, min(5, most)))
    ]
    faults = [_fault(chance, hosts) for _ in range(chance.randint(0, min(4, most)))]
    prompts, timeout_s = chance.randint(1, most), chance.choice(TIMEOUTS_S)
    gaps_ms = [chance.choice([0.0, 0.0, 1.0, 40.0, 300.0, 1000.0, 5000.0]) for _ in range(prompts)]
    due_ms = list(accumulate(gaps_ms)) if chance.random() < 0.5 else [0.0] * prompts
    played = play(how, hosts, faults, due_ms, timeout_s)
    broken = _broken(played, hosts, faults, due_ms, timeout_s)
    if broken:
        raise LawBroken(
            f"{broken}\n\nThe schedule: {prompts} prompts, due at {[at_ms / 1000 for at_ms in due_ms]} s, "
            f"{timeout_s:g} s an attempt;\n" + "\n".join(map(repr, [*hosts, *faults]))
        )


def _fault(chance: random.Random, hosts: Sequence[Synthetic]) -> Fault:
    kind = chance.choice(KINDS)
    start_s = chance.choice([0.0, 0.001, 0.05, 0.3, 0.9, 1.0, 2.5, 7.0])
    parameter = {"slow": 10.0, "busy": chance.choice([None, 0.0, 3.0])}.get(kind)
    where = chance.choice([*(host.name for host in hosts), "*"])
    return Fault(where, kind, start_s, start_s + chance.choice([0.01, 0.5, 3.0, float("inf")]), parameter)


def _broken(
    played: Played, hosts: Sequence[Synthetic], faults: Sequence[Fault], due_ms: Sequence[float], timeout_s: float
) -> str | None:
    """What of the law does not hold, None where all does."""
    run, prompts = played.outcome.run, len(due_ms)
    if played.outcome.faults:
        return played.outcome.faults[0]
    if [request.prompt for request in run.requests] != list(range(prompts)):
        return f"Not each prompt has one record: {[request.prompt for request in run.requests]}."
    for request, answer in zip(run.requests, played.outcome.answers, strict=True):
        if request.error is None and answer != answer_to(request.prompt):
            return f"Prompt {request.prompt} has a wrong answer: {answer!r}."
    if run.failed and any(
        (host.work_ms + host.round_trip_ms) / 1000 <= 0.95 * timeout_s
        and not any(fault.concerns(host.name) for fault in faults)
        for host in hosts
    ):
        first = run.failed[0]
        return f"{len(run.failed)} prompts failed though a host could have answered them: {first.prompt}, {first.error}"
    limit_s = max(due_ms) / 1000 + timeout_s * (prompts + ATTEMPTS_A_HOST * len(hosts))
    if played.took_s > limit_s + 1e-6:
        return f"It took {played.took_s:g} s, and {limit_s:g} s are what it may take."
    return None
