"""SLOs: read, held against latencies with three verdicts, and the goodput."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.errors import UsageError
from outpace.judge.slo import Latency, Objective, goodput_per_s, judged_together, parse_slo

FIRST_TOKENS = Objective("ttft", 0.95, 2000.0)


def latency(ttft_ms: float | None = 100.0, e2e_ms: float | None = 1000.0, tpot_ms: float | None = 10.0) -> Latency:
    return Latency(0.0, ttft_ms, tpot_ms, e2e_ms)


LOST = Latency(0.0, None, None, None)


def test_an_slo_is_read() -> None:
    assert parse_slo("ttft:p95<2s,e2e:p99<30s, tpot:p90<80ms") == (
        Objective("ttft", 0.95, 2000.0),
        Objective("e2e", 0.99, 30_000.0),
        Objective("tpot", 0.9, 80.0),
    )
    assert parse_slo("e2e:p99.9<1.5s")[0] == Objective("e2e", pytest.approx(0.999), 1500.0)


@pytest.mark.parametrize(
    "text", ["", " , ", "ttft:p95", "ttft<2s", "itl:p95<2s", "ttft:p0<2s", "ttft:p95<2", "ttft:p95>2s"]
)
def test_what_is_no_slo_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match=r"ttft:p95<2s"):
        parse_slo(text)


@pytest.mark.parametrize("text", ["ttft:p95<..s", "ttft:p95<1.2.3s"])
def test_a_limit_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        parse_slo(text)


def test_it_is_kept_only_once_enough_requests_show_it() -> None:
    assert FIRST_TOKENS.kept([latency()] * 71) == "open"
    assert FIRST_TOKENS.kept([latency()] * 72) == "keeps"


def test_it_is_broken_long_before_it_could_be_kept() -> None:
    assert FIRST_TOKENS.kept([latency(ttft_ms=5000.0)] * 3) == "breaks"


def test_a_request_that_was_lost_kept_nothing() -> None:
    assert FIRST_TOKENS.kept([LOST] * 3) == "breaks"
    assert not Objective("tpot", 0.5, 1e9).within(LOST)


def test_a_figure_that_nobody_tells_breaks_no_promise() -> None:
    assert Objective("tpot", 0.9, 1.0).within(latency(tpot_ms=None))


def test_one_that_is_broken_breaks_them_all() -> None:
    good, bad = Objective("e2e", 0.5, 2000.0), Objective("e2e", 0.5, 10.0)
    rare = Objective("e2e", 0.99, 2000.0)
    for objectives, answer in (([good], "keeps"), ([good, bad], "breaks"), ([good, rare], "open")):
        kept = [one.share_of([latency()] * 40) for one in objectives]
        assert judged_together(objectives, kept, 0.95) == answer


def test_goodput_counts_what_kept_every_limit() -> None:
    found = [latency(), latency(ttft_ms=3000.0), latency(), LOST]
    assert goodput_per_s([FIRST_TOKENS], found, 4000.0) == 0.5


def test_a_promise_that_is_just_kept_is_seldom_called_kept_or_broken() -> None:
    """At the very border either word is wrong: each may be said in 2.5 % of samples."""
    said = {"keeps": 0, "breaks": 0, "open": 0}
    chance = random.Random(5)
    for _ in range(400):
        found = [latency(ttft_ms=5000.0 if chance.random() < 0.05 else 100.0) for _ in range(300)]
        said[FIRST_TOKENS.kept(found)] += 1
    assert said["keeps"] <= 20
    assert said["breaks"] <= 20


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.95]), st.floats(1, 1e5))
def test_a_looser_limit_is_never_harder_to_keep(ttft_ms: list[float], q: float, limit_ms: float) -> None:
    order = ["breaks", "open", "keeps"]
    found = [latency(ttft_ms=each) for each in sorted(ttft_ms)]
    tight = sum(Objective("ttft", q, limit_ms).within(each) for each in found)
    loose = sum(Objective("ttft", q, limit_ms * 2).within(each) for each in found)
    assert loose >= tight
    assert order.index(Objective("ttft", q, math.inf).kept(found)) >= 1
