"""The figures of report.html: no request is lost or hidden, and they stay small whatever the size of a run."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.capacity import Capacity, HostCapacity, Level, to_document
from outpace.report.figures.timeline import MOST_HOSTS, in_flight, timeline
from outpace.report.timeline import Bar, Drawn, Timeline, lanes_of
from outpace.report.words import Foreign
from pages import page_of
from report_documents import report


def bar(host, start_ms, wall_ms, **more):
    return Bar(0, Foreign(host), start_ms, wall_ms, (("generation", wall_ms),), **more)


def drawn(*bars):
    return Drawn(lanes_of((), bars), max((each.start_ms + each.wall_ms for each in bars), default=0.0))


def test_requests_that_overlap_stand_below_one_another():
    one = bar("a", 0, 10), bar("a", 5, 10), bar("a", 10, 10), bar("a", 15, 1)
    (lane,) = lanes_of((), one)
    assert lane.rows == ((one[0], one[2]), (one[1], one[3]))


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0.1, 50)), min_size=1, max_size=30))
def test_no_lane_holds_two_requests_at_once_and_none_is_lost(spans):
    bars = [bar("a", start, wall) for start, wall in spans]
    (lane,) = lanes_of((), bars)
    assert sorted((each.start_ms, each.wall_ms) for row in lane.rows for each in row) == sorted(spans)
    for row in lane.rows:
        for earlier, later in pairwise(row):
            assert later.start_ms >= earlier.start_ms + earlier.wall_ms - 0.011


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0.1, 10)), max_size=30), st.integers(1, 50))
def test_what_is_in_flight_adds_up_to_all_time(spans, steps):
    bars = [bar("a", start, wall) for start, wall in spans]
    levels = in_flight(bars, 100.0, steps)
    assert sum(levels) * 100.0 / steps == pytest.approx(sum(wall for _, wall in spans), abs=1e-6)


@pytest.mark.parametrize("size", [1, 300, 301, 10_000])
@pytest.mark.parametrize("hosts", [2, 64, 70])
def test_a_timeline_of_any_size_can_be_drawn_and_stays_small(size, hosts):
    run = drawn(*(bar(f"h{i % hosts}", i // hosts * 10.0, 10.0) for i in range(size)))
    alone = drawn(*(bar("h0", i * 10.0, 10.0) for i in range(size)))
    found = timeline(Timeline(Foreign("pull"), 1, 1, run, alone), "x")
    assert len(found.wide) < 250_000
    assert ("too many to draw" in found.caption) == (size > 300 or min(hosts, size) > 72)
    assert ("are not drawn" in found.caption) == (min(hosts, size) > MOST_HOSTS)


def test_a_timeline_without_any_time_can_be_drawn():
    timeline(Timeline(Foreign("pull"), 1, 1, drawn(bar("a", 0.0, 0.0)), Drawn((), None)), "x")


def test_a_host_of_which_one_level_is_known_can_be_drawn():
    only = Capacity("queues", 1, 1, 1, 1.0, (Level(1, 0.0, 1.0),), None, False, "Only one in flight was tried.")
    host = HostCapacity("near", None, None, None, None, only)
    page = page_of(report([0.5]), capacities=to_document("2026-01-31T12:00:00+00:00", "live", [host]))
    assert "Only one in flight was tried." in page.text
