"""The published run, recomputed: its headlines follow from its own table, save one.

Nothing here is taken from a summary that is not worked out again from the rounds.
"""

from pathlib import Path
from statistics import fmean

import pytest

from outpace.ground.errors import DocumentInvalid
from outpace.judge.comparison import compare
from outpace.judge.gate import judge
from outpace.report.document import Origin, build, read, rounds_from
from outpace.workload.prompts import workload

FOLDER = Path(__file__).parents[2] / "reports" / "phase-0"
HOSTS = ("local", "remote")
PUBLISHED_ADDED_LATENCY_RANGE_MS = (13, 60)


@pytest.fixture(scope="module")
def serial_per_side():
    return read(FOLDER / "report-B-serial-per-side.json")


@pytest.fixture(scope="module")
def all_parallel():
    return read(FOLDER / "report-A-all-parallel.json")


@pytest.fixture(scope="module")
def requests(serial_per_side):
    """The published table: its requests by host."""
    (only,) = rounds_from(serial_per_side)
    return {host: [request for request in only.run.requests if request.host == host] for host in HOSTS}


@pytest.fixture(scope="module")
def comparison(serial_per_side):
    return compare("serial-per-side", HOSTS, rounds_from(serial_per_side))


def test_eight_prompts_were_split_four_a_host(requests):
    assert [len(requests[host]) for host in HOSTS] == [4, 4]
    assert [request.prompt for host in HOSTS for request in requests[host]] == list(range(8))


def test_the_overhead_ratio_was_0_87(serial_per_side, comparison):
    (only,) = serial_per_side["rounds"]
    ratio = only["run"]["makespan_ms"] / only["baseline"]["makespan_ms"]
    assert ratio == pytest.approx(0.866, abs=0.0005)
    assert round(ratio, 2) == 0.87
    assert comparison.ratio.median == ratio
    assert only["overhead_ratio"] == round(ratio, 6)


def test_the_speedup_was_1_15(comparison):
    assert comparison.speedup == pytest.approx(2903 / 2515)
    assert round(comparison.speedup, 2) == 1.15


def test_the_remote_host_added_22_ms_to_a_request(requests, comparison):
    added = [request.wall_ms - request.server_ms for request in requests["remote"]]
    assert fmean(added) == pytest.approx(22.4)
    assert (min(added), max(added)) == pytest.approx((13.1, 30.2))
    assert comparison.hosts["remote"].added_latency_ms == pytest.approx((22.4, 13.1, 30.2))
    assert comparison.hosts["remote"].source == "server time"


def test_the_network_had_4_percent_of_the_remote_host_s_time(requests, comparison):
    wall = sum(request.wall_ms for request in requests["remote"])
    server = sum(request.server_ms for request in requests["remote"])
    assert (wall - server) / wall == pytest.approx(0.036, abs=0.0005)
    assert round(100 * comparison.hosts["remote"].network_share) == 4


def test_the_published_range_of_added_latency_is_not_the_remote_host_s(requests):
    """13 to 60 ms begins at a remote request and ends at a local one, which no network lay before."""
    added = {host: [request.wall_ms - request.server_ms for request in requests[host]] for host in HOSTS}
    low, high = PUBLISHED_ADDED_LATENCY_RANGE_MS
    assert round(min(added["remote"])) == low
    assert round(max(added["remote"])) == 30 < high
    assert round(max(added["local"])) == high


def test_the_published_range_is_that_of_no_set_of_hosts(requests):
    """With the local host's requests taken in, the range would begin at 2 ms."""
    added = [request.wall_ms - request.server_ms for host in HOSTS for request in requests[host]]
    assert (round(min(added)), round(max(added))) == (2, PUBLISHED_ADDED_LATENCY_RANGE_MS[1])


@pytest.mark.parametrize(("host", "ms_per_token"), [("local", 7.95), ("remote", 16.7)])
def test_the_remote_host_took_twice_the_local_one_s_time_a_token(requests, comparison, host, ms_per_token):
    server = sum(request.server_ms for request in requests[host])
    found = server / sum(request.output_tokens for request in requests[host])
    assert found == pytest.approx(ms_per_token, abs=0.05)
    assert comparison.hosts[host].ms_per_token == found


def test_the_makespan_is_the_slower_side_s_requests_one_after_the_other(serial_per_side, requests):
    sides = {host: sum(request.wall_ms for request in requests[host]) for host in HOSTS}
    rest = serial_per_side["rounds"][0]["run"]["makespan_ms"] - sides["remote"]
    assert sides["remote"] > sides["local"]
    assert rest == pytest.approx(16.4)


def test_the_summary_and_the_gate_are_what_the_rounds_give(serial_per_side, comparison):
    verdict = judge(comparison, serial_per_side["gate"]["threshold"])
    gate = {"threshold": 2.0, "verdict": verdict.verdict, "reason": verdict.reason, "least_gain": None}
    assert serial_per_side["gate"] == gate
    assert verdict.verdict == "pass"
    found = dict(serial_per_side["summary"])
    assert found.pop("notes")
    assert found == summary_of(comparison)


def summary_of(comparison):
    summary = build(Origin("", "live", (), workload(), None), comparison, [], judge(comparison))["summary"]
    del summary["notes"]
    return summary


def test_all_parallel_broke_the_gate_at_6_47_times_the_baseline(all_parallel):
    (only,) = all_parallel["rounds"]
    ratio = only["overhead_ratio"]
    assert ratio == all_parallel["summary"]["overhead_ratio"]["median"] == 6.47
    assert all_parallel["summary"]["speedup"] == round(1 / ratio, 6)
    assert all_parallel["gate"]["verdict"] == "fail"
    assert ratio >= all_parallel["gate"]["threshold"] == 2.0


def test_both_were_held_against_the_same_baseline(all_parallel, serial_per_side):
    ours, theirs = (report["rounds"][0]["baseline"] for report in (all_parallel, serial_per_side))
    assert ours == theirs
    assert (ours["strategy"], ours["hosts"], ours["makespan_ms"]) == ("sequential", ["local"], 2903)


def test_the_makespan_of_all_parallel_was_not_published_and_is_not_made_up(all_parallel):
    run = all_parallel["rounds"][0]["run"]
    assert (run["makespan_ms"], run["requests"]) == (None, [])
    assert all_parallel["summary"]["hosts"] == {}
    with pytest.raises(DocumentInvalid, match="does not tell the times of its all-parallel run"):
        rounds_from(all_parallel)


@pytest.mark.parametrize("name", ["serial_per_side", "all_parallel"])
def test_what_was_not_published_is_null(request, name):
    report = request.getfixturevalue(name)
    assert (report["source"], report["outpace"], report["machine"]) == ("published", None, None)
    assert {host[key] for host in report["hosts"] for key in ("url", "engine_version", "model_digest")} == {None}
    assert {key for key, value in report["workload"].items() if value is not None} == {"prompts"}
    untold = ("start_ms", "queue_ms", "load_ms", "first_token_ms", "prompt_tokens", "cached_tokens", "attempts")
    for row in report["rounds"][0]["run"]["requests"]:
        assert [row[key] for key in untold] == [None] * len(untold)
    assert report["summary"]["overhead_ratio"]["confidence"] is None
