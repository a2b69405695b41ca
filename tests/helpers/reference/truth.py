"""What a reference engine is like, and what follows from that for a prompt alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

STATUSES = {"refuse": 400, "fail": 500, "busy": 503}
FAULTS = (*STATUSES, "break", "cut", "silent")
"""How a request can fail: by a status, by an error after half of the tokens, by a connection that is dropped there, or
by no word ever (it takes no slot)."""


@dataclass(frozen=True)
class Truth:
    """What an engine is like.

    A request alone in work takes ``prompt_ms``, then gives a token every 1 / ``tokens_per_s``. ``slots`` requests are
    in work at once, and at most ``queue`` wait for a slot; more are sent away with 503 and ``retry_after_s``.
    ``batching`` is the throughput with k in work relative to that with one: a function, or points between which it is
    linear and beyond which it stays; by default those in work share what one has. ``delay_to_ms`` is put before each
    request and ``delay_from_ms`` before each piece of an answer, in order; a new connection costs nothing of its own.

    ``tokens`` is the length of answers: a number, or one for each prompt (``""`` for all others). ``failing`` says for
    texts in prompts how those fail, one of ``FAULTS``; beside it, requests fail by chance at ``error_rate`` in the way
    of ``error``, the same ones for the same ``seed``. The first ``errors_after`` requests do not fail.

    ``engine`` is "ollama" or "vllm"; a vLLM tells its times only with ``metrics``.
    """

    tokens_per_s: float = 40.0
    prompt_ms: float = 20.0
    slots: int = 1
    queue: int = 512
    batching: Mapping[int, float] | Callable[[int], float] = field(default_factory=dict)
    delay_to_ms: float = 0.0
    delay_from_ms: float = 0.0
    tokens: int | Mapping[str, int] = 32
    failing: Mapping[str, str] = field(default_factory=dict)
    error_rate: float = 0.0
    error: str = "fail"
    errors_after: int = 0
    seed: int = 7
    retry_after_s: int = 1
    model: str = "reference"
    digest: str = "5eed" * 16
    engine: str = "ollama"
    version: str = "0.9.1"
    metrics: bool = True

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for what no engine can be."""
        if not (self.tokens_per_s > 0 and 1 <= self.slots <= 4096 and self.queue >= 0):
            raise ValueError("an engine has a speed above 0, 1 to 4096 slots, and a queue of 0 or more")
        if min(self.prompt_ms, self.delay_to_ms, self.delay_from_ms) < 0 or not 0 <= self.error_rate <= 1:
            raise ValueError("times are not negative, and an error rate is from 0 to 1")
        if unknown := {self.error, *self.failing.values()} - set(FAULTS):
            raise ValueError(f"{unknown} are no ways to fail; those are {FAULTS}")
        if self.engine not in ("ollama", "vllm"):
            raise ValueError(f"an engine is 'ollama' or 'vllm', not {self.engine!r}")
        if not all(self.gain(in_work) > 0 for in_work in range(1, self.slots + 1)):
            raise ValueError("throughput is above 0 whatever is in work")

    def gain(self, in_work: int) -> float:
        """Throughput with so many in work relative to that with one."""
        if callable(self.batching):
            return self.batching(in_work) / self.batching(1)
        points = sorted({1: 1.0, **self.batching}.items())
        for (low, low_gain), (high, high_gain) in pairwise(points):
            if low <= in_work <= high:
                return (low_gain + (high_gain - low_gain) * (in_work - low) / (high - low)) / points[0][1]
        return points[-1][1] / points[0][1]

    def answer_tokens(self, prompt: str, most: int | None = None) -> int:
        """How many tokens the answer to ``prompt`` has where ``most`` are asked for."""
        whole = self.tokens if isinstance(self.tokens, int) else self.tokens.get(prompt, self.tokens.get("", 32))
        return whole if most is None or most < 0 else min(whole, most)

    def work_ms(self, prompt: str, most: int | None = None) -> float:
        """What the engine takes for ``prompt`` alone: the server time that it tells."""
        return self.prompt_ms + self.answer_tokens(prompt, most) * 1000 / self.tokens_per_s

    def wall_ms(self, prompt: str, most: int | None = None) -> float:
        """What a client that costs nothing sees of it."""
        return self.delay_to_ms + self.work_ms(prompt, most) + self.delay_from_ms


def to_plain(truth: Truth) -> dict[str, Any]:
    """A truth as JSON has it; a function is told by its values."""
    gains = {in_work: truth.gain(in_work) for in_work in range(1, truth.slots + 1)}
    return {**{name: value for name, value in vars(truth).items() if name != "batching"}, "batching": gains}


def from_plain(found: dict[str, Any]) -> Truth:
    """The truth that ``to_plain`` told."""
    gains = {int(in_work): gain for in_work, gain in found.get("batching", {}).items()}
    return Truth(**{**found, "batching": gains})
