"""Scenarios: the shipped ones are read, and whatever is wrong with one is told with where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import REPOSITORY
from outpace.ground.errors import UsageError
from outpace.simulation.pool.contributor import asked_for
from outpace.simulation.pool.population import workload
from outpace.simulation.pool.scenario import Scenario, read
from outpace.simulation.pool.variations import variations

SHIPPED = sorted((REPOSITORY / "bench" / "scenarios").glob("*.toml"))
RECORDINGS = [REPOSITORY / "bench" / "recordings"]
LENGTHS = """\
[lengths]
prompt_tokens = 60
output_tokens = { lognormal = { median = 40, sigma = 0.5 }, most = 400 }
"""
TEXT = f"""\
title = "a few"
rule = "power-of-two"
slo = "ttft:p95<3s"

[arrivals]
requests = "poisson:2/s"
for = "1min"

{LENGTHS}
[[hosts]]
name = "laptop"
count = 3
tokens_per_s = 30
slots = 2
throughput = {{ 1 = 1.0, 2 = 1.6 }}
[hosts.churn]
on_s = {{ exponential = 600 }}
off_s = {{ exponential = 200 }}

[[hosts]]
name = "desktop"
count = 1
like = "phase-0:local"
"""


def scenario(tmp_path: Path, text: str = TEXT) -> Scenario:
    path = tmp_path / "few.toml"
    path.write_text(text, encoding="utf-8")
    return read(path, RECORDINGS)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_are_read(path):
    assert read(path, RECORDINGS).hosts == {"club": 300, "friends": 2, "globe": 10_000, "office": 10}[path.stem]


def test_the_one_that_the_page_shows_is_read(tmp_path):
    page = (REPOSITORY / "docs" / "pool.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    found = scenario(tmp_path, shown)
    assert (found.hosts, found.queue, found.knows) == (50, 100, "measured")
    assert found.groups[1].churn.day is not None


def test_a_host_like_a_recorded_one_is_as_fast_and_as_far_as_that(tmp_path):
    kind = scenario(tmp_path).groups[1].kind
    assert kind.tokens_per_s.mean == pytest.approx(116.63, rel=0.1)  # its level of one in flight
    assert (kind.round_trip_ms.mean, kind.slots) == (2.2, 4)
    assert kind.curve(4) * 4 == pytest.approx(13.862 / 116.63)
    assert kind.capacity.limit == 1


@pytest.mark.parametrize(
    "name", ["vllm:laptop", "llama-server-np4:desktop", "ollama-np1:desktop", "embedded:embedded-2"]
)
def test_hosts_of_other_recordings_can_be_had_too(tmp_path, name):
    kind = scenario(tmp_path, TEXT.replace("phase-0:local", name)).groups[1].kind
    assert 5 < kind.tokens_per_s.mean < 200
    assert kind.prompt_tokens_per_s is None or kind.prompt_tokens_per_s.mean > kind.tokens_per_s.mean


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("title =", "title", r"is not TOML: .*line 1"),
        ('slo = "ttft:p95<3s"', "", r"at \$: 'slo' is a required property"),
        ('slo = "ttft:p95<3s"', 'slo = "fast"', r"slo: cannot read 'fast'"),
        ("poisson:2/s", "often", r"arrivals.requests: cannot read 'often'"),
        ("poisson:2/s", "trace:x.csv", r"arrivals.requests: The trace .*x.csv cannot be read"),
        ("poisson:2/s", "trace:few.toml", r"arrivals.requests: The trace .* begins with 'title"),
        (LENGTHS, "", r"lengths: write how long requests are"),
        ('for = "1min"', 'for = "long"', r"arrivals.for: 'long' is no time"),
        ("count = 3", "count = 0", r"\$.hosts\[0\].count: 0 is less than the minimum"),
        ('name = "desktop"', 'name = "laptop"', r"two groups have one name"),
        ("tokens_per_s = 30", "tokens_per_s = -1", r"\$.hosts\[0\].tokens_per_s"),
        ("tokens_per_s = 30", "", r"\$.hosts\[0\]"),
        ("{ exponential = 200 }", "{ guess = 200 }", r"\$.hosts\[0\].churn.off_s"),
        ("off_s =", "off =", r"\$.hosts\[0\].churn"),
        ("{ 1 = 1.0,", "{ 1 = 1.1,", r"hosts laptop: throughput: .*begin with 1 = 1.0"),
        ("phase-0:local", "phase-0:nobody", r"hosts desktop: like: .*no host nobody; it has local, remote"),
        ("phase-0:local", "nowhere:local", r"hosts desktop: like: there is no recording nowhere"),
        ("off_s =", "day = { hours = [8, 8], zones = [0] }\noff_s =", r"churn: day: from one hour to the same"),
        ("off_s =", "leaving = { cuts = 0 }\noff_s =", r"churn: leaving: no way of leaving"),
        (
            "on_s = { exponential = 600 }\noff_s = { exponential = 200 }",
            "trace = [[0, 50], [40, 60]]\nevery_s = 100",
            r"churn: trace: write spans",
        ),
    ],
)
def test_what_is_wrong_is_told_with_where(tmp_path, written, instead, said):
    assert written in TEXT
    with pytest.raises(UsageError, match=said) as caught:
        scenario(tmp_path, TEXT.replace(written, instead))
    assert "few.toml" in str(caught.value)


def test_a_scenario_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=re.escape("nowhere.toml cannot be read")):
        read(tmp_path / "nowhere.toml")


TRACE = """\
{"timestamp": 0, "input_length": 100, "output_length": 20}
{"timestamp": 1500, "input_length": 2000, "output_length": 40}
{"timestamp": 70000, "input_length": 9, "output_length": 9}
"""


def test_requests_may_come_as_a_trace_has_them_with_their_lengths(tmp_path):
    (tmp_path / "service.jsonl").write_text(TRACE, encoding="utf-8")
    traced = scenario(tmp_path, TEXT.replace(LENGTHS, "").replace("poisson:2/s", "trace:service.jsonl"))
    (tmp_path / "service.jsonl").unlink()  # whoever plays it needs no file

    def asked(each: Scenario) -> list[tuple[float, tuple[int, int]]]:
        return [(prompt.due_ms, asked_for(prompt.text)) for prompt in workload(each, 1).prompts]

    assert asked(traced) == [(0.0, (100, 20)), (1500.0, (2000, 40))]
    (faster,) = variations(traced, ["rate:2x"])
    assert asked(faster.scenario) == [(0.0, (100, 20)), (750.0, (2000, 40)), (35_000.0, (9, 9))]
    (tmp_path / "service.jsonl").write_text(TRACE, encoding="utf-8")
    with pytest.raises(UsageError, match="lengths: write how long requests are, or let a trace tell it, and not both"):
        scenario(tmp_path, TEXT.replace("poisson:2/s", "trace:service.jsonl"))


def test_variations_are_each_with_each(tmp_path):
    found = variations(scenario(tmp_path), ["hosts:4,40", "rule:random,pull"])
    assert [each.varied for each in found] == [
        {"hosts": hosts, "rule": rule} for hosts in ("4", "40") for rule in ("random", "pull")
    ]
    assert [each.scenario.hosts for each in found] == [4, 4, 40, 40]
    assert [each.scenario.rule for each in found] == ["random", "pull"] * 2


@pytest.mark.parametrize(
    ("hosts", "counts"), [(2, [1, 1]), (4, [3, 1]), (5, [4, 1]), (7, [5, 2]), (4000, [3000, 1000])]
)
def test_more_hosts_are_of_the_kinds_that_there_were(tmp_path, hosts, counts):
    (found,) = variations(scenario(tmp_path), [f"hosts:{hosts}"])
    assert [group.count for group in found.scenario.groups] == counts


def test_what_else_can_be_varied(tmp_path):
    few = scenario(tmp_path)
    (size,) = variations(few, ["size:40"])
    assert (size.scenario.hosts, size.scenario.arrivals.rate_per_s) == (40, 20.0)
    (rate,) = variations(few, ["rate:0.5x"])
    assert (rate.scenario.hosts, rate.scenario.arrivals.rate_per_s) == (4, 1.0)
    never, half = variations(few, ["away:0,0.5"])
    assert few.away == pytest.approx(3 / 4 * 1 / 4)
    assert never.scenario.away == 0
    assert half.scenario.away == pytest.approx(3 / 4 * 1 / 2)
    (knows,) = variations(few, ["knows:claimed"])
    assert knows.scenario.knows == "claimed"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("colour:red", "cannot read 'colour:red'"),
        ("hosts:", "cannot read 'hosts:'"),
        ("hosts:1", "from 2, one of each kind"),
        ("hosts:many", "whole number"),
        ("rate:2", "factor above 0"),
        ("rate:0x", "factor above 0"),
        ("away:1", "share from 0"),
        ("knows:all", "measured, claimed, nothing"),
        ("rule:best", "no strategy 'best'"),
    ],
)
def test_a_variation_that_cannot_be(tmp_path, asked, said):
    with pytest.raises(UsageError, match=said):
        variations(scenario(tmp_path), [asked])


def test_absences_cannot_be_varied_where_nobody_has_sessions(tmp_path):
    steady = TEXT.partition("[hosts.churn]")[0]
    with pytest.raises(UsageError, match="nobody in this scenario has sessions"):
        variations(scenario(tmp_path, steady), ["away:0.5"])


def test_nothing_is_varied_twice(tmp_path):
    with pytest.raises(UsageError, match="no two of them"):
        variations(scenario(tmp_path), ["hosts:4", "size:40"])
