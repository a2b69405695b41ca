"""What real engines answered, played back by a small server: good answers are read, no fault passes for one."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from outpace.engines import Client, Identity
from outpace.engines.ollama import OllamaEngine
from outpace.ground.errors import (
    AnswerEmpty,
    AnswerUnfinished,
    AnswerUnreadable,
    BodyCut,
    ConnectFailed,
    ConnectionStale,
    EngineBusy,
    EngineFailed,
    ModelGone,
    RequestFailed,
    RequestRefused,
    TimedOut,
)
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation
from recorded_answers import engine_for, generate, in_its_own_time, path_of, recorded
from scripted import Answer, Asked, answer_of, ndjson, serving

FAULTS = [
    *[("ollama-faults", entry) for entry in recorded("ollama-faults", _run="fault")],
    *[("ollama-faults", entry) for entry in recorded("ollama-faults", comment="not streamed")],
    *[("ollama-queue-full", entry) for entry in recorded("ollama-queue-full") if entry["response"]["status"] == 503],
    *[("vllm", entry) for entry in recorded("vllm", _run="fault")],
    *[("llama-server", entry) for entry in recorded("llama-server", _run="fault")],
]
MEANS = {
    "model not installed": (ModelGone, "model 'no-such-model' not found"),
    "openai protocol, model not installed": (ModelGone, "model 'no-such-model' not found"),
    "model not served": (ModelGone, "The model `no-such-model` does not exist"),
    "request body cut short": (RequestRefused, "unexpected EOF"),
    "messages of the wrong type": (RequestRefused, "status 400"),
    "prompt longer than the context": (RequestRefused, "context"),
    "prompt longer than the context; request text cut": (RequestRefused, "context"),
    "option of the wrong type": (EngineFailed, 'option "num_predict" must be of type integer'),
    "not streamed": (AnswerUnreadable, "where a server-sent event is due"),
    "client left after 3 chunks": (BodyCut, "ended its answer without"),
    "client left after 3 chunks, by Ollama's protocol": (AnswerUnfinished, "without the line that says it is done"),
    "the runner process was killed while it streamed": (EngineFailed, "an error was encountered while running"),
    "the whole server was killed while it streamed": (BodyCut, "inside its answer"),
    "eight at once while the model loads, OLLAMA_MAX_QUEUE=2": (EngineBusy, "maximum pending requests exceeded"),
    "laptop's engine core process was killed while both hosts streamed: laptop ends with an error event after status "
    "200, desktop is untouched": (EngineFailed, "EngineCore encountered an issue"),
}


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        pytest.param(name, entry, id=f"{name}: {entry['comment'][:40]}")
        for name, entry in FAULTS
        if entry["response"]["status"]
    ],
)
def test_a_recorded_fault_ends_as_its_named_failure(name: str, entry: dict[str, Any]) -> None:
    native = f"{entry['comment']}, by Ollama's protocol"
    error, said = MEANS[native if native in MEANS and path_of(entry) == "/api/generate" else entry["comment"]]
    with pytest.raises(error, match="laptop") as raised:
        generate(answer_of(entry), path_of(entry), name.partition("-")[0])
    assert type(raised.value) is error
    assert said in str(raised.value)


def test_every_recorded_fault_is_looked_at() -> None:
    unreached = [entry["_error"] for _, entry in FAULTS if not entry["response"]["status"]]
    assert all(error.startswith("ConnectError") for error in unreached)
    assert len(FAULTS) - len(unreached) >= 18


def test_a_host_that_refuses_the_connection_is_named() -> None:
    async def main() -> None:
        async with serving(lambda _: None) as server:
            pass  # its port is closed again
        async with Client(timeout_s=5) as client:
            await engine_for(client, server, "/api/generate", "ollama").generate("Why?", Generation(), "key")

    with pytest.raises(ConnectFailed, match=r"laptop \(http://127.0.0.1:\d+\) takes no connection"):
        anyio.run(main)


def test_a_connection_closed_before_the_answer_is_stale_and_may_be_tried_again() -> None:
    with pytest.raises(ConnectionStale) as raised:
        generate(None)
    assert raised.value.again_here
    assert not raised.value.host_down


def test_silence_ends_at_the_timeout() -> None:
    async def main() -> None:
        silent = Answer(chunks=ndjson({"response": "A", "done": False}), end="silence")
        async with serving(lambda _: silent) as server, Client(timeout_s=0.2) as client:
            await engine_for(client, server, "/api/generate", "ollama").generate("Why?", Generation(), "key")

    with pytest.raises(TimedOut):
        anyio.run(main)


def test_ollama_tells_its_times_and_its_queue() -> None:
    (entry,) = recorded("ollama-np1", _run="all-parallel#0")
    found = in_its_own_time(entry)
    assert found.text.startswith("A bicycle stays upright")
    assert (found.prompt_tokens, found.output_tokens, found.cached_tokens) == (18, 32, None)
    assert found.server_ms == pytest.approx(3889.497879)
    assert found.load_ms == pytest.approx(8.448489)
    assert found.queue_ms == pytest.approx(3889.497879 - 8.448489 - 28.663 - 901.752)
    assert found.first_token_ms is not None


def test_ollama_behind_the_openai_protocol_tells_tokens_but_no_time() -> None:
    (entry,) = recorded("ollama-faults", _run="openai", comment=None)
    found = generate(answer_of(entry), "/v1/chat/completions")
    assert found.text.startswith("When considering")
    assert (found.prompt_tokens, found.output_tokens) == (19, 32)
    assert found.server_ms is found.queue_ms is found.load_ms is None


def test_llama_server_tells_its_work_and_what_came_from_its_cache() -> None:
    (entry,) = recorded("llama-server", _run="warm")
    found = in_its_own_time(entry, "llama-server")
    assert found.server_ms == pytest.approx(439.361 + 761.806)
    assert (found.prompt_tokens, found.output_tokens, found.cached_tokens) == (46, 32, 0)
    assert found.queue_ms is None


def test_vllm_tells_its_times_where_it_was_started_to() -> None:
    for entry in recorded("vllm-metrics"):
        found = in_its_own_time(entry, "vllm")
        assert found.server_ms is not None
        assert found.queue_ms is not None
        assert found.output_tokens == 32
        assert 0.97 * entry["time"] - 160 < found.server_ms < entry["time"]


def test_vllm_tells_no_server_time_otherwise() -> None:
    (entry,) = recorded("vllm", _run="after-kill", _prompt=2) or recorded("vllm", _run="after-kill")[-1:]
    found = generate(answer_of(entry), "/v1/chat/completions", "vllm")
    assert found.output_tokens
    assert found.server_ms is None


def test_each_engine_is_asked_to_leave_its_cache_alone_in_its_own_words() -> None:
    bodies = {}

    async def main() -> None:
        (entry,) = recorded("llama-server", _run="warm")
        for engine in ("llama-server", "vllm", "openai"):
            async with serving(lambda _: answer_of(entry)) as server, Client(timeout_s=5) as client:
                await engine_for(client, server, "/v1/chat/completions", engine).generate("Why?", Generation(), "k1")
                bodies[engine] = json.loads(server.asked[0].body)

    anyio.run(main)
    assert bodies["llama-server"].pop("cache_prompt") is False
    assert bodies["vllm"].pop("cache_salt") == "k1"
    assert bodies["llama-server"] == bodies["vllm"] == bodies["openai"]
    assert bodies["openai"]["stream_options"] == {"include_usage": True}


DONE = {"response": "", "done": True, "done_reason": "stop", "total_duration": 5_000_000, "eval_duration": 4_000_000}


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ((), AnswerUnfinished),
        (ndjson({"response": "A", "done": False}), AnswerUnfinished),
        (ndjson(DONE), AnswerEmpty),
        ((b"<html>hello</html>\n",), AnswerUnreadable),
        ((b'["a", "list"]\n',), AnswerUnreadable),
        ((b"\xff\xfe\n",), AnswerUnreadable),
        ((b"[" * 100_000 + b"\n",), AnswerUnreadable),
        ((b'{"response": "A", "done": false}\n' * 100_000,), AnswerUnreadable),
        ((b"x" * 65536,) * 100, AnswerUnreadable),
        (ndjson({**DONE, "done_reason": "load"}), AnswerUnreadable),
        (ndjson({"response": "A"}, {"error": "died"}, DONE), EngineFailed),
    ],
)
def test_no_nonsense_passes_for_an_answer(chunks: tuple[bytes, ...], error: type[RequestFailed]) -> None:
    with pytest.raises(error):
        generate(Answer(chunks=chunks))


@pytest.mark.parametrize("ending", ["\u2028", "\u0085", "\x0b", "\x1c"])
def test_text_may_hold_what_unicode_counts_as_a_line_end(ending: str) -> None:
    line = json.dumps({"response": f"a{ending}b", "done": False}, ensure_ascii=False).encode() + b"\n"
    assert generate(Answer(chunks=(line, *ndjson(DONE)))).text == f"a{ending}b"


def test_comments_and_ends_of_lines_of_both_kinds_are_passed_over() -> None:
    event = {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    text = f": keep-alive\r\nevent: x\r\ndata:{json.dumps(event)}\r\n\r\ndata: [DONE]\r\n\r\n".encode()
    for cut in range(0, len(text), 7):
        answer = Answer(chunks=(text[:cut], text[cut:]))
        assert generate(answer, "/v1/chat/completions").text == "Hi"


def test_the_first_token_is_the_first_text() -> None:
    role = {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}
    chunks = tuple(b"data: " + line + b"\n" for line in ndjson(role, end))
    assert generate(Answer(chunks=chunks), "/v1/chat/completions").first_token_ms is None


@pytest.mark.parametrize(("header", "asked_s"), [("7", 7.0), ("soon", None), ("-3", None), ("9999999999", None)])
def test_a_busy_engine_may_say_for_how_long(header: str, asked_s: float | None) -> None:
    with pytest.raises(EngineBusy) as raised:
        generate(Answer(503, headers=(("retry-after", header),)))
    assert raised.value.retry_after_s == asked_s


def test_a_redirect_is_not_followed() -> None:
    async def main() -> list[Asked]:
        away = Answer(307, headers=(("location", "http://127.0.0.1:9/elsewhere"),))
        async with serving(lambda _: away) as server, Client(timeout_s=5) as client:
            with pytest.raises(RequestRefused, match=r"redirects to http://127\.0\.0\.1:9/elsewhere"):
                await engine_for(client, server, "/api/generate", "ollama").generate("Why?", Generation(), "key")
            return server.asked

    assert len(anyio.run(main)) == 1


def test_a_token_is_sent_to_its_own_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPACE_TOKEN_LAPTOP", "secret")

    async def main() -> list[str | None]:
        async with (
            serving(lambda _: Answer(chunks=ndjson({"response": "A"}, DONE))) as server,
            Client(timeout_s=5) as client,
        ):
            for name in ("laptop", "desktop"):
                host = Host(name, server.url, ("127.0.0.1",))
                engine = OllamaEngine(client, host, Identity("ollama", "ollama", None, {}), "m")
                await engine.generate("Why?", Generation(), "key")
            return [asked.headers.get("authorization") for asked in server.asked]

    assert anyio.run(main) == ["Bearer secret", None]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert generate(Answer(chunks=ndjson({"response": "A", "done": False}, DONE))).text == "A"


def test_what_an_engine_says_cannot_move_the_cursor() -> None:
    with pytest.raises(RequestRefused) as raised:
        generate(Answer(400, chunks=(json.dumps({"error": "\x1b[2Jgone\u202e\nnext"}).encode(),)))
    assert "\x1b" not in str(raised.value)
    assert "\u202e" not in str(raised.value)
    assert "\n" not in str(raised.value)
