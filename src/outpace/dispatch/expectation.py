"""What is expected of prompts and hosts: guessed from prompt, limit and warm-up at first, learned from each answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outpace.engines import Completion
from outpace.workload.prompts import Prompt, Workload

CHARACTERS_A_TOKEN = 4.0
PROMPT_TOKEN_WORK = 0.1
"""Work of a token that is read, against one that is written: engines read many at a time."""
ANSWERS_OF_A_GUESS = 1.0
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

    A prompt is expected to be answered by as many tokens as its limit allows, then by as large a share of them as
    answers had on average. ``guess`` gives the work of a prompt where it is known better, else None.
    """

    def __init__(
        self,
        workload: Workload,
        hosts: Sequence[str],
        known: Mapping[str, HostKnowledge],
        guess: Callable[[Prompt], float | None] = lambda _: None,
    ) -> None:
        self._guess = guess
        self._max_tokens = workload.generation.max_tokens
        self._tokens = _Rate(self._max_tokens, 1.0)
        host_known = {host: known.get(host, HostKnowledge()) for host in hosts}
        self._gains = {host: each.gain for host, each in host_known.items()}
        usual = ANSWERS_OF_A_GUESS * workload.generation.max_tokens
        self._rates = {
            host: _Rate(usual, usual / (each.speed * each.gain), ANSWERS_REMEMBERED)
            for host, each in host_known.items()
        }
        self._busy_s = dict.fromkeys(hosts, 0.0)
        self._total_rate = sum(rate.value for rate in self._rates.values())

    def work(self, prompt: Prompt) -> float:
        """Expected work of ``prompt``."""
        guessed = self._guess(prompt)
        return work_of(prompt, self._tokens.value * self._scale(prompt)) if guessed is None else guessed

    def rate(self, host: str) -> float:
        """Work a second that ``host`` does when it has as many requests as its limit allows."""
        return self._rates[host].value

    def share(self, host: str) -> float:
        """The rate of ``host`` / that of all together."""
        return self._rates[host].value / self._total_rate

    def alone_s(self, host: str, work: float) -> float:
        """Seconds that ``work`` takes on ``host`` with nothing else in flight."""
        return work / self._rates[host].value * self._gains[host]

    def learn(self, host: str, prompt: Prompt, completion: Completion, busy_s: float) -> None:
        """``host`` has answered ``prompt``, and been busy for so many seconds of the run in all."""
        work = self.work(prompt)
        if completion.output_tokens is not None:
            self._tokens.add(completion.output_tokens, self._scale(prompt))
            work = work_of(prompt, completion.output_tokens)
        rate = self._rates[host]
        self._total_rate -= rate.value
        rate.add(work, busy_s - self._busy_s[host])
        self._total_rate += rate.value
        self._busy_s[host] = busy_s

    def _scale(self, prompt: Prompt) -> float:
        """The limit of ``prompt`` / that of the workload."""
        return 1.0 if prompt.max_tokens is None else prompt.max_tokens / self._max_tokens


def work_of(prompt: Prompt, output_tokens: float) -> float:
    """The work of a prompt that is answered by so many tokens, in output tokens."""
    return output_tokens + PROMPT_TOKEN_WORK * len(prompt.text) / CHARACTERS_A_TOKEN


class _Rate:
    """One sum over another, both begun by a guess; what was added so many times ago is forgotten."""

    def __init__(self, above: float, below: float, remembered: float = math.inf) -> None:
        self._above, self._below = above, below
        self._keep = 1 - 1 / remembered

    @property
    def value(self) -> float:
        return self._above / self._below

    def add(self, above: float, below: float) -> None:
        self._above = self._above * self._keep + above
        self._below = self._below * self._keep + below
