"""Comparison: rounds made by hand, figures worked out by hand."""

from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.records import BestAlone, FailedAttempt, RequestRecord, Round, Run
from outpace.judge.comparison import compare

milliseconds = st.floats(min_value=0.01, max_value=1e6)


def request(prompt=0, host="near", wall_ms=100.0, server_ms=90.0, **more):
    return RequestRecord(prompt, host, more.pop("start_ms", None), wall_ms, server_ms, **more)


def run(*requests, makespan_ms=100.0, strategy="serial-per-side", lower_bound_ms=None):
    hosts = ("near",) if strategy == "sequential" else ("near", "far")
    return Run(strategy, hosts, makespan_ms, requests, (), lower_bound_ms)


def a_round(*requests, ours=100.0, theirs=200.0, baseline=(), lower_bound_ms=None):
    return Round(
        run(*baseline, makespan_ms=theirs, strategy="sequential"),
        run(*requests, makespan_ms=ours, lower_bound_ms=lower_bound_ms),
    )


def compared(*rounds, **more):
    return compare("serial-per-side", ("near", "far"), rounds, **more)


def figures(*requests, host="near", **more):
    return compared(a_round(*requests), **more).hosts[host]


def test_the_ratio_is_the_median_over_rounds_and_the_speedup_its_inverse():
    found = compared(a_round(ours=50), a_round(ours=100), a_round(ours=300))
    assert found.ratios == (0.25, 0.5, 1.5)
    assert found.ratio.median == 0.5
    assert found.ratio.low is found.ratio.high is found.ratio.confidence is None
    assert found.speedup == 2.0
    assert (found.strategy, found.rounds, found.notes) == ("serial-per-side", 3, ())


@given(st.lists(st.tuples(milliseconds, milliseconds), min_size=1, max_size=9))
def test_the_ratio_pairs_each_run_with_its_own_baseline(makespans):
    found = compared(*(a_round(ours=ours, theirs=theirs) for ours, theirs in makespans))
    ratios = [ours / theirs for ours, theirs in makespans]
    assert found.ratio.median == median(ratios)
    assert found.speedup * found.ratio.median == pytest.approx(1.0)
    assert (found.ratio.confidence is not None) == (len(makespans) >= 5)


def with_alone(each, alone_ms, **more):
    return replace(each, alone=run(*more.get("requests", ()), makespan_ms=alone_ms, strategy="pull"))


def test_the_set_gain_is_the_median_over_rounds_of_the_best_alone_against_the_run():
    best = BestAlone("near", 4)
    rounds = (with_alone(a_round(ours=ours), alone_ms) for ours, alone_ms in ((50, 60), (100, 100), (200, 100)))
    found = compared(*rounds, best_alone=best)
    assert found.gains == (1.2, 1.0, 0.5)
    assert (found.gain.median, found.gain.low, found.best_alone) == (1.0, None, best)
    assert compared(a_round()).gain is None


def test_where_the_best_alone_wrote_less_the_comparison_says_so():
    answers = [request(0, output_tokens=100), request(1, output_tokens=100)]
    each = a_round(*answers, baseline=answers)
    same, less = (with_alone(each, 90.0, requests=[answers[0], request(1, output_tokens=n)]) for n in (100, 60))
    assert compared(same).notes == ()
    (note,) = compared(less).notes
    assert note.startswith("Not the same work: output tokens of run and best alone differ by up to 25%")


def test_what_fails_in_the_best_alone_is_told_as_well():
    lost = request(1)._replace(error="cut: gone")
    found = compared(with_alone(a_round(request(0)), 90.0, requests=[lost]))
    assert "1 prompts were answered by no host; their rounds have no ratio." in found.notes
    assert (found.gain, found.ratio.median) == (None, 0.5)


