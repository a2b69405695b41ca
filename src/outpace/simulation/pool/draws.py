"""What is drawn by chance: ``12``, ``{lognormal = {median = 30, sigma = 0.4}}``, ``{empirical = [1.5, 2, 9]}``."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

Form = Literal["constant", "lognormal", "exponential", "weibull", "empirical"]


@dataclass(frozen=True)
class Draw:
    """A positive quantity of a distribution; what is drawn is multiplied by ``scale``, and from ``least`` to ``most``.

    ``parameters`` are (value) where it is constant, (median, sigma of its logarithm) of a lognormal, (mean) of an
    exponential, (mean, shape) of a Weibull distribution, and the values themselves, each as likely, where it is
    empirical.
    """

    form: Form
    parameters: tuple[float, ...]
    least: float = 0.0
    most: float = math.inf
    scale: float = 1.0

    def __call__(self, chance: random.Random) -> float:
        """One of them, by ``chance``."""
        return min(max(self._drawn(chance) * self.scale, self.least), self.most)

    def _drawn(self, chance: random.Random) -> float:
        first, *rest = self.parameters
        if self.form == "lognormal":
            return first * math.exp(rest[0] * chance.gauss(0.0, 1.0))
        if self.form == "exponential":
            return chance.expovariate(1 / first)
        if self.form == "weibull":
            return chance.weibullvariate(first / math.gamma(1 + 1 / rest[0]), rest[0])
        return chance.choice(self.parameters) if self.form == "empirical" else first

    @cached_property
    def mean(self) -> float:
        """The mean, were there no ``least`` and no ``most``."""
        first, *rest = self.parameters
        if self.form == "lognormal":
            return self.scale * first * math.exp(rest[0] ** 2 / 2)
        return self.scale * (fmean(self.parameters) if self.form == "empirical" else first)


ONE = Draw("constant", (1.0,))


def constant(value: float) -> Draw:
    """The same each time."""
    return Draw("constant", (value,))


def draw_of(told: Any) -> Draw:
    """What a scenario says of a quantity, which its schema has checked."""
    if isinstance(told, int | float):
        return constant(float(told))
    bounds = {name: float(told[name]) for name in ("least", "most") if name in told}
    (form,) = told.keys() - bounds
    what = told[form]
    parameters: Sequence[float] = [what] if isinstance(what, int | float) else what
    if isinstance(what, dict):
        parameters = [what[name] for name in (("median", "sigma") if form == "lognormal" else ("mean", "shape"))]
    return Draw(form, tuple(map(float, parameters)), **bounds)
