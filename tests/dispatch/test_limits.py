"""The adaptive limit of what a host may have in flight, on hosts of known capacity, in plain numbers."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limited_host import DELIVERIES, TOKENS, Simulated, batching
from outpace.dispatch import Coordinator, HostKnowledge, find_strategy
from outpace.dispatch.limits import PATIENCE, TOKENS_A_REQUEST, AdaptiveLimit, Flight
from virtual import NumberEngine, numbers, run_virtually

# What it finds


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_one_is_found_on_a_host_that_thrashes(delivery: str) -> None:
    host = Simulated(lambda k: 20.0 / k, 8, delivery)
    assert host.work(AdaptiveLimit(), prompts=40) == 1
    assert host.most_in_flight == 2


@pytest.mark.parametrize("prompts", [40, 400])
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_one_is_found_on_a_host_that_lets_them_queue(delivery: str, prompts: int) -> None:
    assert batching(1, delivery).work(AdaptiveLimit(), prompts) == 1


@pytest.mark.parametrize("refills_late", [False, True])
@pytest.mark.parametrize("delivery", DELIVERIES[::2])
@pytest.mark.parametrize("gain", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("slots", [4, 8])
def test_the_slots_of_a_host_that_batches_are_found_within_one_doubling(
    slots: int, gain: float, delivery: str, refills_late: bool
) -> None:
    host = Simulated(lambda k: 20.0 * (1 + gain * (min(k, slots) - 1)), slots, delivery)
    host.refills_late = refills_late
    assert slots / 2 <= host.work(AdaptiveLimit(), prompts=100) <= 2 * slots


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("slots", [2, 4, 8])
@pytest.mark.parametrize("prompts", [100, 400])
def test_it_does_not_climb_beyond_what_the_host_can_use(slots: int, delivery: str, prompts: int) -> None:
    assert batching(slots, delivery).work(AdaptiveLimit(), prompts) <= 2 * slots


@pytest.mark.parametrize("slots", [1, 4, 8, 16])
def test_it_settles_where_a_host_says_the_texts_of_all_at_once(slots: int) -> None:
    host = batching(slots)
    host.refills_late = True
    assert slots / 2 <= host.work(AdaptiveLimit(), prompts=400) <= 2 * slots


def test_in_a_part_of_an_answer_a_host_that_streams_is_found_to_be_one_to_double() -> None:
    limit = AdaptiveLimit()
    host = Simulated(lambda k: 20.0 * k, 8)
    host.work(limit, prompts=8)
    assert host.most_in_flight > 1
    # One token begins the window, then so many more: at the latest two at once are in flight.
    assert host.seen.index(2) <= TOKENS_A_REQUEST + 1


@pytest.mark.parametrize(("slots", "most"), [(16, 2), (4, 6)])
def test_more_that_give_no_more_are_not_kept(slots: int, most: int) -> None:
    """Where others wait for a slot, as many as have one are kept: what fewer would give is not known then."""
    host = Simulated(lambda k: (20.0, 30.0, 30.5, 31.0)[min(k, 4) - 1], slots)
    assert 2 <= host.work(AdaptiveLimit(), prompts=100) <= most


def test_what_thrashes_beyond_some_level_is_kept_below_it() -> None:
    assert Simulated(lambda k: 20.0 * k if k <= 4 else 20.0, 16).work(AdaptiveLimit(), prompts=40) == 4


# What it keeps to


@pytest.mark.parametrize("known", [1, 3, 8])
def test_it_begins_with_what_is_known_and_stays_there(known: int) -> None:
    limit = AdaptiveLimit(known)
    assert limit.now == known
    host = batching(known)
    # So few answers are judged less often than its patience lasts.
    assert host.work(limit, prompts=2 * known) == known
    assert set(host.seen) == {known}


def test_a_collapse_of_throughput_halves_it() -> None:
    limit = AdaptiveLimit(8)
    batching(8).work(limit, prompts=16)
    Simulated(lambda k: 2.0 * k, 8).work(limit, prompts=8)
    assert limit.now == 4


def test_what_falls_again_and_again_ends_at_one() -> None:
    limit = AdaptiveLimit(8)
    for rate in (80.0, 30.0, 10.0, 3.0, 1.0, 0.3):
        judged(limit, rate, windows=2)
    assert limit.now == 1


def judged(limit: AdaptiveLimit, tokens_per_s: float, windows: int = 1, share: int = 100) -> None:
    """Let so many windows go by in each of which the host, full, gives ``tokens_per_s``; in one piece each."""
    for _ in range(windows):
        flights = [limit.began(0.0) for _ in range(limit.now)]
        for flight in flights:
            limit.ended(flight, 10.0, round(tokens_per_s * 10 / len(flights)), share)


def test_after_its_patience_it_adds_one_and_takes_it_back_where_that_gives_nothing() -> None:
    limit = AdaptiveLimit(4)
    judged(limit, 80.0, PATIENCE - 1)
    assert limit.now == 4
    judged(limit, 80.0)
    assert limit.now == 5
    judged(limit, 81.0)
    assert limit.now == 4
    judged(limit, 80.0, PATIENCE - 2)
    assert limit.now == 4
    judged(limit, 80.0)
    assert limit.now == 5


def test_it_adds_one_after_the_other_as_long_as_each_gives_more() -> None:
    limit = AdaptiveLimit(4)
    judged(limit, 80.0, PATIENCE)
    for level in (5, 6, 7):
        assert limit.now == level
        judged(limit, 20.0 * level)
    judged(limit, 140.0)
    assert limit.now == 7


def test_a_host_with_room_tells_nothing_of_its_limit() -> None:
    limit = AdaptiveLimit(4)
    for _ in range(3 * PATIENCE):
        flight = limit.began(0.0)
        for spoke_s in (0.1, 0.2, 0.3):
            limit.heard(flight, spoke_s, 100)
        limit.ended(flight, 0.3, 100, 100)
    assert limit.now == 4


def test_what_was_not_answered_tells_nothing() -> None:
    limit = AdaptiveLimit()
    for _ in range(10):
        limit.ended(limit.began(0.0), 1.0, None, 100)
    assert limit.now == 1


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("ceiling", [1, 3, 4])
def test_it_does_not_exceed_the_ceiling(ceiling: int, delivery: str) -> None:
    host = batching(16, delivery)
    host.work(AdaptiveLimit(ceiling=ceiling))
    assert max(host.seen) <= ceiling
    known = AdaptiveLimit(ceiling, ceiling)
    judged(known, 50.0, 2 * PATIENCE)
    assert known.now == ceiling


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("share", [1, 2, 3, 5])
def test_it_does_not_exceed_its_share_of_what_is_unanswered(share: int, delivery: str) -> None:
    host = batching(16, delivery)
    host.work(AdaptiveLimit(), share=lambda _: share)
    assert max(host.seen) <= share


def test_with_few_prompts_left_for_it_no_level_is_tried_that_they_cannot_fill() -> None:
    host = batching(16)
    host.work(AdaptiveLimit(), prompts=6)
    assert host.most_in_flight <= 6


moves = st.tuples(
    st.sampled_from(["begin", "begin", "hear", "hear", "hear", "end", "end"]),
    st.sampled_from([0.0, 0.0, 1e-9, 0.01, 0.3, 5.0, 1000.0]),  # seconds that go by before
    st.integers(0, 300),  # which of those in flight
    st.sampled_from([None, 0, 1, 7, 32, 4000]),  # tokens
    st.integers(1, 40),  # share
)


@given(st.lists(moves, max_size=400), st.sampled_from([None, 1, 2, 5, 16]), st.sampled_from([16, 17, 256]))
def test_whatever_happens_it_is_from_one_to_its_ceiling_and_rises_to_no_more_than_its_share(
    events: list[tuple[str, float, int, int | None, int]], known: int | None, ceiling: int
) -> None:
    limit = AdaptiveLimit(known, ceiling)
    now_s = 0.0
    under_way: list[Flight] = []
    for what, later_s, which, tokens, share in events:
        now_s += later_s
        before = limit.now
        if what == "begin":
            while len(under_way) < limit.now:  # as coordinators do: as full as may be
                under_way.append(limit.began(now_s))
        elif under_way and what == "hear":
            limit.heard(under_way[which % len(under_way)], now_s, share)
        elif under_way:
            limit.ended(under_way.pop(which % len(under_way)), now_s, tokens, share)
        assert 1 <= limit.now <= ceiling
        assert limit.now <= max(before, share)


# Under the coordinator


class Speaking(NumberEngine):
    """Says ``TOKENS`` tokens, each heard, with ``slots`` at once; together they take ``slow(k)`` times as long."""

    def __init__(self, name: str, slots: int, slow: Callable[[int], float] = lambda _: 1.0) -> None:
        super().__init__(name)
        self._places, self._slow, self._in_work = anyio.Semaphore(slots), slow, 0

    async def generate(self, prompt, settings, cache_key, heard=None):
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._service_s = lambda _: 0.0
        try:
            async with self._places:
                self._in_work += 1
                for _ in range(TOKENS):
                    await anyio.sleep(self._slow(self._in_work) / TOKENS)
                    if heard:
                        heard()
                self._in_work -= 1
        finally:
            self.in_flight -= 1
        answer = await super().generate(prompt, settings, cache_key)
        return type(answer)(answer.text, output_tokens=TOKENS)


@pytest.mark.parametrize(
    ("slots", "slow", "least", "most"),
    [(1, lambda _: 1.0, 1, 1), (8, lambda k: k**2, 1, 1), (4, lambda _: 1.0, 2, 8), (8, lambda _: 1.0, 4, 16)],
    ids=["queues", "thrashes", "batches 4", "batches 8"],
)
def test_the_coordinator_tells_it_all_that_it_needs(slots: int, slow, least: int, most: int) -> None:
    limits: list[AdaptiveLimit] = []

    def limit(_: HostKnowledge) -> AdaptiveLimit:
        limits.append(AdaptiveLimit())
        return limits[-1]

    async def main():
        coordinator = Coordinator({"a": Speaking("a", slots, slow)}, timeout_s=60.0)
        strategy = find_strategy("capacity-aware")
        return await coordinator.run("under-test", strategy, numbers(96), ["a"], cache_key="key", limit=limit)

    assert not run_virtually(main).run.failed
    (found,) = limits
    assert least <= found.now <= most
