"""How many requests a host may have in flight: a fixed number, or one that is found while running."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

ROSE, FELL = 1.1, 0.9
"""Throughput of a level over the best before it: what counts as more, and what as less."""
LEAP = 1.5
"""Where twice as many gave so much more, the next level is four times as many."""
AS_GOOD = 0.95
"""The smallest level that gives this share of the best throughput is the one to keep."""
FLAT_LEVELS = 2
"""So many levels in a row without more throughput end the search."""
FREE_LEVEL = 2
"""From a higher level, one that may give no more is tried only where it takes no more than half of the host's share."""
TOKENS_A_REQUEST = 4
"""A window of observation is over when this many tokens were heard for each request in flight."""
TOGETHER = 0.01
"""Two answers that end within this share of their time end at one moment, before anyone could take the place."""
PATIENCE = 50
"""So many windows after it has settled, one more request in flight is tried again."""
COLLAPSE = 0.5
"""Throughput that falls to this share of what the same level gave halves the limit."""
SHARE_OF_ONE_MORE = 0.5
"""One more in flight is worth it where it gives this share of what one gave before."""


@dataclass(eq=False)
class Flight:
    """One request in flight: when it began, and when it was first heard; seconds."""

    began_s: float
    first_s: float | None = None


NOBODYS = Flight(0.0)
"""What stands for any, where nothing is learned."""


@dataclass
class Wave:
    """Answers in one piece since ``since_s``: how many, and their tokens."""

    since_s: float
    answers: int = 0
    tokens: int = 0


class Limit(Protocol):
    """What a host may have in flight, ``now``; it is told of each request that begins, is heard, and ends."""

    now: int
    listens: bool
    """Whether it wants to be told of text as it arrives."""

    def began(self, at_s: float) -> Flight:
        """A request was sent."""
        ...

    def heard(self, flight: Flight, at_s: float, share: int) -> None:
        """A piece of text of its answer arrived, a token mostly.

        ``share`` is how many of the unanswered prompts are this host's to answer.
        """
        ...

    def ended(self, flight: Flight, at_s: float, tokens: int | None, share: int) -> None:
        """It is over.

        ``tokens`` are its output tokens, None where it was not answered, or the engine does not tell; ``share`` is 0
        for a limit that does not listen.
        """
        ...


class FixedLimit:
    """The same limit always: 1 where nothing is known, or what a sweep of the host's capacity found."""

    listens = False

    def __init__(self, limit: int = 1) -> None:
        self.now = limit

    def began(self, at_s: float) -> Flight:
        """Nothing is learned from it."""
        return NOBODYS

    def heard(self, flight: Flight, at_s: float, share: int) -> None:
        """Nothing is learned from it."""

    def ended(self, flight: Flight, at_s: float, tokens: int | None, share: int) -> None:
        """Nothing is learned from it."""


