"""What concurrency does to each host: it batches, queues or thrashes, and how many requests at once it should get.

More and more requests are sent at once until throughput has told its story. What is found is kept in ``capacity.json``
beside the reports, and is the limit that strategies of the same session keep to.
"""

import pytest

from outpace.suite.plugin import coordinator_clock


@pytest.mark.benchmark(group="capacity", timer=coordinator_clock)
def test_capacity(sweep_host, benchmark):
    capacity = benchmark.pedantic(sweep_host, rounds=1, iterations=1)
    benchmark.extra_info.update(kind=capacity.kind, limit=capacity.limit, gain=capacity.gain)
    by_level = {level.in_flight: level.tokens_per_s for level in capacity.levels}
    assert by_level[capacity.limit] > 0, f"throughput at the limit found: {by_level}"