def test_added_latency_is_wall_less_server_of_a_host_s_own_requests():
    requests = request(0, wall_ms=110, server_ms=100), request(1, wall_ms=330, server_ms=300), request(2, "far", 50, 10)
    near, far = (figures(*requests, host=host) for host in ("near", "far"))
    assert (near.requests, near.added_latency_ms, near.source) == (2, (20.0, 10.0, 30.0), "server time")
    assert near.network_share == pytest.approx(40 / 440)
    assert (far.requests, far.added_latency_ms, far.network_share) == (1, (40.0, 40.0, 40.0), 0.8)


def test_a_host_s_figures_take_in_every_round_but_no_baseline():
    found = compared(
        a_round(request(wall_ms=110, server_ms=100), baseline=[request(wall_ms=900, server_ms=1)]),
        a_round(request(wall_ms=150, server_ms=100)),
    ).hosts["near"]
    assert (found.requests, found.added_latency_ms) == (2, (30.0, 10.0, 50.0))


def test_server_time_beyond_wall_time_is_kept_as_negative_added_latency():
    found = figures(request(wall_ms=100, server_ms=104), request(wall_ms=100, server_ms=98))
    assert found.added_latency_ms == (-1.0, -4.0, 2.0)
    assert found.network_share == pytest.approx(-0.01)


@pytest.mark.parametrize("told", [None, 90.0], ids=["none tells it", "one does not"])
def test_where_server_time_is_not_told_round_trips_stand_for_it_and_are_named(told):
    requests = request(0, wall_ms=100, server_ms=told), request(1, wall_ms=100, server_ms=None)
    found = figures(*requests, round_trips_ms={"near": [10.0, 20.0, 60.0], "far": [1.0]})
    assert (found.added_latency_ms, found.source) == ((30.0, 10.0, 60.0), "round trips")
    assert found.network_share == pytest.approx(2 * 30 / 200)


def test_round_trips_are_not_used_where_every_request_tells_its_server_time():
    found = figures(request(), round_trips_ms={"near": [50.0]})
    assert (found.added_latency_ms, found.source) == ((10.0, 10.0, 10.0), "server time")


def test_without_server_time_and_round_trips_added_latency_is_unknown():
    found = figures(request(server_ms=None, output_tokens=10))
    assert (found.added_latency_ms, found.source, found.network_share, found.ms_per_token) == (None, None, None, 10.0)


def test_a_host_without_requests_has_no_figures():
    found = figures(request(), host="far", round_trips_ms={"far": [5.0]})
    assert (found.requests, found.added_latency_ms, found.source, found.network_share) == (0, None, None, None)
    assert found.ms_per_token is None


@pytest.mark.parametrize(
    ("second_start", "queue_left_out", "source"),
    [
        (50.0, {"near"}, "round trips"),
        (50.0, {"far"}, "server time"),
        (50.0, (), "server time"),
        (100.0, {"near"}, "server time"),
    ],
    ids=["overlapped", "another host's", "queue told", "one after the other"],
)
def test_a_wait_in_a_queue_that_server_time_leaves_out_is_not_called_network(second_start, queue_left_out, source):
    requests = request(0, start_ms=0.0), request(1, start_ms=second_start), request(2, "far", start_ms=0.0)
    found = figures(*requests, round_trips_ms={"near": [3.0]}, queue_left_out=queue_left_out)
    assert found.source == source
    assert found.added_latency_ms == ((3.0,) * 3 if source == "round trips" else (10.0,) * 3)


def test_milliseconds_a_token_are_server_time_where_it_is_told():
    assert figures(request(server_ms=90, output_tokens=45)).ms_per_token == 2.0
    assert figures(request(server_ms=90, output_tokens=0)).ms_per_token is None
    assert figures(request(server_ms=90)).ms_per_token is None


def test_efficiency_is_the_median_of_lower_bound_by_makespan():
    rounds = [a_round(ours=100, lower_bound_ms=bound) for bound in (50.0, 80.0, 90.0, None)]
    assert compared(*rounds).dispatch_efficiency == pytest.approx(0.8)
    assert compared(a_round()).dispatch_efficiency is None


