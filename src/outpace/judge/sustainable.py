"""The sustainable rate: the highest at which an SLO is kept, by trials at one rate and another, each a run.

Which rate to try next is asked of ``Search``; what the trials come to together, of its ``found``. Rates are in requests
a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from outpace.judge.odds_line import Point, where_kept
from outpace.judge.slo import Objective
from outpace.judge.under_way import Look

STEP = 1.3
"""The first step outwards from where a search begins; each further one is that much larger."""
LEAST_SHARE = 0.02
"""Of the rate at which a search began. At so little of it, requests do not meet: what fails there fails at any rate."""
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
    """A rate, or a gain, with the interval that holds the true one in 95 % of searches.

    It is 0, up to ``high``, where no rate keeps the SLO; ``high`` is None where none was found that does not.
    """

    value: float
    low: float
    high: float | None


class Search:
    """Looks for the highest rate at which all ``objectives`` are kept, from ``start`` on.

    It ends as soon as that is known ``within`` a share of it, or ``most_requests`` were sent, or in ``most_trials``.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        start: float,
        within: float,
        most_requests: int,
        most_trials: int = MOST_TRIALS,
    ) -> None:
        self._objectives, self._start, self._within = objectives, start, within
        self._most, self._most_trials = most_requests, most_trials
        self.trials: list[Trial] = []
        self._found: Rate | None = None

    def note(self, trial: Trial) -> None:
        """Take in what a trial came to."""
        self.trials.append(trial)
        self._found = None

    @property
    def next_rate(self) -> float | None:
        """The rate to try next; None where it is known, or as many requests as may be were sent."""
        if not self.trials:
            return self._start
        if len(self.trials) >= self._most_trials or sum(each.look.requests for each in self.trials) >= self._most:
            return None
        found, rates = self.found, [each.rate for each in self.trials]
        if found.high is None:
            return max(rates) * STEP ** len(rates)
        if not found.value:
            least = min(rates) / STEP ** len(rates)
            return None if least < LEAST_SHARE * self._start else least
        if found.high / found.low <= (1 + self._within) ** 2:
            return None
        # By turns on either side: where the share is just what was promised, it tells little of where that begins.
        beside = found.low if len(rates) % 2 else found.high
        return math.sqrt(found.value * beside)

    @property
    def found(self) -> Rate:
        """What the trials came to so far: the rate of the objective that bears least."""
        if self._found is None:
            told = [each for each in self.trials if each.void is None]
            found = [self._borne(one, told, place) for place, one in enumerate(self._objectives)]
            self._found = min(found, key=lambda each: each.value)
        return self._found

    def _borne(self, objective: Objective, trials: Sequence[Trial], place: int) -> Rate:
        """The highest rate at which one objective, of so many the ``place``-th, is kept."""
        overload = min((each.rate for each in trials if each.look.overload), default=math.inf)
        points = [
            Point(each.rate, each.look.kept[place])
            for each in trials
            if not each.look.overload and each.look.kept[place].requests
        ]
        failed = [each.rate for each in points if each.kept.share < objective.quantile]
        worst = min([overload, *failed])
        fine = max((each.rate for each in points if each.kept.share >= objective.quantile), default=0.0)
        if worst == math.inf:
            return Rate(fine, 0.0, None)
        return Rate(*where_kept(points, objective.quantile, overload)) if fine else Rate(0.0, 0.0, worst)


def rate_gain(ours: Rate, alone: Rate) -> Rate | None:
    """What the set bears / what the best alone bears; None where the best alone bears nothing, or no end was found.

    The two were searched for in runs of their own: the logarithmic distances of their intervals' ends add as the sides
    of a right angle do (G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", Statistics
    in Medicine 27, 2008).
    """
    if not alone.low or alone.high is None:
        return None
    if not ours.low:
        return Rate(ours.value / alone.value, 0.0, None if ours.high is None else ours.high / alone.low)
    gain = ours.value / alone.value
    down = math.hypot(math.log(ours.value / ours.low), math.log(alone.high / alone.value))
    if ours.high is None:
        return Rate(gain, gain * math.exp(-down), None)
    up = math.hypot(math.log(ours.high / ours.value), math.log(alone.value / alone.low))
    return Rate(gain, gain * math.exp(-down), gain * math.exp(up))
