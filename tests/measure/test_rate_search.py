"""The search for the highest rate over a session whose truth is known: found within its interval, and braked early."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from outpace.judge.slo import parse_slo
from outpace.measure.load import BEST_ALONE
from outpace.measure.rate_search import RateAsked, RateSearch
from outpace.report import rate_document
from outpace.workload.arrivals import parse_kind
from outpace.workload.prompts import Generation, workload
from reference.truth import Truth
from reference_session import virtual_session

WORK = workload([f"Count to {number}." for number in range(2, 8)], Generation(max_tokens=8))
ONE = Truth(100.0, 20.0, tokens=8)
"""100 ms a request, one at a time."""
SLO = "e2e:p80<0.3s"


def kept_at(load: float, limit: float) -> float:
    """The share of requests that take less than ``limit`` times the work of one, at such a load of an M/D/1 queue.

    It is that of those that wait for less than the rest of it (A. K. Erlang, 1909).
    """
    waits = limit - 1
    parts = range(int(waits) + 1)
    return (1 - load) * sum(
        (-load * (waits - k)) ** k / math.factorial(k) * math.exp(load * (waits - k)) for k in parts
    )


def truth_per_s() -> float:
    """The rate at which 80 % of requests take less than 300 ms where each is 100 ms of work: by bisection."""
    low, high = 0.0, 0.999
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if kept_at(middle, 3.0) > 0.8 else (low, middle)
    return low / 0.1


def search(
    tmp_path: Path, truths: dict[str, Truth], requests: int = 80, within: float = 0.3, slo: str = SLO
) -> RateSearch:
    with virtual_session(truths, workload=WORK) as session:
        asked = RateAsked(parse_kind("poisson", requests), "poisson", parse_slo(slo), requests, within)
        found = RateSearch(session, ("pull",), asked, report_dir=tmp_path)
        found.run()
        found.run()  # does nothing
    return found


def test_one_queue_is_found_where_theory_has_it(tmp_path: Path) -> None:
    found = search(tmp_path, {"a": ONE})
    for each in ("pull", BEST_ALONE):
        rate = found.found(each)
        assert rate.low <= truth_per_s() <= (rate.high or math.inf)
        assert rate.value == pytest.approx(truth_per_s(), rel=0.25)
    gain = found.gain("pull")
    assert gain is not None
    assert gain.low <= 1 <= (gain.high or math.inf)


def test_a_second_host_as_good_bears_more_than_twice_as_much(tmp_path: Path) -> None:
    """Two servers of one queue wait less than two queues do."""
    found = search(tmp_path, {"a": ONE, "b": ONE})
    gain = found.gain("pull")
    assert gain is not None
    assert gain.low > 1
    document = rate_document.read(tmp_path / "rate.json")
    alone, ours = document["found"]
    assert (alone["strategy"], ours["hosts"]) == (BEST_ALONE, ["a", "b"])
    # Far too much is not waited out: the run ends long before its requests do.
    worst = max(ours["trials"], key=lambda each: each["rate_per_s"])
    assert worst["answer"] == "breaks"
    assert worst["ended"] is not None
    assert worst["requests"] < 72


def test_no_rate_above_what_a_host_can_answer_is_borne_because_runs_are_short(tmp_path: Path) -> None:
    """A host of 20 ms a request answers fifty a second; forty that come twice as fast are all there within 0.5 s.

    So near to all that it can do, a queue takes longer to settle than a run lasts.
    """
    found = search(tmp_path, {"a": Truth(500.0, 4.0, tokens=8)}, requests=40, slo="e2e:p80<0.5s")
    rate = found.found("pull")
    assert 40 < rate.value < 60


def test_what_takes_too_long_by_itself_has_no_rate(tmp_path: Path) -> None:
    found = search(tmp_path, {"a": Truth(10.0, 20.0, tokens=8)})
    assert found.found("pull").low == 0
    assert found.gain("pull") is None