@pytest.mark.parametrize(("tokens", "uneven"), [(105, False), (106, True), (95, False), (94, True), (100, False)])
def test_output_tokens_more_than_5_percent_apart_are_told_beside_the_ratio(tokens, uneven):
    found = compared(a_round(request(output_tokens=tokens), baseline=[request(output_tokens=100)]))
    assert found.ratio.median == 0.5
    if uneven:
        assert found.ratio_per_token == pytest.approx(0.5 * 100 / tokens)
        assert "up to 6%" in found.notes[0]
        assert "ratio a token" in found.notes[0]
    else:
        assert (found.ratio_per_token, found.notes) == (None, ())


def test_one_uneven_round_is_enough_and_the_ratio_a_token_is_over_all():
    even = a_round(request(output_tokens=100), baseline=[request(output_tokens=100)])
    uneven = a_round(request(output_tokens=50), baseline=[request(output_tokens=100)])
    found = compared(even, uneven, even)
    assert found.ratio_per_token == 0.5
    assert "up to 50%" in found.notes[0]


def test_tokens_that_are_not_told_are_not_called_uneven():
    found = compared(a_round(request(), baseline=[request(output_tokens=100)]))
    assert (found.ratio_per_token, found.notes) == (None, ())


@pytest.mark.parametrize("side", ["run", "baseline"])
def test_a_round_with_an_unanswered_prompt_has_no_ratio_and_is_noted(side):
    whole = a_round(request(output_tokens=10), baseline=[request(output_tokens=10)])
    lost = RequestRecord(1, None, None, 0.0, attempts=0, error="connect: refused")
    cut = replace(whole, **{side: run(request(), lost)})
    found = compared(whole, cut)
    assert (found.rounds, found.ratios) == (2, (0.5,))
    assert "1 prompts were answered by no host" in " ".join(found.notes)
    assert (compared(cut).ratio, compared(cut).speedup, compared(cut).ratios) == (None, None, ())


def test_a_request_that_failed_on_a_host_is_no_figure_of_it():
    found = figures(request(wall_ms=110, server_ms=100), request(1, wall_ms=5, server_ms=None, error="cut: ended"))
    assert (found.requests, found.added_latency_ms) == (1, (10.0, 10.0, 10.0))


def test_no_round_is_no_ratio():
    found = compared()
    assert (found.rounds, found.ratio, found.speedup, found.dispatch_efficiency) == (0, None, None, None)
    assert {name: each.requests for name, each in found.hosts.items()} == {"near": 0, "far": 0}


def test_attempts_that_were_made_again_are_noted_but_stale_connections_are_not():
    attempts = [FailedAttempt(0, "far", 0.0, 5.0, error) for error in ("connect: refused", "stale: closed", "cut: e")]
    noted = replace(a_round(request()), run=replace(run(request()), failed_attempts=tuple(attempts)))
    assert "2 attempts failed" in compared(noted).notes[0]
    stale = replace(noted, run=replace(noted.run, failed_attempts=tuple(attempts[1:2])))
    assert compared(stale).notes == ()


def test_a_cold_load_and_a_cache_inside_a_round_are_noted():
    found = compared(a_round(request(load_ms=812.0, cached_tokens=7), baseline=[request(load_ms=5.0)]))
    assert "loaded inside a round 1 times; the slowest load took 812 ms" in found.notes[0]
    assert "7 prompt tokens" in found.notes[1]


@pytest.mark.parametrize(("server_ms", "noted"), [(99.0, False), (102.0, False), (130.0, True), (1e12, True)])
def test_a_host_that_tells_more_time_than_passed_is_not_believed_in_silence(server_ms, noted):
    found = compared(a_round(request(host="far", wall_ms=100.0, server_ms=server_ms), request()))
    assert found.notes == (
        ("far told server times longer than its requests took, which cannot be: its added latency means nothing.",)
        if noted
        else ()
    )


@pytest.mark.parametrize("wall_ms", [0.0, 5e-324])
def test_of_next_to_no_time_there_is_no_share(wall_ms):
    found = figures(request(wall_ms=wall_ms, server_ms=9.0))
    assert found.network_share is None
    assert found.added_latency_ms is not None
