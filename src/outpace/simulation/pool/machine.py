"""A contributor's machine: how fast it reads and writes, alone and with several requests at once, and how far it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from statistics import median

from outpace.dispatch.expectation import CHARACTERS_A_TOKEN, PROMPT_TOKEN_WORK
from outpace.ground.errors import UsageError
from outpace.judge.capacity import Capacity, Level, classify
from outpace.recording.fitted_levels import first_text_piece, output_tokens
from outpace.recording.fitted_pace import SHORTEST_MS, alone
from outpace.recording.recording import Recording
from outpace.simulation.host_model import speed_curve
from outpace.simulation.pool.draws import ONE, Draw, constant

Throughput = tuple[tuple[int, float], ...]
"""With so many requests in work, over that with one."""


@dataclass(frozen=True)
class Machine:
    """One machine with one request in work: tokens a second, read and written; its round trip, and its ``kind``."""

    kind: Kind
    tokens_per_s: float
    prompt_tokens_per_s: float
    round_trip_ms: float

    def first_ms(self, prompt_tokens: int) -> float:
        """Work until the first token is written, in ms."""
        return 1000 * (prompt_tokens / self.prompt_tokens_per_s + 1 / self.tokens_per_s)

    def work_ms(self, prompt_tokens: int, tokens: int) -> float:
        """Work until the last of so many tokens is written, in ms."""
        return self.first_ms(prompt_tokens) + 1000 * (tokens - 1) / self.tokens_per_s


@dataclass(frozen=True)
class Kind:
    """Machines of one kind, each drawn: ``throughput`` is that of so many requests at once over that of one alone.

    ``prompt_tokens_per_s`` None stands for ten times as many as it writes, as dispatch takes it where nothing tells;
    ``speed`` multiplies both.
    """

    tokens_per_s: Draw
    prompt_tokens_per_s: Draw | None
    round_trip_ms: Draw
    slots: int = 1
    throughput: Throughput = ((1, 1.0),)
    speed: Draw = ONE

    def machine(self, chance: random.Random) -> Machine:
        """One of them, by ``chance``."""
        speed = self.speed(chance)
        writes = self.tokens_per_s(chance) * speed
        told = self.prompt_tokens_per_s
        reads = writes / PROMPT_TOKEN_WORK if told is None else told(chance) * speed
        return Machine(self, writes, reads, self.round_trip_ms(chance))

    @property
    def curve(self) -> Callable[[int], float]:
        """Speed of each of n requests that are in work together, relative to one alone."""
        return _curve(self.throughput, self.slots)

    @property
    def capacity(self) -> Capacity:
        """What a sweep would find: how many in flight are best, and what that gains."""
        return _capacity(self.throughput, self.slots)


@cache
def _curve(throughput: Throughput, slots: int) -> Callable[[int], float]:
    return speed_curve(_levels(throughput, slots), slots)


@cache
def _capacity(throughput: Throughput, slots: int) -> Capacity:
    return classify(_levels(throughput, slots))


def _levels(throughput: Throughput, slots: int) -> list[Level]:
    return [Level(in_flight, gain, 0.0) for in_flight, gain in throughput if in_flight <= slots]


def like(recording: Recording, host: str) -> Kind:
    """The kind of which ``host`` of a recording is one, by what it did when it had one request in work.

    Its pace is the median over such answers. Raises ``UsageError`` where there is no such host, or it tells no tokens.
    """
    found = next((each for each in recording.hosts if each.name == host), None)
    if found is None:
        raise UsageError(f"it has no host {host}; it has {', '.join(each.name for each in recording.hosts)}.")
    texts = {prompt.index: prompt.text for prompt in recording.workload.prompts}
    writes, reads = [], []
    undisturbed = {(run.name, prompt) for run, prompt, _ in alone(host, recording)}
    for each in recording.of_host(host):
        tokens = output_tokens(each)
        if each.prompt is None or (each.run, each.prompt) not in undisturbed or not tokens:
            continue
        work_ms = max(each.wall_ms - found.round_trip_ms, SHORTEST_MS)
        asked = len(texts[each.prompt]) / CHARACTERS_A_TOKEN
        head_ms = each.chunks[first_text_piece(each)][0] - found.round_trip_ms
        if tokens > 1 and 0 < head_ms < work_ms:
            writes.append((tokens - 1) / (work_ms - head_ms) * 1000)
            if head_ms > 1000 / writes[-1]:
                reads.append(asked / (head_ms - 1000 / writes[-1]) * 1000)
        else:  # all of it came in one piece
            writes.append((tokens + PROMPT_TOKEN_WORK * asked) / work_ms * 1000)
    if not writes:
        raise UsageError(f"{host} gave no answer whose tokens it told while it had nothing else in work.")
    rates = sorted((level.in_flight, level.tokens_per_s) for level in found.levels)
    known = bool(rates) and rates[0][0] == 1 and rates[0][1] > 0
    return Kind(
        constant(median(writes)),
        constant(median(reads)) if reads else None,
        constant(found.round_trip_ms),
        found.slots,
        tuple((in_flight, rate / rates[0][1]) for in_flight, rate in rates) if known else ((1, 1.0),),
    )


def claimed(machine: Machine, factor: float) -> Machine:
    """``machine`` as its owner tells of it: so many times as fast."""
    return replace(
        machine,
        tokens_per_s=machine.tokens_per_s * factor,
        prompt_tokens_per_s=machine.prompt_tokens_per_s * factor,
    )
