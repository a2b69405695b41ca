"""The experiment: each strategy against the fastest machine alone, in rounds of two runs side by side."""

from contextlib import suppress

import pytest

from outpace.measure.measurement import Enough, Measurement
from outpace.suite.plugin import coordinator_clock


@pytest.mark.benchmark(group="strategies", timer=coordinator_clock)
def test_strategy(measurement: Measurement, rounds: int, benchmark):
    with suppress(Enough):
        benchmark.pedantic(
            measurement.run, setup=measurement.prepare, teardown=measurement.settle, rounds=rounds, iterations=1
        )
    if not measurement.rounds:  # a disabled benchmark runs once and settles nothing
        measurement.settle()
    comparison = measurement.comparison()
    assert comparison.ratio is not None
    benchmark.extra_info.update(
        overhead_ratio=comparison.ratio.median, low=comparison.ratio.low, high=comparison.ratio.high
    )
    if comparison.gain is not None:
        benchmark.extra_info.update(
            set_gain=comparison.gain.median, set_gain_low=comparison.gain.low, set_gain_high=comparison.gain.high
        )
