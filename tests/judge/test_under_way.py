"""A load while it is under way: who still waits tells too, bunches are allowed for, and a queue that grows is seen."""

from __future__ import annotations

import math
import random

from outpace.ground.records import RequestRecord
from outpace.judge.quantiles import Kept
from outpace.judge.slo import latency_of, parse_slo
from outpace.judge.under_way import decided, grows, look

SLO = parse_slo("ttft:p90<2s")


def answered(count: int, *, gap_ms: float = 1000.0, wait_ms: float = 0.0) -> list[RequestRecord]:
    return [
        RequestRecord(
            each, "a", each * gap_ms + wait_ms, 500.0, first_token_ms=100.0, output_tokens=5, due_ms=each * gap_ms
        )
        for each in range(count)
    ]


def test_it_is_kept_or_broken_or_open() -> None:
    assert look(SLO, answered(200), [], 200_000.0).answer == "keeps"
    assert look(SLO, answered(200, wait_ms=2000.0), [], 200_000.0).answer == "breaks"
    assert look(SLO, answered(20), [], 20_000.0).answer == "open"
    assert look(SLO, [], [], 0.0).answer == "open"


def test_who_waits_for_longer_than_is_promised_has_broken_it() -> None:
    waiting = [(20_000.0 + 10 * each, False) for each in range(60)]
    found = decided(SLO, map(latency_of, answered(20)), waiting, 23_000.0)
    assert len(found) == 80
    assert sum(SLO[0].within(each) for each in found) == 20


def test_behind_the_first_that_cannot_be_told_nothing_counts() -> None:
    """Else the quick ones would be heard of first, and the slow ones after the verdict."""
    found = answered(20)
    late = found.pop(10)
    told = decided(SLO, map(latency_of, found), [(late.due_ms, True)], 30_000.0)
    assert [each.due_ms for each in told] == [each.due_ms for each in found[:10]]


def test_of_who_is_at_a_host_only_the_end_is_known_to_be_late() -> None:
    e2e = parse_slo("ttft:p90<2s,e2e:p90<10s")
    (one,) = decided(e2e, (), [(0.0, True)], 11_000.0)
    assert [each.within(one) for each in e2e] == [True, False]
    assert decided(e2e, (), [(0.0, True)], 9_000.0) == []
    (one,) = decided(e2e, (), [(0.0, False)], 3_000.0)
    assert not e2e[0].within(one)


def test_a_queue_that_grows_is_seen_whatever_is_promised() -> None:
    finished = answered(60, gap_ms=100.0)
    waiting = [(6000.0 + 100 * each, False) for each in range(100)]
    assert grows(finished, waiting, 16_000.0)
    found = look(parse_slo("e2e:p90<900s"), finished, waiting, 16_000.0)
    assert (found.answer, found.overload) == ("breaks", True)
    assert not grows(answered(60), [(60_000.0, True)], 60_100.0)
    assert not grows([], waiting, 16_000.0)


def test_requests_that_all_keep_it_tell_as_much_as_their_bunches_allow() -> None:
    chance = random.Random(1)
    loose = [chance.random() for _ in range(400)]
    bunched = [value for value in loose[:40] for _ in range(10)]
    told = [Kept.of([True] * 400, values).independent for values in ((), loose, bunched)]
    assert told[0] == 400
    assert told[1] > 250
    assert told[2] < 60


def test_several_are_together_what_all_their_requests_are() -> None:
    together = Kept.together([Kept(0.5, 100, 20.0), Kept(1.0, 300, 30.0)])
    assert (together.share, together.requests, together.independent) == (0.875, 400, 50.0)
    assert Kept.together([]).independent == 0
    assert math.isfinite(Kept.of([]).share)
