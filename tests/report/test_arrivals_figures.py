"""The figures of requests that arrive: every run is a point, a queue is what waits, and all of it is in the page."""

from __future__ import annotations

from outpace.report.figures import arrivals


def request(due_ms: float, start_ms: float | None, wall_ms: float = 100.0, error: str | None = None) -> dict:
    return {"due_ms": due_ms, "start_ms": start_ms, "wall_ms": wall_ms, "error": error}


def load(*requests: dict, strategy: str = "pull") -> dict:
    return {"strategy": strategy, "best_alone": None, "requests": list(requests)}


def trial(rate_per_s: float, latency_ms: float | None, answer: str = "keeps") -> dict:
    return {"rate_per_s": rate_per_s, "slo_ms": [latency_ms], "answer": answer}


RATES = {
    "slo": [{"figure": "ttft", "quantile": 0.95, "limit_ms": 2000.0}],
    "found": [
        {
            "strategy": "best-alone",
            "best_alone": {"host": "laptop", "in_flight": 1},
            "rate_per_s": {"value": 1.0, "low": 0.9, "high": None},
            "trials": [trial(1.0, 500.0), trial(0.5, 300.0), trial(2.0, None)],
        },
        {
            "strategy": "pull",
            "best_alone": None,
            "rate_per_s": {"value": 2.0, "low": 1.9, "high": 2.2},
            "trials": [trial(2.0, 1500.0), trial(3.0, 9000.0, "breaks")],
        },
    ],
}


def test_every_run_that_tells_it_is_a_point_of_the_rates() -> None:
    found = arrivals.rates(RATES)
    assert found is not None
    assert "laptop alone bears 60 requests a minute: 30 a minute 300 ms, 60 a minute 500 ms." in found.wide
    assert "180 a minute 9,000 ms" in found.narrow
    assert "95 % of first tokens within 2 s" in found.caption
    assert "mathdefault" not in found.wide
    untold = {**RATES, "found": [{**RATES["found"][0], "trials": [trial(2.0, None)]}]}
    assert arrivals.rates(untold) is None


def test_a_queue_is_what_was_due_and_has_not_begun() -> None:
    seconds, waiting = arrivals._queue(
        load(request(0, 0), request(1000, 5000), request(2000, None), request(4000, 4000))
    )
    assert (seconds[0], seconds[-1]) == (0.0, 4.0)
    at = {round(second): count for second, count in zip(seconds, waiting, strict=True)}
    assert at[4] == 2
    assert max(waiting) == 2
    assert "2 waited at the most" in arrivals.queues([load(request(0, 9000), request(10, 9000))]).wide


def test_latencies_count_from_the_due_time_and_leave_out_what_failed() -> None:
    one = load(request(0, 900), request(0, 0, error="timeout"), request(500, 500))
    assert arrivals._latencies(one) == [100.0, 1000.0]
    assert "all 1,000 ms" in arrivals.latencies([one]).wide
    assert arrivals.latencies([load(request(0, None, error="queue full"))]) is None
