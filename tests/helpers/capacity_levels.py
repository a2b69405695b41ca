"""Levels of concurrency as sweeps find them, for what is concluded from them."""

from dataclasses import replace

from hypothesis import strategies as st

from outpace.judge.capacity import Level

figures = st.floats(min_value=1e-3, max_value=1e4)
samples = st.lists(st.floats(min_value=0.0, max_value=40.0), max_size=9).map(tuple)
level_lists = st.lists(st.tuples(figures, samples), min_size=1, max_size=6).map(
    lambda found: [Level(2**n, rate, 1000.0, gains) for n, (rate, gains) in enumerate(found)]
)


def levels(*tokens_per_s, gains=()):
    """Levels of 1, 2, 4, ... in flight; ``gains`` are the samples of the last of them."""
    found = [Level(2**n, rate, 1000.0) for n, rate in enumerate(tokens_per_s)]
    return [*found[:-1], replace(found[-1], gains=tuple(gains))]