class AdaptiveLimit:
    """Climbs the host's throughput curve: starts low, doubles while throughput does not fall, and keeps the best.

    This is the method of incremental steps (H.-U. Heiss and R. Wagner, "Adaptive load control in transaction
    processing systems", VLDB 1991), which was made for systems that thrash, begun by doubling as TCP's slow start is
    (V. Jacobson, "Congestion avoidance and control", SIGCOMM 1988). Once settled it adds one from time to time, and
    halves where throughput collapses (D.-M. Chiu and R. Jain, "Analysis of the increase and decrease algorithms for
    congestion avoidance", 1989).

    Throughput is counted in tokens as they arrive, so a level is judged within a part of an answer. Where answers come
    in one piece, as many as may be in flight are waited for.

    A limit that is ``known`` from before is where it begins, settled.
    """

    listens = True

    def __init__(self, known: int | None = None, ceiling: int = 256) -> None:
        self.now = min(known or 1, ceiling)
        self._ceiling = ceiling
        self._rates: dict[int, float] = {}
        self._rose_to, self._flat = 0.0, 0
        self._settled = known is not None
        self._windows_settled = 0
        self._in_flight = 0
        self._ended_s = -math.inf
        self._unheard: list[Flight] = []
        self._window: tuple[float, int] | None = None
        self._wave: Wave | None = None

    def began(self, at_s: float) -> Flight:
        """Count it in."""
        self._in_flight += 1
        if self._wave is None:
            self._wave = Wave(at_s)
        self._unheard.append(Flight(at_s))
        return self._unheard[-1]

    def heard(self, flight: Flight, at_s: float, share: int) -> None:
        """Count the token, if the host is as full as it may be: a host with room tells nothing of its limit."""
        if flight.first_s is None:
            flight.first_s = at_s
            self._unheard.remove(flight)
        if self._in_flight != self.now:
            self._window = None
        elif self._window is not None:
            since_s, tokens = self._window
            if at_s > since_s:  # what arrived together with the first belongs to the time before it
                self._window = since_s, tokens + 1
                if tokens + 1 >= TOKENS_A_REQUEST * self.now:
                    self._judge((tokens + 1) / (at_s - since_s), share)
        elif not self._unheard:  # all of them generate
            self._window = at_s, 0

    def ended(self, flight: Flight, at_s: float, tokens: int | None, share: int) -> None:
        """Count it out; see whether others wait in the host's queue. Answers in one piece are judged by the wave."""
        wall_s = at_s - flight.began_s
        full = self._in_flight == self.now
        still_full = full or at_s - self._ended_s <= TOGETHER * wall_s
        self._in_flight -= 1
        self._ended_s = at_s
        if flight.first_s is None:
            self._unheard.remove(flight)
        if flight.first_s is None or flight.first_s >= at_s:
            self._end_in_wave(flight, at_s, tokens if still_full else None, share)
            return
        # Whoever was sent before this one began to answer, and is not heard although it has ended, waits for a slot.
        queued = sum(other.began_s <= flight.first_s for other in self._unheard)
        if tokens and queued and full:
            self._settle_at(max(1, self.now - queued))

    def _end_in_wave(self, flight: Flight, at_s: float, tokens: int | None, share: int) -> None:
        """As many answers as may be in flight, all sent since the wave began, show the throughput."""
        wave = self._wave
        if wave is None or not tokens:
            self._wave = None
        elif flight.began_s >= wave.since_s:
            wave.answers += 1
            wave.tokens += tokens
            if wave.answers >= self.now and at_s > wave.since_s:
                self._judge(wave.tokens / (at_s - wave.since_s), share)

    def _judge(self, rate: float, share: int) -> None:
        """Take note of the throughput of the present level, and go where that points.

        A level that is more than this host's share of what is unanswered is not tried: prompts might get stuck here.
        """
        self._window = self._wave = None
        if self._settled:
            self._hold(rate, share)
            return
        best = max(self._rates.values(), default=0.0)
        leap = self._rose_to and rate > LEAP * self._rose_to
        rose = rate > ROSE * self._rose_to
        self._rates[self.now] = rate
        if rose:
            self._rose_to, self._flat = rate, 0
        else:
            self._flat += 1
        affordable = share if rose or self.now <= FREE_LEVEL else share / 2
        step = 4 if leap and 4 * self.now <= share / 2 else 2
        if rate < FELL * best or self._flat >= FLAT_LEVELS or step * self.now > min(affordable, self._ceiling):
            self._settle()
        else:
            self._go_to(step * self.now)

    def _settle(self) -> None:
        best = max(self._rates.values())
        self._settle_at(min(level for level, rate in self._rates.items() if rate >= AS_GOOD * best))

    def _settle_at(self, level: int) -> None:
        self._settled, self._windows_settled, self._rates = True, 0, {}
        self._go_to(level)

    def _hold(self, rate: float, share: int) -> None:
        """Stay, unless throughput collapses; now and then see whether one more in flight gives more."""
        self._windows_settled += 1
        level, before = self.now, self._rates.get(self.now, rate)
        below = self._rates.get(level - 1)
        if rate < COLLAPSE * before:
            self._rates = {}
            self._go_to(max(1, level // 2))
        elif below is not None and rate < below * (1 + SHARE_OF_ONE_MORE / (level - 1)):
            self._rates = {level - 1: below}
            self._go_to(level - 1)
        else:
            self._rates = {level: (before + rate) / 2}
            if level < share and (below is not None or self._windows_settled % PATIENCE == 0):
                self._go_to(min(level + 1, self._ceiling))

    def _go_to(self, level: int) -> None:
        self.now, self._window, self._wave = level, None, None
