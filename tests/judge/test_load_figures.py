"""What a run under arrivals shows: from the due time, with what was refused, void where the client was late."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest

from outpace.ground.records import RequestRecord, Run
from outpace.judge.load import figures
from outpace.judge.slo import parse_slo

SLO = parse_slo("ttft:p90<2s")


def run_of(*requests: RequestRecord) -> Run:
    return Run("pull", ("a",), 1e6, requests)


def arrived(
    count: int = 200, *, gap_ms: float = 1000.0, waits_ms: float = 0.0, late_ms: float = 0.0, grows_ms: float = 0.0
) -> list[RequestRecord]:
    return [
        RequestRecord(
            prompt=index,
            host="a",
            start_ms=index * gap_ms + waits_ms + late_ms + grows_ms * index,
            wall_ms=500.0,
            first_token_ms=100.0,
            output_tokens=41,
            due_ms=index * gap_ms,
            late_ms=late_ms,
        )
        for index in range(count)
    ]


def refused(prompt: int) -> RequestRecord:
    return RequestRecord(prompt, None, prompt * 1000.0, 0.0, attempts=0, error="queue full", due_ms=prompt * 1000.0)


def test_latency_counts_from_the_due_time() -> None:
    found = figures(run_of(*arrived(waits_ms=700.0)), ())
    assert found.latencies["ttft_ms"]["p50"].value == pytest.approx(800)
    assert found.latencies["tpot_ms"]["p50"].value == pytest.approx(10)
    assert found.latencies["e2e_ms"]["p95"].value == pytest.approx(1200)
    assert found.latencies["e2e_ms"]["p99"].value is None
    assert found.latencies["e2e_ms"]["p99"].requests_needed == 368
    assert (found.goodput_per_s, found.steady, found.void) == (None, "steady", None)


def test_the_rate_is_that_of_the_arrivals() -> None:
    assert figures(run_of(*arrived(gap_ms=250.0)), ()).rate_per_s == pytest.approx(4.0)


def test_what_was_refused_kept_no_promise_and_is_no_good() -> None:
    requests = arrived()
    requests[::2] = [refused(request.prompt) for request in requests[::2]]
    found = figures(run_of(*requests), SLO)
    assert found.unanswered == 100
    assert found.goodput_per_s == pytest.approx(0.5)
    assert found.verdict() == ("fail", "Broken: 90 % of first tokens within 2 s.")


def test_a_client_that_was_late_makes_the_run_void() -> None:
    assert figures(run_of(*arrived(late_ms=5.0)), SLO).verdict()[0] == "pass"
    verdict, reason = figures(run_of(*arrived(late_ms=6.0)), SLO).verdict()
    assert verdict == "inconclusive"
    assert "the client itself was 6 ms late" in reason


def test_a_queue_that_grows_fails_whatever_was_kept_until_then() -> None:
    found = figures(run_of(*arrived(grows_ms=400.0)), parse_slo("e2e:p90<600s"))
    assert found.steady == "overload"
    assert found.verdict()[0] == "fail"


def test_too_few_requests_are_told_how_many_it_takes() -> None:
    verdict, reason = figures(run_of(*arrived(12)), parse_slo("ttft:p99<2s")).verdict()
    assert verdict == "inconclusive"
    assert "It takes 368 requests at the least" in reason


def test_the_warm_up_is_cut_off() -> None:
    chance = random.Random(1)
    slow = [5000.0 * 0.9**index + chance.random() for index in range(400)]
    requests = [
        RequestRecord(index, "a", at_ms, 500.0 + slow[index], due_ms=at_ms)
        for index, at_ms in enumerate(accumulate(1000.0 for _ in range(400)))
    ]
    found = figures(run_of(*requests), ())
    assert 20 <= found.warm_up <= 120
    assert found.requests == 400 - found.warm_up


def test_a_run_that_answered_nothing_tells_nothing() -> None:
    found = figures(run_of(*(refused(prompt) for prompt in range(30))), SLO)
    assert found.verdict() == ("inconclusive", "No request was answered.")
