"""Capacity: what is concluded of a host from its levels of concurrency, and when a sweep may stop."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity_levels import level_lists, levels
from outpace.judge.capacity import BATCHES_ABOVE, Level, classify, fit_usl, told_its_story

# What real engines gave at 1, 2, 4, 8 in flight, and the published machines alone and with four at once.


@pytest.mark.parametrize(
    ("engine", "tokens_per_s", "kind", "limit", "limit_low", "limit_high"),
    [
        ("llama-server, 4 slots", (37, 38, 52, 52), "batches", 4, 4, 8),
        ("vLLM, 8 sequences", (12, 17, 29, 38), "batches", 8, 8, 8),
        ("Ollama, 1 slot", (34, 34, 35, 36), "queues", 1, 1, 8),
        ("Ollama, 4 slots", (38, 50, 62), "batches", 4, 4, 4),
        ("noise", (100, 96, 104, 99), "queues", 1, 1, 8),
    ],
)
def test_real_figures(engine, tokens_per_s, kind, limit, limit_low, limit_high):
    found = classify(levels(*tokens_per_s))
    assert (found.kind, found.limit, found.limit_low, found.limit_high) == (kind, limit, limit_low, limit_high)
    assert found.settled
    assert found.gain == max(tokens_per_s) / tokens_per_s[0]


def test_the_published_machines_thrash():
    found = classify([Level(1, 7.0, 4000.0), Level(4, 0.9, 68_000.0, (0.13, 0.12, 0.14, 0.11, 0.13))])
    assert (found.kind, found.limit, found.limit_high, found.gain, found.settled) == ("thrashes", 1, 1, 1.0, True)
    assert found.reason == "4 in flight give only 0.13 times the throughput of one alone."


def test_a_host_that_batches_and_then_collapses_batches_and_its_reason_tells_the_rest():
    found = classify(levels(10, 18, 30, 28, 3))
    assert (found.kind, found.limit, found.limit_high) == ("batches", 4, 8)
    assert found.reason == (
        "4 in flight give 3.00 times the throughput of one alone; beyond that it thrashes, 16 give 0.30 times."
    )
    assert "beyond that it falls, 8 give 1.50 times" in classify(levels(10, 18, 30, 15)).reason
    assert "beyond" not in classify(levels(10, 18, 30, 28)).reason


def test_a_host_that_still_improves_may_do_better():
    found = classify(levels(10, 20, 40, 80))
    assert (found.limit, found.limit_high) == (8, 8)
    assert found.reason == (
        "8 in flight give 8.00 times the throughput of one alone; no more than 8 were tried, and more may be better."
    )
    assert "may be better" not in classify(levels(10, 20, 40, 40, 40)).reason
    assert "which 4 cannot be told from" in classify(levels(10, 20, 40, 41)).reason


def test_the_gains_count_where_there_are_any_and_the_machine_drifted():
    drifted = [Level(1, 40.0, 1.0), Level(2, 24.0, 1.0, (1.01, 0.99, 1.0, 1.02, 0.98))]
    assert classify(drifted).kind == "queues"
    assert classify([replace(level, gains=()) for level in drifted]).kind == "thrashes"


def test_gains_that_lie_across_a_border_leave_the_kind_open():
    found = classify(levels(10, 13, gains=(1.05, 1.1, 1.3, 1.35, 1.4)))
    assert (found.kind, found.limit, found.settled) == ("batches", 2, False)
    assert "noise leaves that open, from 1.05 to 1.40 times" in found.reason
    assert not classify(levels(10, 7, gains=(0.6, 0.7, 0.75, 0.82, 0.9))).settled
    assert not classify(levels(10, 11, gains=(1.0, 1.05, 1.1, 1.3, 1.4))).settled
    assert not classify(levels(10, 12.3)).settled
    assert classify(levels(10, 13, gains=(1.25, 1.3, 1.3, 1.35, 1.4))).settled


def test_a_host_that_may_batch_does_not_thrash_for_sure():
    batches_perhaps = Level(2, 11.0, 1.0, (1.0, 1.05, 1.1, 1.3, 1.4))
    found = classify([Level(1, 10.0, 1.0), batches_perhaps, Level(4, 3.0, 1.0, (0.3,) * 5)])
    assert (found.kind, found.settled) == ("thrashes", False)


def test_one_in_flight_alone_settles_nothing():
    found = classify([Level(1, 34.0, 900.0)])
    assert (found.kind, found.limit, found.gain, found.usl, found.settled) == ("queues", 1, 1.0, None, False)
    assert found.reason == "Only one in flight was tried."


@pytest.mark.parametrize("found", [[], [Level(2, 34.0, 1.0)], [Level(1, 0.0, 1.0), Level(2, 34.0, 1.0)]])
def test_without_one_in_flight_there_is_nothing_to_compare_with(found):
    for function in (classify, told_its_story, fit_usl):
        with pytest.raises(ValueError, match="one in flight must have given something"):
            function(found)


def test_a_level_told_twice_is_refused():
    with pytest.raises(ValueError, match="levels must differ"):
        classify([Level(1, 34.0, 1.0), Level(2, 34.0, 1.0), Level(2, 35.0, 1.0)])


@pytest.mark.parametrize("wrong", [(0, 1.0, 1.0), (1, -1.0, 1.0), (1, 1.0, math.nan), (2, 1.0, 1.0, (1.0, math.inf))])
def test_what_is_no_level_is_refused(wrong):
    with pytest.raises(ValueError, match="no level of concurrency"):
        Level(*wrong)


@given(level_lists)
def test_whatever_was_measured_the_parts_agree(found):
    capacity = classify(found)
    tried = [level.in_flight for level in found]
    assert {capacity.limit, capacity.limit_low, capacity.limit_high} <= set(tried)
    assert capacity.limit_low <= capacity.limit <= capacity.limit_high
    assert capacity.gain >= 1.0
    assert capacity.gain > BATCHES_ABOVE or capacity.kind != "batches"
    assert capacity.limit > 1 or capacity.kind != "batches"
    assert capacity.reason.endswith(".")
    assert ". " not in capacity.reason
    assert capacity.usl == fit_usl(found)


@given(level_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_levels_does_not_matter(found, chance):
    shuffled = found[:]
    chance.shuffle(shuffled)
    assert classify(shuffled) == classify(found)
    assert told_its_story(shuffled) == told_its_story(found)


@given(level_lists, st.integers(-8, 8))
def test_a_faster_machine_is_of_the_same_kind(found, power):
    scaled = [replace(level, tokens_per_s=math.ldexp(level.tokens_per_s, power)) for level in found]
    ours, theirs = classify(found), classify(scaled)
    assert (ours.kind, ours.limit, ours.gain, ours.reason) == (theirs.kind, theirs.limit, theirs.gain, theirs.reason)


# When a sweep may stop.


@pytest.mark.parametrize(
    ("tokens_per_s", "told"),
    [
        ((34,), False),
        ((34, 34), False),
        ((34, 34, 35), True),
        ((37, 38, 52), False),
        ((37, 38, 52, 52), False),
        ((37, 38, 52, 52, 51), True),
        ((12, 17, 29, 38), False),
        ((100, 96, 104), True),
        ((7, 3), True),
        ((7, 6.5), False),
        ((10, 18, 30, 20), True),
        ((10, 18, 30, 28), False),
    ],
)
def test_a_sweep_stops_where_throughput_fell_or_rises_no_more(tokens_per_s, told):
    assert told_its_story(levels(*tokens_per_s)) is told


def test_noise_is_no_reason_to_stop_for_a_fall_nor_to_go_on_for_a_rise():
    assert not told_its_story(levels(10, 7, gains=(0.4, 0.6, 0.7, 1.2, 1.3)))
    assert told_its_story(levels(10, 10, 12, gains=(0.8, 0.9, 1.2, 1.3, 1.4)))
