"""The reference engine over HTTP: what outpace finds out about it is what it was made to be."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

import reference_engine
from outpace.engines import Client, Completion, Engine, connect
from outpace.ground.errors import BodyCut, EngineBusy, EngineFailed, RequestFailed, RequestRefused, TimedOut
from outpace.ground.hosts import Host
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.prompts import Generation, workload
from reference_engine import Truth, running

QUICK = Truth(tokens_per_s=500.0, prompt_ms=10.0, tokens=10)
GENERATION = Generation(max_tokens=64)
NANOSECONDS = 2e-6  # in ms: what rounding to whole nanoseconds may take


def host(url: str, name: str = "a") -> Host:
    return Host(name, url, ("127.0.0.1",))


def asked(truth: Truth, ask: Callable[[Engine], Coroutine[Any, Any, Any]], protocol: str | None = None) -> Any:
    """What ``ask`` makes of an engine that ``truth`` is true of."""

    async def main(url: str) -> Any:
        async with Client(timeout_s=10.0) as client:
            return await ask((await connect(client, [host(url)], protocol=protocol))["a"])

    with running(truth) as (url,):
        return anyio.run(main, url)


async def together(engine: Engine, requests: int, **more: Any) -> list[Completion | RequestFailed]:
    """Send so many at once; what becomes of them, in the order of its becoming."""
    ended: list[Completion | RequestFailed] = []

    async def one(turn: int) -> None:
        try:
            ended.append(await engine.generate(f"prompt {turn}", GENERATION, "key", **more))
        except RequestFailed as error:
            ended.append(error)

    async with anyio.create_task_group() as tasks:
        for turn in range(requests):
            tasks.start_soon(one, turn)
    return ended


@pytest.mark.parametrize(
    ("engine", "asked_as", "protocol", "digest"),
    [
        ("ollama", None, "ollama", "5eed" * 16),
        ("ollama", "openai", "openai", "5eed" * 16),  # an Ollama lists its models to whoever asks
        ("vllm", None, "openai", None),
    ],
)
def test_both_protocols_are_detected(engine: str, asked_as: str | None, protocol: str, digest: str | None) -> None:
    async def ask(found: Engine) -> Engine:
        await found.ping()
        return found

    found = asked(replace(QUICK, engine=engine, version="1.2.3", model="small"), ask, asked_as)
    identity = found.identity
    assert (identity.engine, identity.protocol, identity.version) == (engine, protocol, "1.2.3")
    assert (found.model, identity.models) == ("small", {"small": digest})


def test_ollama_tells_what_was_set() -> None:
    async def ask(engine: Engine) -> list[Completion]:
        whole = await engine.generate("three words here", GENERATION, "key")
        return [whole, await engine.generate("long", Generation(max_tokens=4), "key")]

    whole, short = asked(replace(QUICK, tokens={"": 10, "long": 400}), ask)
    assert (whole.output_tokens, whole.prompt_tokens, short.output_tokens) == (10, 3, 4)
    assert whole.server_ms == pytest.approx(30.0, abs=NANOSECONDS)
    assert short.server_ms == pytest.approx(18.0, abs=NANOSECONDS)
    assert whole.queue_ms == pytest.approx(0.0, abs=NANOSECONDS)
    assert whole.load_ms == 0.0
    assert whole.text == "The answer of an engine that has no model,"
    assert whole.first_token_ms is not None
    assert whole.first_token_ms >= 12.0


def test_vllm_tells_what_was_set_and_nothing_without_its_metrics() -> None:
    async def ask(engine: Engine) -> Completion:
        return await engine.generate("three words here", GENERATION, "key")

    truth = replace(QUICK, engine="vllm")
    told, untold = asked(truth, ask), asked(replace(truth, metrics=False), ask)
    assert told.server_ms == pytest.approx(30.0, abs=NANOSECONDS)
    assert told.queue_ms == pytest.approx(0.0, abs=NANOSECONDS)
    assert (told.output_tokens, told.prompt_tokens) == (untold.output_tokens, untold.prompt_tokens) == (10, 3)
    assert (untold.server_ms, untold.queue_ms) == (None, None)
    assert told.text == untold.text


@pytest.mark.parametrize("engine", ["ollama", "vllm"])
def test_every_token_is_a_piece_of_its_own(engine: str) -> None:
    async def ask(found: Engine) -> int:
        heard: list[int] = []
        await found.generate("a", GENERATION, "key", lambda: heard.append(1))
        return len(heard)

    assert asked(replace(QUICK, engine=engine), ask) == 10


def test_one_slot_queues_and_the_wait_is_told() -> None:
    async def ask(engine: Engine) -> Any:
        return await together(engine, 4)

    answers = asked(QUICK, ask)
    queues_ms = [answer.queue_ms for answer in answers]
    for answer, queue_ms in zip(answers, queues_ms, strict=True):
        assert answer.server_ms == pytest.approx(30.0 + queue_ms, abs=NANOSECONDS)
    assert queues_ms == sorted(queues_ms)
    # Each waits for those before it, less the time by which it came later than they did.
    assert all(queue_ms <= turn * 30.0 + NANOSECONDS for turn, queue_ms in enumerate(queues_ms))


def test_as_many_slots_as_requests_leave_none_waiting_and_share() -> None:
    async def ask(engine: Engine) -> Any:
        return await together(engine, 4)

    answers = asked(replace(QUICK, slots=4, tokens_per_s=100.0), ask)
    assert [answer.queue_ms for answer in answers] == pytest.approx([0.0] * 4, abs=NANOSECONDS)
    # Each alone takes 110 ms; nothing is gained, so all of them together take 440 from when the last has come.
    assert all(110.0 < answer.server_ms <= 440.0 + NANOSECONDS for answer in answers)


def test_what_the_queue_cannot_hold_is_sent_away_and_told_when_to_return() -> None:
    async def ask(engine: Engine) -> Any:
        return await together(engine, 6)

    # Half a second each: whatever the machine is busy with, all have come before the first is done.
    ended = asked(replace(QUICK, queue=2, retry_after_s=3, tokens_per_s=20.0), ask)
    busy, answers = ended[:3], ended[3:]
    assert all(isinstance(error, EngineBusy) and error.retry_after_s == 3 for error in busy)
    assert [answer.output_tokens for answer in answers] == [10] * 3


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("refuse", RequestRefused),
        ("fail", EngineFailed),
        ("busy", EngineBusy),
        ("break", EngineFailed),
        ("cut", BodyCut),
        ("silent", TimedOut),
    ],
)
@pytest.mark.parametrize("engine", ["ollama", "vllm"])
def test_a_prompt_fails_as_it_was_set_to_and_no_other_does(engine: str, how: str, error: type[RequestFailed]) -> None:
    async def main(url: str) -> None:
        async with Client(timeout_s=10.0) as client, Client(timeout_s=1.0 if how == "silent" else 10.0) as hasty:
            found = await connect(client, [host(url)])
            failing = await connect(hasty, [host(url)])
            with pytest.raises(error):
                await failing["a"].generate("this is bad", GENERATION, "key")
            answer = await found["a"].generate("this is good", GENERATION, "key")
            assert answer.output_tokens == 10

    with running(replace(QUICK, engine=engine, failing={"bad": how})) as (url,):
        anyio.run(main, url)


def test_requests_fail_at_the_rate_that_was_set_the_same_ones_each_time() -> None:
    async def ask(engine: Engine) -> list[bool]:
        failed = []
        for _ in range(40):
            try:
                await engine.generate("a", Generation(max_tokens=1), "key")
                failed.append(False)
            except EngineFailed:
                failed.append(True)
        return failed

    truth = Truth(tokens_per_s=10_000.0, prompt_ms=0.0, error_rate=0.5, errors_after=5)
    first = asked(truth, ask)
    assert not any(first[:5])
    assert 8 <= sum(first) <= 28
    assert asked(truth, ask) == first
    assert asked(replace(truth, seed=8), ask) != first


def test_a_client_that_leaves_frees_its_slot() -> None:
    async def ask(engine: Engine) -> Completion:
        with anyio.move_on_after(0.05):
            await engine.generate("endless", Generation(max_tokens=600), "key")
        return await engine.generate("a", GENERATION, "key")

    answer = asked(replace(QUICK, tokens={"": 10, "endless": 600}, tokens_per_s=50.0), ask)
    # The answer that was left would have taken 12 s; what is waited for is the news that nobody waits for it.
    assert answer.queue_ms is not None
    assert answer.queue_ms < 6_000.0


@pytest.mark.parametrize("path", ["/api/generate", "/v1/chat/completions"])
def test_an_answer_can_be_had_in_one_piece(path: str) -> None:
    body = {"model": "reference", "prompt": "a", "messages": [{"role": "user", "content": "a"}], "stream": False}
    with running(QUICK) as (url,), httpx.Client(trust_env=False) as client:
        said = client.post(url + path, json=body).json()
        assert client.get(url + "/api/ps").json()["models"][0]["digest"] == QUICK.digest
        assert client.get(url + "/nowhere").status_code == 404
        assert client.post(url + path, json={**body, "model": "other"}).status_code == 404
    count = said["eval_count"] if path.startswith("/api") else said["usage"]["completion_tokens"]
    assert count == 10


@contextmanager
def session(*truths: Truth, max_tokens: int = 10) -> Iterator[Session]:
    with running(*truths) as urls:
        hosts = [Host(name, url) for name, url in zip("abcdefgh", urls, strict=False)]
        with Session(Settings(hosts=hosts, workload=workload(generation=Generation(max_tokens)))) as opened:
            yield opened


@pytest.mark.waits
def test_outpace_finds_the_delay_that_was_put_before_an_engine(tmp_path: Path) -> None:
    far = replace(QUICK, delay_to_ms=70.0, delay_from_ms=30.0)
    with session(QUICK, far) as opened:
        measurement = Measurement(opened, "serial-per-side", report_dir=tmp_path)
        measurement.measure(2)
        figures = measurement.comparison().hosts
        assert opened.baseline_host == "a"
    near_ms, far_ms = (figures[name].added_latency_ms for name in "ab")
    assert near_ms is not None
    assert far_ms is not None
    assert far_ms[1] >= 100.0  # no answer comes before it can
    # The least of eight: a machine has to be held up in every one of them to make this wrong.
    assert far_ms[1] - near_ms[1] == pytest.approx(100.0, abs=25.0)
    assert [figures[name].ms_per_token for name in "ab"] == pytest.approx([3.0, 3.0], abs=1e-3)


@contextmanager
def from_command_line(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, reference_engine.__file__, *options]
    # What is started in the background may have been told to ignore Ctrl-C, and tells it to its children.
    hear = None if sys.platform == "win32" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=hear) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def test_it_runs_from_the_command_line_for_who_has_no_model() -> None:
    with from_command_line("--port=0", "--tokens-per-s=500", "--slots=4", "--delay-ms=1", "--version=1.2") as (_, url):
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/api/version", trust_env=False).json() == {"version": "1.2"}


def test_a_port_that_is_taken_and_what_no_engine_can_be_are_told_in_a_line() -> None:
    with from_command_line() as (_, url):
        for option in (f"--port={url.rpartition(':')[2]}", "--slots=0"):
            with from_command_line(option) as (child, said):
                assert said == ""
                assert child.wait(10) == 1
                assert child.stderr is not None
                assert child.stderr.read().startswith("reference engine: ")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_ends_it_without_a_word_even_while_it_answers() -> None:
    with from_command_line("--tokens-per-s=1") as (child, url), httpx.Client(trust_env=False) as client:
        body = {"model": "reference", "prompt": "a"}
        with client.stream("POST", f"{url}/api/generate", json=body) as response:
            assert response.status_code == 200
            child.send_signal(signal.SIGINT)
            assert child.wait(10) == 0
        assert child.stderr is not None
        assert child.stderr.read() == ""
