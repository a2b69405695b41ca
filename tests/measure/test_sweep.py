"""The sweep of a host's capacity, over replayed sessions of real engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import REPOSITORY
from outpace.ground.errors import EngineFailed, RequestRefused, Unfinished
from outpace.ground.records import RequestRecord, Run
from outpace.judge import capacity
from outpace.judge.capacity import Capacity
from outpace.measure.forecast import forecast
from outpace.measure.session import Session
from outpace.measure.sweep import LEVELS, MOST_S, sweep, tokens_per_s, write_capacities
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.workload.prompts import Generation, workload
from reference.truth import Truth
from reference_session import virtual_session

KNOWN = {
    "ollama-np1": ("queues", 1, [1, 2, 4]),
    "llama-server-np4": ("batches", 4, [1, 2, 4, 8]),
    "vllm": ("batches", 8, [1, 2, 4, 8]),
    "phase-0": ("thrashes", 1, [1, 2]),
    "embedded": ("queues", 1, [1, 2, 4]),
}
"""What the engines of a recording do, their limit, and the levels that are tried."""
HOSTS = {
    "ollama-np1": ["laptop", "desktop"],
    "llama-server-np4": ["laptop", "desktop"],
    "vllm": ["laptop", "desktop"],
    "phase-0": ["local", "remote"],
    "embedded": ["embedded-1", "embedded-2"],
}
EVERY_HOST = [(name, host) for name, hosts in HOSTS.items() for host in hosts]


@contextmanager
def session_of(name: str) -> Iterator[Session]:
    found = har.read(REPOSITORY / "bench" / "recordings" / f"{name}.json")
    with Session(Settings(recording=found, workload=found.workload, baseline=found.baseline)) as session:
        yield session


def swept(name: str, host: str) -> Capacity:
    with session_of(name) as session:
        return sweep(session, host)


@pytest.mark.parametrize(("name", "host"), EVERY_HOST)
def test_a_sweep_finds_what_the_engine_is(name: str, host: str) -> None:
    kind, limit, levels = KNOWN[name]
    found = swept(name, host)
    assert (found.kind, found.limit) == (kind, limit)
    assert [level.in_flight for level in found.levels] == levels
    assert found.limit_low <= limit <= found.limit_high


@pytest.mark.parametrize(("name", "host"), EVERY_HOST)
def test_it_agrees_with_the_levels_that_were_recorded(name: str, host: str) -> None:
    with session_of(name) as session:
        recorded = session.knowledge.capacities[host]
        found = sweep(session, host)
    assert (found.kind, found.limit) == (recorded.kind, recorded.limit)
    assert found.gain == pytest.approx(recorded.gain, rel=0.06)


def test_it_is_kept_in_the_session_and_is_the_limit_from_then_on() -> None:
    with session_of("vllm") as session:
        session.knowledge.capacities.clear()
        assert session.knowledge.of_hosts(swept=True)["laptop"].limit is None
        found = sweep(session, "laptop")
        assert session.knowledge.capacities == {"laptop": found}
        known = session.knowledge.of_hosts(swept=True)
        assert (known["laptop"].limit, known["laptop"].gain) == (8, found.gain)
        assert known["desktop"].limit is None
        assert session.knowledge.of_hosts(swept=False)["laptop"].limit is None


def test_each_level_is_measured_beside_requests_that_have_the_host_to_themselves() -> None:
    asked: list[tuple[int, int]] = []
    with session_of("llama-server-np4") as session:
        load = session.load

        def noting(host: str, in_flight: int, first: int = 0) -> Run:
            asked.append((in_flight, first))
            return load(host, in_flight, first)

        session.load = noting  # type: ignore[method-assign]
        found = sweep(session, "laptop")
    assert asked[::2] == [(1, first) for _, first in asked[1::2]]
    assert [len(level.gains) for level in found.levels] == [0, 5, 3, 3]
    assert [first for in_flight, first in asked[1::2] if in_flight == 2] == [0, 1, 2, 3, 4]


def test_two_sweeps_are_equal() -> None:
    assert swept("llama-server-np4", "desktop") == swept("llama-server-np4", "desktop")


def test_a_block_is_of_so_many_prompts_from_the_first_on_and_round() -> None:
    with session_of("ollama-np1") as session:
        count = len(session.settings.workload.prompts)
        three = session.load("laptop", 3, first=count - 1)
        more = session.load("desktop", count + 3)
    assert len(three.requests) == 3
    assert {request.host for request in three.requests} == {"laptop"}
    assert {request.start_ms for request in more.requests} == {0.0}
    assert len(more.requests) == count + 3


# capacity.json


@pytest.mark.parametrize("name", ["vllm", "phase-0"])
def test_capacities_are_written_and_read_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capacity.json"
    with session_of(name) as session:
        found = {host: sweep(session, host) for host in session.ordered}
        write_capacities(session, path)
        document = capacity.read(path)
        engines = {each.name: (each.engine, each.model) for each in session.origin.hosts}
        assert (document["created"], document["source"]) == (session.origin.created, "replay")
    again = capacity.from_document(document)
    assert [host.name for host in again] == list(found)
    for host in again:
        mine = found[host.name]
        assert (host.engine, host.model) == engines[host.name]
        assert (host.capacity.kind, host.capacity.limit, host.capacity.settled, host.capacity.reason) == (
            mine.kind,
            mine.limit,
            mine.settled,
            mine.reason,
        )
        assert host.capacity.gain == pytest.approx(mine.gain, abs=1e-4)
        for ours, theirs in zip(host.capacity.levels, mine.levels, strict=True):
            assert ours.in_flight == theirs.in_flight
            assert ours.tokens_per_s == pytest.approx(theirs.tokens_per_s, abs=1e-3)
            assert ours.gains == pytest.approx(theirs.gains, abs=1e-4)


def test_only_what_is_known_is_written(tmp_path: Path) -> None:
    with session_of("ollama-np1") as session:
        session.knowledge.capacities.clear()
        sweep(session, "desktop")
        write_capacities(session, tmp_path / "capacity.json")
    assert list(capacity.read(tmp_path / "capacity.json")["hosts"]) == ["desktop"]


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with session_of("phase-0") as session, pytest.raises(OSError, match="file"):
        write_capacities(session, blocked / "capacity.json")


# Hosts that fail


@pytest.mark.parametrize("fails_from", [1, 2, 4])
def test_a_host_that_leaves_a_prompt_unanswered_ends_the_sweep(
    fails_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session_of("vllm") as session:
        before = dict(session.knowledge.capacities)
        engine, under_way = session.engines["desktop"], 0
        generate = engine.generate

        async def refusing(*arguments, **more):
            nonlocal under_way
            under_way += 1
            try:
                if under_way >= fails_from:
                    raise RequestRefused("desktop has had enough")
                return await generate(*arguments, **more)
            finally:
                under_way -= 1

        monkeypatch.setattr(engine, "generate", refusing)
        with pytest.raises(Unfinished) as raised:
            sweep(session, "desktop")
        assert session.knowledge.capacities == before
    said = str(raised.value)
    assert f"desktop left prompt {fails_from - 1} unanswered with {fails_from} in flight" in said
    assert "desktop has had enough" in said


def test_a_failure_that_passes_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with session_of("ollama-np1") as session:
        engine, failures = session.engines["laptop"], [EngineFailed("once")]
        generate = engine.generate

        async def failing_once(*arguments, **more):
            if failures:
                raise failures.pop()
            return await generate(*arguments, **more)

        monkeypatch.setattr(engine, "generate", failing_once)
        assert sweep(session, "laptop").levels[0].in_flight == 1
    assert not failures


# Throughput


def run_of(*tokens: int | None, makespan_ms: float = 2000.0) -> Run:
    requests = (RequestRecord(prompt, "a", 0.0, 1000.0, output_tokens=each) for prompt, each in enumerate(tokens))
    return Run("sweep", ("a",), makespan_ms, tuple(requests))


def test_throughput_is_tokens_a_second_or_answers_where_none_are_told() -> None:
    assert tokens_per_s(run_of(10, 20)) == 15
    assert tokens_per_s(run_of(10, None)) == 1


def test_levels_double_up_to_what_a_sweep_may_try() -> None:
    assert LEVELS == (2, 4, 8, 16, 32, 64, 128)


# Bounded


def test_each_level_tells_what_it_cost() -> None:
    with session_of("llama-server-np4") as session:
        began_s = session.now()
        found = sweep(session, "laptop")
        took_s = session.now() - began_s
    alone, *levels = found.levels
    assert alone.took_ms is None
    assert sum(level.took_ms or 0.0 for level in levels) == pytest.approx(took_s * 1000)
    assert all(level.took_ms > 3 * level.mean_ms for level in levels if level.took_ms)


@pytest.mark.parametrize(("prompts", "levels"), [(1, [1, 2]), (2, [1, 2]), (5, [1, 2, 4, 8]), (8, [1, 2, 4, 8])])
def test_no_more_are_tried_at_once_than_there_are_prompts(prompts: int, levels: list[int]) -> None:
    found = har.read(REPOSITORY / "bench" / "recordings" / "vllm.json")
    texts = [prompt.text for prompt in found.workload.prompts[:prompts]]
    with Session(Settings(recording=found, workload=workload(texts, found.workload.generation))) as session:
        assert [level.in_flight for level in sweep(session, "laptop").levels] == levels


def test_a_level_that_would_take_too_long_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    whole_s = sum(level.took_ms or 0.0 for level in swept("vllm", "laptop").levels) / 1000
    monkeypatch.setattr("outpace.measure.sweep.MOST_S", 0.95 * whole_s)
    found = swept("vllm", "laptop")
    assert [level.in_flight for level in found.levels] == [1, 2, 4]
    assert "no more than 4 were tried, and more may be better" in found.reason


SLOW = Truth(tokens_per_s=1.0, prompt_ms=5.0, tokens=59)


@pytest.mark.parametrize("prompts", [8, 64])
@pytest.mark.parametrize(
    ("truth", "kind", "blocks"),
    [
        (SLOW, "queues", 1),
        (replace(SLOW, slots=4, batching={4: 4.0}), "batches", 1),
        (replace(SLOW, slots=8, batching={8: 3.0}), "batches", 1),
        (replace(SLOW, tokens_per_s=4.0), "queues", 4),
    ],
)
def test_a_slow_host_is_swept_for_as_long_as_a_sweep_may_take_and_no_longer(
    truth: Truth, kind: str, blocks: int, prompts: int
) -> None:
    asked = workload([f"prompt {number}" for number in range(prompts)], Generation(max_tokens=64))
    with virtual_session({"a": truth}, workload=asked, timeout_s=1e6) as session:
        foretold_s, began_s = forecast(session, [], ["a"]).sweep_s, session.now()
        found = sweep(session, "a")
        assert session.now() - began_s <= MOST_S
        assert foretold_s == MOST_S
    assert (found.kind, [len(level.gains) for level in found.levels]) == (kind, [0, blocks])
    assert "no more than 2 were tried, and more may be better" in found.reason


def test_a_host_too_slow_for_any_sweep_has_none_and_one_in_flight() -> None:
    asked = workload(["a prompt"] * 8, Generation(max_tokens=70))
    with virtual_session({"a": replace(SLOW, tokens=70)}, workload=asked, timeout_s=1e6) as session:
        foretold_s, began_s = forecast(session, [], ["a"]).sweep_s, session.now()
        found = sweep(session, "a")
        assert session.now() - began_s == foretold_s == 0.0
        assert session.knowledge.capacities == {"a": found}
    assert (found.kind, found.limit, found.settled) == ("queues", 1, False)
    (level,) = found.levels
    assert (level.in_flight, level.tokens_per_s) == (1, pytest.approx(1.0, rel=0.01))
    assert found.reason == "Only one in flight was tried: a sweep of answers of 70 s takes too long."
