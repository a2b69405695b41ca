"""Contributors that come and go, simulated: does the pool of each scenario keep what it promises, on each seed?"""

import pytest

from outpace.suite.pools import PoolMeasurement


@pytest.mark.benchmark(group="pool")
def test_pool(scenario: str, pool: PoolMeasurement, benchmark, record_property):
    benchmark.pedantic(pool.play, rounds=1, iterations=1)
    verdict, reason = pool.verdict()
    record_property("verdict", verdict)
    record_property("reason", reason)
    assert verdict == "pass", reason
