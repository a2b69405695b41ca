"""Attempts: one prompt tried on one host, and what follows for both from how it ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import anyio

from outpace.dispatch.health import Gauge, Health
from outpace.dispatch.patience import Attempt, Patience
from outpace.dispatch.setup import Setup
from outpace.dispatch.signals import Signals
from outpace.engines import Completion
from outpace.ground.errors import CalledOff, ConnectionStale, CoordinatorShort, EngineBusy, RequestFailed, TimedOut
from outpace.workload.prompts import Prompt

ATTEMPTS_A_HOST = 2
"""So often is one prompt tried on one host before it is left to the others; a busy engine's refusals do not count."""


class Attempts:
    """All attempts of one run; ``signals`` are told when one begins, or a host's limit rises while it answers."""

    def __init__(self, setup: Setup, health: Health, signals: Signals) -> None:
        self._setup, self._health, self._signals = setup, health, signals
        self._ledger, self._clock = setup.ledger, setup.ledger.clock
        self._patience = Patience(setup.timeout_s)
        self._gauges = {host: Gauge() for host in setup.engines}
        self._under_way: dict[int, list[Attempt]] = {}
        self._tried: Counter[tuple[int, str]] = Counter()
        self._scope = type(anyio.CancelScope())
        """The class of this backend, which anyio would look for at every attempt."""

    def to_copy(self, host: str) -> list[Attempt]:
        """Those in flight whose prompt ``host`` may be given as well."""
        return [attempts[0] for attempts in self._under_way.values() if self.may_copy(host, attempts[0].prompt)]

    def may_copy(self, host: str, prompt: Prompt) -> bool:
        """Whether one other host is at the unanswered ``prompt``, and ``host`` has not spoilt it too often."""
        attempts = self._under_way.get(prompt.index, ())
        at_one_other = len(attempts) == 1 and attempts[0].host != host
        return at_one_other and not self._ledger.done(prompt) and self.spoilt(prompt, host) < ATTEMPTS_A_HOST

    def is_under_way(self, prompt: Prompt) -> bool:
        """Whether a host is at ``prompt``."""
        return prompt.index in self._under_way

    def spoilt(self, prompt: Prompt, host: str) -> int:
        """How often ``host`` has failed ``prompt``; ``ATTEMPTS_A_HOST`` times are enough."""
        return self._tried[prompt.index, host]

    async def answered_by(self, host: str, prompt: Prompt) -> bool:
        """Try ``prompt`` on ``host``; where that fails, note it and put the host to rest if it asks for it."""
        for last_try in (False, True):
            began = self._clock()
            self._ledger.begin_attempt(prompt)
            try:
                completion = await self._generate(host, prompt)
            except anyio.get_cancelled_exc_class():
                late = TimedOut(f"{host} was still at it when it was called off.")
                self._ledger.note_failure(host, prompt, began, _spent(host) if self._ledger.done(prompt) else late)
                raise
            except RequestFailed as error:
                self._ledger.note_failure(host, prompt, began, error)
                if isinstance(error, CalledOff):
                    return False
                if error.again_here and not last_try and not self._ledger.done(prompt):
                    continue
                if isinstance(error, EngineBusy | CoordinatorShort):
                    asked_s = error.retry_after_s if isinstance(error, EngineBusy) else None
                    self._health.rest(host, down=False, asked_s=asked_s)
                    return False
                self._tried[prompt.index, host] += ATTEMPTS_A_HOST if error.never_here else 1
                if error.host_down or isinstance(error, ConnectionStale):
                    self._health.rest(host, down=True)
                return False
            else:
                self._health[host].answered()
                self._ledger.note_answer(host, prompt, began, completion)
                for rival in self._under_way.get(prompt.index, ()):
                    rival.scope.cancel()
                return True
        return False

    async def _generate(self, host: str, prompt: Prompt) -> Completion:
        """One attempt, of which the host's limit is told; raises ``RequestFailed``."""
        setup = self._setup
        limit, gauge, began = setup.limits[host], self._gauges[host], self._clock()
        flight = limit.began(began)
        gauge.add(1, began)
        completion: Completion | None = None
        settings = setup.workload.generation
        if prompt.max_tokens is not None:
            settings = replace(settings, max_tokens=prompt.max_tokens)

        def heard() -> None:
            allowed = limit.now
            limit.heard(flight, self._clock(), setup.share(host))
            if limit.now > allowed:
                self._signals.changed(host)

        attempts = self._under_way.setdefault(prompt.index, [])
        with self._scope() as scope:
            attempt = Attempt(prompt, host, began, began, scope)
            attempts.append(attempt)
            self._patience.begin(attempt)
            self._signals.wake()
            try:
                completion = await setup.engines[host].generate(
                    prompt.text, settings, setup.cache_key, heard if limit.listens else None
                )
            finally:
                attempts.remove(attempt)
                if not attempts:
                    self._under_way.pop(prompt.index, None)
                now = self._clock()
                self._patience.end(attempt, now, answered=completion is not None)
                gauge.add(-1, now)
                tokens = completion.output_tokens if completion else None
                limit.ended(flight, now, tokens, setup.share(host) if limit.listens else 0)
        if self._ledger.done(prompt):
            raise _spent(host)
        if completion is None:
            after = "" if attempt.since == began else " of its last answer to what was sent there before"
            raise TimedOut(f"{host} gave no whole answer within {setup.timeout_s:g} s{after}.")
        setup.expect.learn(host, prompt, completion, gauge.busy_s)
        return completion


def _spent(host: str) -> CalledOff:
    return CalledOff(f"another host answered before {host} did.")
