"""What is read out of a recording: slots, pace, the gain of a burst, and times that fit the replay."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.recording import fitted_levels, har
from outpace.recording.fitted_bursts import burst_ms, gain
from outpace.recording.fitted_pace import Pace, alone, sizes
from outpace.recording.recording import Exchange, Level, Recording, Scene
from outpace.simulation.host_model import HostModel, speed_curve
from outpace.simulation.told_times import restamp, split_told


@cache
def recording(name: str) -> Recording:
    return har.read(REPOSITORY / "bench" / "recordings" / f"{name}.json")


@pytest.mark.parametrize(("name", "in_flight"), [("ollama-np1", 1), ("llama-server-np4", 4), ("vllm", 4)])
def test_requests_in_work_are_told_from_those_that_wait(name: str, in_flight: int) -> None:
    found = recording(name)
    burst = [each for each in found.exchanges if each.run == "all-parallel#1" and each.host == "laptop"]
    assert fitted_levels.slots(burst) == in_flight
    assert fitted_levels.level(4, burst).in_flight == 4


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


REAL = ("ollama-np1", "llama-server-np4", "vllm")


def told(body: bytes) -> tuple[str, int]:
    """Text and number of tokens in an answer, read as JSON."""
    text, tokens = "", 0
    for line in body.splitlines():
        line = line.removeprefix(b"data: ")
        if line.startswith(b"{"):
            said = json.loads(line)
            deltas = [choice["delta"] for choice in said.get("choices", [])]
            text += said.get("response", "") + "".join(delta.get("content") or "" for delta in deltas)
            tokens = said.get("eval_count") or (said.get("usage") or {}).get("completion_tokens") or tokens
    return text, tokens


@pytest.mark.parametrize("name", REAL)
def test_the_first_text_and_the_tokens_are_those_that_a_parser_finds(name: str) -> None:
    answered = [each for each in recording(name).exchanges if each.answered]
    assert len(answered) > 50
    for each in answered:
        at = fitted_levels.first_text_piece(each)
        pieces = [piece for _, piece in each.chunks]
        assert told(b"".join(pieces[:at]))[0] == ""
        assert told(b"".join(pieces[: at + 1]))[0] != ""
        assert fitted_levels.output_tokens(each) == told(each.body)[1] > 0


@pytest.mark.parametrize("name", REAL)
def test_the_level_is_tokens_by_the_time_from_first_to_last(name: str) -> None:
    burst = [each for each in recording(name).exchanges if each.run == "all-parallel#0" and each.host == "desktop"]
    level = fitted_levels.level(len(burst), burst)
    spans = [(each.started_ms, each.started_ms + each.wall_ms) for each in burst]
    seconds = (max(end for _, end in spans) - min(begin for begin, _ in spans)) / 1000
    assert level.tokens_per_s == pytest.approx(sum(told(each.body)[1] for each in burst) / seconds, abs=1e-3)
    assert level.mean_ms == pytest.approx(sum(end - begin for begin, end in spans) / len(burst), abs=1e-3)


def test_without_answers_there_is_one_slot_and_no_level() -> None:
    failed = Exchange("a", "x#0", 0, "/", "{}", 0.0, 5.0, 503, "", ((1.0, b"busy"),))
    assert fitted_levels.slots([]) == fitted_levels.slots([failed]) == 1
    assert fitted_levels.level(4, [failed]) is None
    assert (fitted_levels.first_text_piece(failed), fitted_levels.output_tokens(failed)) == (0, 0)
    twice = Exchange(
        "a", "x#0", 0, "/", "{}", 0.0, 5.0, 200, "", ((1.0, b'"completion_tokens": 3 "completion_tokens":31'),)
    )
    assert fitted_levels.output_tokens(twice) == 31


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("host", ["laptop", "desktop"])
def test_a_sequential_run_is_replayed_from_its_own_times_in_every_round(name: str, host: str) -> None:
    found = recording(name)
    pace = Pace(host, found)
    trip_ms = next(each.round_trip_ms for each in found.hosts if each.name == host)
    mine = [each for each in found.exchanges if each.run.startswith(f"sequential@{host}#")]
    assert len(mine) == 8 * found.rounds
    for each in mine:
        work_ms = pace.work_ms(each.prompt, Scene("sequential", "sequential", int(each.run[-1])))
        if each.answered:
            assert work_ms == pytest.approx(each.wall_ms - trip_ms)


def test_a_prompt_that_was_left_unanswered_is_estimated_from_the_others_of_its_run() -> None:
    found = recording("llama-server-np4")
    (lost,) = [each for each in found.exchanges if each.run == "sequential@desktop#2" and not each.answered]
    size, trip_ms = sizes(found), found.hosts[1].round_trip_ms
    rest = [each for each in found.exchanges if each.run == lost.run and each.answered]
    mean = sum((each.wall_ms - trip_ms) / size[each.prompt] for each in rest) / len(rest)
    assert len(rest) == 7
    work_ms = Pace("desktop", found).work_ms(lost.prompt, Scene("sequential", "sequential", 2))
    assert work_ms == pytest.approx(size[lost.prompt] * mean)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("host", ["laptop", "desktop"])
def test_a_run_that_was_not_recorded_takes_sizes_times_one_pace_a_round(name: str, host: str) -> None:
    found = recording(name)
    pace, size = Pace(host, found), sizes(found)
    for number in range(2 * found.rounds):
        works = {prompt: pace.work_ms(prompt, Scene("pull", "pull", number)) for prompt in size}
        ratios = [work / size[prompt] for prompt, work in works.items()]
        assert ratios == pytest.approx([ratios[0]] * len(ratios))
        assert works[0] == pace.work_ms(0, Scene("pull", "pull", number % found.rounds))


@given(
    st.lists(st.tuples(st.integers(2, 16), st.floats(1, 1e4)), max_size=5, unique_by=lambda level: level[0]),
    st.floats(1, 1e4),
    st.integers(1, 16),
)
def test_throughput_stays_between_that_of_the_levels_beside(found, alone_rate: float, slots: int) -> None:
    levels = sorted([(1, alone_rate), *(level for level in found if level[0] <= slots)])
    speed = speed_curve([Level(n, rate, 1.0) for n, rate in [(1, alone_rate), *found]], slots)
    for n in range(1, slots + 1):
        below = max(level for level in levels if level[0] <= n)
        above = min((level for level in levels if level[0] >= n), default=levels[-1])
        low, high = sorted([below[1], above[1]])
        assert low * (1 - 1e-9) <= speed(n) * n * alone_rate <= high * (1 + 1e-9)


@pytest.mark.parametrize("name", REAL)
def test_a_real_answer_is_cut_and_put_together_without_loss(name: str) -> None:
    for each in recording(name).exchanges:
        before, rest = split_told(each.body)
        assert before + rest == each.body
        assert told(restamp(each.body, "openai", queue_ms=3.0, stretch=1.5)) == told(each.body)


def test_a_time_with_an_exponent_is_a_number_too() -> None:
    stamped = json.loads(restamp(b'{"queue_time_ms": 5e-05}', "openai", queue_ms=100.0, stretch=2.0))
    assert stamped["queue_time_ms"] == pytest.approx(100.0, abs=0.001)


@pytest.mark.parametrize("name", REAL)
def test_a_host_answers_with_bytes_of_its_own(name: str) -> None:
    found = recording(name)
    for host in found.hosts:
        model = HostModel(host, found)
        for prompt in range(8):
            mine = {each.body for each in found.exchanges if each.host == host.name and each.prompt == prompt}
            answer = model.answer(prompt, Scene("pull", "pull", 0))
            assert answer.head + b"".join(piece for _, piece in answer.middle) + answer.rest + answer.told in mine


def test_many_slots_take_no_more_memory_than_few() -> None:
    tracemalloc.start()
    speed_curve([Level(1, 10.0, 1.0), Level(4, 25.0, 1.0)], slots=100_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000
