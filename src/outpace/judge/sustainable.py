"""The sustainable rate: between the highest rate that was seen to keep an SLO and the lowest that was seen to break it.

A trial is a run at one rate; its answer is "keeps", "breaks" or "open". Which rate to try next is asked of ``Search``;
what it comes to, of its ``found``. Rates are in requests a second.

More requests are never served sooner, so what keeps an SLO at one rate says as much for every lower one, and what
breaks it for every higher one: trials at neighbouring rates, none of which tells enough by itself, tell it together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outpace.judge.quantiles import Kept
from outpace.judge.slo import Objective, judged_together
from outpace.judge.under_way import Look

STEP = 1.3
"""The first step outwards from where a search begins; each further one is that much larger."""
LEAST_SHARE = 0.02
"""Of the rate at which a search began. At so little of it, requests do not meet: what fails there fails at any rate."""
CONFIDENCE = 0.99
"""Of one end of the interval, tested on both sides; trials are put together in several ways, so that a search is wrong
more often than one test: tests/studies/rate_search.py says how often."""
MOST_TRIALS = 40


@dataclass(frozen=True)
class Trial:
    """A run at ``rate``, and what it showed; ``brake`` says why it was ended before its requests were, if it was.

    ``void`` says why it tells nothing of its hosts, if it does not: then its answer is "open".
    """

    rate: float
    look: Look
    brake: str | None = None
    void: str | None = None


@dataclass(frozen=True)
class Rate:
    """A rate, or a gain, with its interval: ``low`` was seen to keep the SLO, ``high`` to break it.

    ``low`` is 0 where no rate kept it, ``high`` None where none broke it.
    """

    value: float
    low: float
    high: float | None


class Search:
    """Looks for the highest rate at which all ``objectives`` are kept, from ``start`` on.

    It ends as soon as that is known ``within`` a share of it, or ``most_requests`` were sent.
    """

    def __init__(self, objectives: Sequence[Objective], start: float, within: float, most_requests: int) -> None:
        self._objectives, self._start, self._within, self._most = objectives, start, within, most_requests
        self.trials: list[Trial] = []

    def note(self, trial: Trial) -> None:
        """Take in what a trial came to."""
        self.trials.append(trial)

    @property
    def next_rate(self) -> float | None:
        """The rate to try next; None where it is known, or as many requests as may be were sent."""
        if not self.trials:
            return self._start
        if len(self.trials) >= MOST_TRIALS or sum(each.look.requests for each in self.trials) >= self._most:
            return None
        found, rates = self.found, [each.rate for each in self.trials]
        if found.high is None:
            return max(rates) * STEP ** len(rates)
        if not found.low:
            least = min(rates) / STEP ** len(rates)
            return None if least < LEAST_SHARE * self._start else least
        if found.high / found.low <= 1 + self._within:
            return None
        # On the side that is less sure: the further away from the estimate, the sooner a trial tells something.
        below, above = found.value / found.low, found.high / found.value
        return math.sqrt(found.value * (found.low if below > above else found.high))

    @property
    def found(self) -> Rate:
        """What the trials came to so far; where they contradict each other, both ends are in the interval."""
        trials = sorted((each for each in self.trials if each.void is None), key=lambda each: each.rate)
        kept = (each.rate for at, each in enumerate(trials) if "keeps" in self._answers(trials[at:]))
        broken = (
            each.rate
            for at, each in enumerate(trials)
            if each.look.overload or "breaks" in self._answers(trials[at::-1])
        )
        low, high = max(kept, default=0.0), min(broken, default=math.inf)
        if high == math.inf:
            return Rate(max(low, *(each.rate for each in trials), 0.0), low, None)
        low, high = sorted((low, high))
        return Rate(self._estimate([each for each in trials if low <= each.rate <= high], low, high), low, high)

    def _answers(self, trials: Iterable[Trial]) -> set[str]:
        """What the first of ``trials`` says, and what it says together with the next ones."""
        found: set[str] = set()
        together = [Kept.together([]) for _ in self._objectives]
        for each in trials:
            if each.look.overload:  # its requests never came to rest
                break
            together = [Kept.together(pair) for pair in zip(together, each.look.kept, strict=True)]
            found.add(judged_together(self._objectives, together, CONFIDENCE))
        return found

    def _estimate(self, trials: Sequence[Trial], low: float, high: float) -> float:
        """Where the line through the shares that kept the hardest objective meets what was promised."""
        points = [(math.log(each.rate), *self._above(each.look.kept)) for each in trials if not each.look.overload]
        weight = sum(n for _, _, n in points)
        middle = math.sqrt(low * high)
        if not weight or not low:
            return middle
        at, share = (sum(point[which] * point[2] for point in points) / weight for which in (0, 1))
        spread = sum(n * (x - at) ** 2 for x, _, n in points)
        slope = sum(n * (x - at) * (y - share) for x, y, n in points) / spread if spread else 0.0
        return min(high, max(low, math.exp(at - share / slope))) if slope < 0 else middle

    def _above(self, kept: Sequence[Kept]) -> tuple[float, int]:
        """By how much more than was promised of it the hardest objective was kept, and by how many requests."""
        return min((each.share - one.quantile, each.requests) for one, each in zip(self._objectives, kept, strict=True))


def rate_gain(ours: Rate, alone: Rate) -> Rate | None:
    """What the set bears / what the best alone bears; None where the best alone bears nothing, or no end was found.

    Each rate lies within its interval in 95 % of searches or more, and so does the gain within this one: it goes from
    the least that the set may bear over the most that the other may, to the opposite.
    """
    if not alone.low or alone.high is None or not ours.value:
        return None
    high = None if ours.high is None else ours.high / alone.low
    return Rate(ours.value / alone.value, ours.low / alone.high, high)
