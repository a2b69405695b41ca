"""Where a share that falls as the rate rises comes down to what was promised, by shares at one rate and another.

The odds of failing rise about as a power of the rate, so their logarithm lies on a line over that of the rate. It is
fitted by likelihood, for each rate at which the promise may just be kept: all trials tell together, whichever of them
tells anything by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outpace.judge.quantiles import Kept
from outpace.judge.stats import students_t

Array = NDArray[np.float64]

ROOTS = 240
"""Rates that are tried as the one, twice: over all, and once more where it may lie."""
POWERS = np.geomspace(1.5, 300.0, 40)
"""Of the rate, as which the odds of failing may rise: with waits by chance it is about five."""
CAUTION = 1.5
"""So many times the variance that trials show is allowed for: they are few, and requests that wait together are alike
over longer stretches than those beside each other tell. tests/studies/rate_search.py holds it against known rates."""
LEAST_CHANCE = 1e-6
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Point:
    """What was kept at ``rate``."""

    rate: float
    kept: Kept


def where_kept(points: Sequence[Point], quantile: float, below: float = math.inf) -> tuple[float, float, float]:
    """The rate, ``below`` some other, at which a share of ``quantile`` is kept, and its interval of 95 %.

    How far apart shares lie that should be alike, or how alike requests are, says how much less than independent ones
    they tell (R. W. M. Wedderburn, "Quasi-likelihood functions", Biometrika 61, 1974).
    """
    at = np.log([each.rate for each in points])
    requests = np.array([float(each.kept.requests) for each in points])
    shares = np.array([each.kept.share for each in points])
    independent = np.array([each.kept.independent for each in points])

    def chances(roots: Array) -> Array:
        """Of keeping it: by root, power and point."""
        steep = np.clip(POWERS[None, :, None] * (at[None, None, :] - roots[:, None, None]), -50.0, 50.0)
        found: Array = 1 / (1 + (1 - quantile) / quantile * np.exp(steep))
        return np.clip(found, LEAST_CHANCE, 1 - LEAST_CHANCE)

    def likelihoods(roots: Array) -> Array:
        chance = chances(roots)
        return np.asarray((requests * (shares * np.log(chance) + (1 - shares) * np.log1p(-chance))).sum(axis=-1))

    end = min(float(at.max()) + 1.0, math.log(below))
    roots = np.linspace(float(at.min()) - 1.0, end, ROOTS)
    found = likelihoods(roots)
    best = np.unravel_index(int(found.argmax()), found.shape)
    chance = chances(roots[best[0] : best[0] + 1])[0, best[1]]
    told = requests * chance * (1 - chance)
    alike = float((told * requests / independent).sum() / told.sum())
    apart = float((requests * (shares - chance) ** 2 / np.maximum(chance * (1 - chance), LEAST_CHANCE)).sum())
    free = max(1, len(points) - 2)
    spread = CAUTION * max(1.0, alike, apart / free)
    for _ in range(2):
        profile = likelihoods(roots).max(axis=1)
        profile -= profile.max()
        inside = np.flatnonzero(profile >= -spread * students_t(CONFIDENCE, free) ** 2 / 2)
        low, high = roots[max(0, inside[0] - 1)], roots[min(ROOTS - 1, inside[-1] + 1)]
        weights = np.exp(profile)  # as if requests were independent: near the best, and midway between what is as good
        value = float((weights * roots).sum() / weights.sum())
        roots = np.linspace(low, high, ROOTS)
    return math.exp(value), math.exp(low), math.exp(high)
