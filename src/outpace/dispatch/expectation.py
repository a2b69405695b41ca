"""What is expected of prompts and hosts: guessed from prompt, limit and warm-up at first, learned from each answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outpace.engines import Completion
from outpace.prompts import Prompt, Workload

CHARACTERS_A_TOKEN = 4.0
PROMPT_TOKEN_WORK = 0.1
"""Work of a token that is read, against one that is written: engines read many at a time."""
ANSWERS_OF_A_GUESS = 2.0
"""A guess weighs as much as so many answers."""
ANSWERS_REMEMBERED = 16.0
"""What was seen more than about so many answers ago is forgotten, so that a host that slows down is found out."""


@dataclass(frozen=True)
class HostKnowledge:
    """What is known of a host before a run.

    ``speed`` is its work a second with one request in flight, in tokens or in any unit that is the same for all hosts.
    ``limit`` is the concurrency to use and ``gain`` the throughput there over that of one, as a sweep found them; None
    where there was no sweep.
    """

    speed: float = 1.0
    limit: int | None = None
    gain: float = 1.0


class Expectation:
    """How much work each prompt is, in output tokens, and how much a host does in a second.

    A prompt is expected to be answered by as many tokens as the limit allows, then by as many as answers had on
    average. ``guess`` gives the work of a prompt instead, where it is known better.
    """

    def __init__(
        self,
        workload: Workload,
        hosts: Sequence[str],
        known: Mapping[str, HostKnowledge],
        guess: Callable[[Prompt], float] | None = None,
    ) -> None:
        self._guess = guess
        self._tokens = _Mean(workload.generation.max_tokens, 1.0)
        self._gains = {host: known.get(host, HostKnowledge()).gain for host in hosts}
        self._rates = {
            host: _Mean(known.get(host, HostKnowledge()).speed * self._gains[host], ANSWERS_OF_A_GUESS)
            for host in hosts
        }

    def work(self, prompt: Prompt) -> float:
        """Expected work of ``prompt``."""
        return self._guess(prompt) if self._guess else self._of(prompt, self._tokens.value)

    def rate(self, host: str) -> float:
        """Work a second that ``host`` does when it has as many requests as its limit allows."""
        return self._rates[host].value

    def alone_s(self, host: str, work: float) -> float:
        """Seconds that ``work`` takes on ``host`` with nothing else in flight."""
        return work / self._rates[host].value * self._gains[host]

    def learn(self, host: str, prompt: Prompt, completion: Completion, wall_s: float, in_flight: float) -> None:
        """``host`` answered ``prompt`` in ``wall_s`` seconds, with so many in flight on average all the while.

        By Little's law its throughput was requests in flight x work / time.
        """
        if completion.output_tokens is not None:
            self._tokens.add(completion.output_tokens, float("inf"))
        work = self.work(prompt)
        if self._guess is None and completion.output_tokens is not None:
            work = self._of(prompt, completion.output_tokens)
        if wall_s > 0 and work > 0:
            self._rates[host].add(in_flight * work / wall_s, ANSWERS_REMEMBERED)

    @staticmethod
    def _of(prompt: Prompt, output_tokens: float) -> float:
        return output_tokens + PROMPT_TOKEN_WORK * len(prompt.text) / CHARACTERS_A_TOKEN


class _Mean:
    """A running mean that begins as a guess of some weight."""

    def __init__(self, value: float, weight: float) -> None:
        self.value, self._weight = value, weight

    def add(self, value: float, remembered: float) -> None:
        self._weight = min(self._weight + 1.0, remembered)
        self.value += (value - self.value) / self._weight
