"""The Universal Scalability Law: found from levels, and where it gives most."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity_levels import levels
from outpace.judge.capacity import Level, Usl, classify, fit_usl

rates = st.floats(min_value=0.1, max_value=1000.0)
contentions = st.one_of(st.just(0.0), st.floats(min_value=1e-4, max_value=2.0))
coherencies = st.one_of(st.just(0.0), st.floats(min_value=1e-6, max_value=2.0))


@given(rates, contentions, coherencies, st.integers(3, 7), st.booleans())
def test_the_law_of_a_noiseless_curve_is_found(rate, contention, coherency, count, paired):
    law = Usl(rate, contention, coherency)
    found = []
    for n in (2**power for power in range(count)):
        gains = (law.tokens_per_s(n) / rate,) if paired and n > 1 else ()
        found.append(Level(n, law.tokens_per_s(n), 1.0, gains))
    fitted = fit_usl(found)
    assert fitted.tokens_per_s_alone == pytest.approx(rate, rel=1e-9)
    assert fitted.contention == pytest.approx(contention, rel=1e-6, abs=1e-9)
    assert fitted.coherency == pytest.approx(coherency, rel=1e-6, abs=1e-9)


@given(rates, contentions, coherencies, st.lists(st.floats(min_value=0.7, max_value=1.4), min_size=3, max_size=7))
def test_no_law_beside_the_one_found_is_nearer(rate, contention, coherency, noise):
    law = Usl(rate, contention, coherency)
    found = levels(*(law.tokens_per_s(2**n) * factor for n, factor in enumerate(noise)))

    def error(law):
        return sum((1 - level.tokens_per_s / law.tokens_per_s(level.in_flight)) ** 2 for level in found)

    fitted = fit_usl(found)
    least = error(fitted)
    for factor in (0.9, 0.999, 1.001, 1.1):
        assert error(replace(fitted, tokens_per_s_alone=fitted.tokens_per_s_alone * factor)) >= least - 1e-9
    for step in (-1e-2, -1e-4, 1e-4, 1e-2):
        for name in ("contention", "coherency"):
            beside = getattr(fitted, name) + step
            if beside >= 0:
                assert error(replace(fitted, **{name: beside})) >= least - 1e-9


def test_a_law_takes_three_levels_that_gave_something():
    assert fit_usl(levels(10, 20)) is None
    assert fit_usl(levels(10, 20, 0)) is None
    assert fit_usl(levels(10, 20, 1e-300)) is None
    assert classify(levels(10, 20, 0)).usl is None
    assert fit_usl(levels(10, 20, 30)) is not None


def test_the_peak_is_where_the_law_gives_most():
    law = Usl(10.0, 0.1, 0.01)
    assert law.peak == pytest.approx(math.sqrt(90))
    assert law.tokens_per_s(1) == 10.0
    assert law.tokens_per_s(law.peak) > max(law.tokens_per_s(law.peak * 0.9), law.tokens_per_s(law.peak * 1.1))
    assert Usl(10.0, 0.5, 0.0).peak is None
    assert Usl(10.0, 1.0, 0.0).peak is None
    assert Usl(10.0, 1.5, 0.0).peak == Usl(10.0, 1.5, 0.1).peak == Usl(10.0, 0.5, 2.0).peak == 1.0
