"""What is read out of a recording: slots, pace, the gain of a burst, and times that fit the replay."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.replay import fit, har
from outpace.replay.burst import burst_ms, gain
from outpace.replay.model import speed_curve
from outpace.replay.pace import Pace, alone, sizes
from outpace.replay.recording import Level, Recording, Scene
from outpace.replay.restamp import restamp, split_told


def recording(name: str) -> Recording:
    return har.read(REPOSITORY / "bench" / "recordings" / f"{name}.json")


@pytest.mark.parametrize(("name", "in_flight"), [("ollama-np1", 1), ("llama-server-np4", 4), ("vllm", 4)])
def test_requests_in_work_are_told_from_those_that_wait(name: str, in_flight: int) -> None:
    found = recording(name)
    burst = [each for each in found.exchanges if each.run == "all-parallel#1" and each.host == "laptop"]
    assert fit.slots(burst) == in_flight
    assert fit.level(4, burst).in_flight == 4


def test_the_classes_of_the_engines_show_in_their_levels() -> None:
    for name, least, most in (("ollama-np1", 0.8, 1.2), ("llama-server-np4", 1.2, 2.0), ("vllm", 2.0, 4.0)):
        for host in recording(name).hosts:
            at = {level.in_flight: level.tokens_per_s for level in host.levels}
            assert least < at[4] / at[1] < most, (name, host.name)


def test_a_run_that_kept_one_in_flight_is_replayed_from_its_own_times() -> None:
    found = recording("ollama-np1")
    pace = Pace("desktop", found)
    for each in found.exchanges:
        if each.run == "serial-per-side#2" and each.host == "desktop":
            expected = each.wall_ms - found.hosts[1].round_trip_ms
            assert pace.work_ms(each.prompt, Scene("serial-per-side", "x", 2)) == pytest.approx(expected)


def test_other_runs_keep_the_drift_of_their_round() -> None:
    found = recording("ollama-np1")
    pace = Pace("laptop", found)
    by_round = [sum(pace.work_ms(prompt, Scene("pull", "pull", number)) for prompt in range(8)) for number in range(3)]
    recorded = [next(run.makespan_ms for run in found.runs if run.name == f"sequential@laptop#{i}") for i in range(3)]
    assert sorted(range(3), key=by_round.__getitem__) == sorted(range(3), key=recorded.__getitem__)


def test_requests_of_a_burst_had_the_host_to_themselves_only_where_they_did_not_overlap() -> None:
    found = recording("vllm")
    assert not [run for run, _, _ in alone("laptop", found) if run.strategy == "all-parallel"]
    assert len([1 for run, _, _ in alone("laptop", found) if run.name == "sequential@laptop#0"]) == 8
    assert set(sizes(found)) == set(range(8))


works = st.lists(st.floats(10, 5000), min_size=2, max_size=8)


@given(works, st.floats(0.05, 6.0))
def test_the_gain_is_what_makes_the_burst_take_so_long(works_ms: list[float], full: float) -> None:
    n = len(works_ms)
    full = min(full, 4.0 * n - 0.01)

    def rate(k: int) -> float:
        return 1.0 + (full - 1.0) * (k - 1) / (n - 1)

    took_ms = burst_ms(works_ms, rate)
    found = gain(works_ms, took_ms)
    assert burst_ms(works_ms, lambda k: 1.0 + (found - 1.0) * (k - 1) / (n - 1)) == pytest.approx(took_ms, rel=1e-6)


@given(works)
def test_a_burst_without_gain_takes_the_sum_of_the_works(works_ms: list[float]) -> None:
    assert burst_ms(works_ms, lambda _: 1.0) == pytest.approx(sum(works_ms))
    assert burst_ms(works_ms, lambda k: float(k)) == pytest.approx(max(works_ms))


def test_throughput_between_the_levels_is_interpolated() -> None:
    speed = speed_curve([Level(1, 10.0, 1.0), Level(4, 25.0, 1.0), Level(8, 30.0, 1.0)], slots=8)
    assert [speed(n) * n for n in (1, 2, 3, 4, 6, 8)] == pytest.approx([1.0, 1.5, 2.0, 2.5, 2.75, 3.0])


def test_levels_beyond_the_slots_and_missing_levels_do_no_harm() -> None:
    assert speed_curve([Level(1, 10.0, 1.0), Level(8, 30.0, 1.0)], slots=2)(2) == pytest.approx(0.5)
    assert speed_curve([], slots=1)(1) == 1.0
    assert speed_curve([], slots=4)(4) == pytest.approx(0.25)


OLLAMA = (
    b'{"response":"a total_duration of 5","done":false}\n'
    b'{"done":true,"total_duration":%d,"load_duration":7,"eval_duration":%d}\n'
)
VLLM = (
    b'data: {"metrics":{"time_to_first_token_ms":%d.5,"generation_time_ms":%d.25,"queue_time_ms":0.5}}\n\n'
    b"data: [DONE]\n"
)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.floats(0.01, 100), st.floats(0, 1e5))
def test_only_the_times_change(total: int, work: int, stretch: float, queue_ms: float) -> None:
    def change(of: Callable[[bytes], bytes], body: bytes) -> list[float]:
        stamped = of(body)
        number = re.compile(rb"(?<=:)[0-9.e+-]+")
        assert number.sub(b"N", stamped) == number.sub(b"N", body)
        return [float(found) for found in number.findall(stamped)]

    found = change(lambda body: restamp(body, "ollama", queue_ms=queue_ms, stretch=stretch), OLLAMA % (total, work))
    assert found == pytest.approx([total * stretch + queue_ms * 1e6, 7 * stretch, work * stretch], rel=1e-6, abs=1)
    found = change(lambda body: restamp(body, "openai", queue_ms=queue_ms, stretch=stretch), VLLM % (total, work))
    expected = [(total + 0.5) * stretch + queue_ms, (work + 0.25) * stretch, 0.5 + queue_ms]
    assert found == pytest.approx(expected, rel=1e-6, abs=0.001)


@given(st.binary())
def test_a_body_that_tells_no_time_stays_as_it_is(body: bytes) -> None:
    before, told = split_told(body)
    assert before + told == body
    if not told:
        assert restamp(body, "openai", queue_ms=5.0, stretch=2.0) == body


def test_what_tells_times_is_cut_off_at_the_beginning_of_its_line() -> None:
    before, told = split_told(OLLAMA % (5, 4))
    assert told.startswith(b'{"done":true')
    assert before.endswith(b"\n")
