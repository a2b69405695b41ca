"""Fields that are sent for comfort: left out once they are refused, and said in the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.engines import Client, Completion, Identity
from outpace.engines.detect import engine_for
from outpace.ground.errors import RequestRefused
from outpace.ground.hosts import Host
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.report import document
from outpace.workload.prompts import Generation, workload
from scripted import Answer, Asked, ndjson, serving
from spoken import chat, listening, sse, usage

WHOLE = sse(chat("Hello"), chat(reason="stop"), usage(1))
SALT = (
    "[{'type': 'value_error', 'loc': ('body',), 'msg': \"Value error, Parameter 'cache_salt' is not supported with "
    'this instance of vLLM, which uses engine V0."}]'
)


def refused(why: Any, status: int = 400) -> Answer:
    body = why if isinstance(why, bytes) else json.dumps(why).encode()
    return Answer(status, (body,))


def strict(forbidden: set[str], tell: Callable[[list[str]], Answer]) -> Callable[[Asked], Answer]:
    """A server that takes no field of the ``forbidden``, and ``tell``s of those that it got."""

    def decide(asked: Asked) -> Answer:
        met = sorted(forbidden & json.loads(asked.body).keys())
        if met:
            return tell(met)
        native = ndjson({"response": "Hello", "done": False}, {"response": "", "done": True, "eval_count": 1})
        return Answer(200, native if asked.path == "/api/generate" else (WHOLE,))

    return decide


def by_pydantic(met: list[str]) -> Answer:
    detail = [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"} for name in met
    ]
    return refused({"detail": detail}, 422)


def by_first_name(met: list[str]) -> Answer:
    return refused({"error": {"message": f"Unrecognized request argument supplied: {met[0]}", "type": "invalid"}})


def by_salt(_: list[str]) -> Answer:
    return refused({"object": "error", "message": SALT, "type": "BadRequestError", "param": None, "code": 400})


def by_no_name(_: list[str]) -> Answer:
    return refused(b"Bad Request")


def answered(
    decide: Callable[[Asked], Answer], engine: str = "vllm", times: int = 2, prompt: str = "Why?"
) -> tuple[list[Completion], list[dict[str, Any]], list[str], bool]:
    """Answers of a host, the bodies that it was sent for them, what was noticed, and whether it resets its cache."""

    async def main() -> tuple[list[Completion], list[dict[str, Any]], list[str], bool]:
        async with serving(decide) as server, Client(timeout_s=5) as client:
            protocol = "ollama" if engine == "ollama" else "openai"
            host = Host("h", server.url, ("127.0.0.1",))
            one = engine_for(client, host, Identity(engine, protocol, None, {"m": None}), "m")
            found = [await one.generate(prompt, Generation(max_tokens=8), f"k{turn}") for turn in range(times)]
            bodies = [json.loads(asked.body) for asked in server.asked]
            return found, bodies, one.noticed.in_words("h"), one.resets_cache

    return anyio.run(main)


@pytest.mark.parametrize(
    ("engine", "field", "tell"),
    [
        ("vllm", "cache_salt", by_salt),  # github.com/vllm-project/vllm/pull/20981: report 9
        ("vllm", "stream_options", by_pydantic),  # github.com/gpustack/gpustack/issues/429: report 26
        ("openai", "stream_options", by_first_name),  # github.com/openai/openai-python/issues/2296: report 26
        ("openai", "seed", by_first_name),
        ("llama-server", "cache_prompt", by_pydantic),
        ("lmstudio", "ttl", by_pydantic),
        ("ollama", "keep_alive", by_first_name),
    ],
)
def test_a_field_that_is_refused_by_name_is_left_out_once_and_for_all(
    engine: str, field: str, tell: Callable[[list[str]], Answer]
) -> None:
    found, bodies, notes, resets = answered(strict({field}, tell), engine)
    assert [each.text for each in found] == ["Hello"] * 2
    assert [field in body for body in bodies] == [True, False, False]
    assert bodies[0].keys() - bodies[1].keys() == {field}
    (note,) = notes
    assert note.startswith(f"h: it refuses the field {field}, and is asked without it, so ")
    assert resets is (engine in ("vllm", "llama-server") and not field.startswith("cache_"))


def test_without_stream_options_no_tokens_are_told() -> None:
    """report 26."""

    def decide(asked: Asked) -> Answer:
        if "stream_options" in json.loads(asked.body):
            return by_pydantic(["stream_options"])
        return Answer(200, (sse(chat("Hello"), chat(reason="stop")),))

    found, _, notes, _ = answered(decide)
    assert [each.output_tokens for each in found] == [None, None]
    assert "answers are counted in their place" in notes[0]


@pytest.mark.parametrize("tell", [by_first_name, by_pydantic, by_no_name])
def test_several_fields_are_left_out_as_they_are_refused(tell: Callable[[list[str]], Answer]) -> None:
    found, bodies, notes, _ = answered(strict({"cache_salt", "seed", "stream_options"}, tell))
    assert [each.text for each in found] == ["Hello"] * 2
    assert len(notes) == 3
    assert len(bodies) <= 5
    assert bodies[-1].keys() == {"model", "messages", "stream", "max_tokens", "temperature"}


def test_a_refusal_that_has_another_reason_leaves_the_fields_as_they_are() -> None:
    echo = {"detail": [{"type": "too_long", "input": {"seed": 7, "stream_options": {}}, "msg": "prompt too long"}]}
    bodies: list[dict[str, Any]] = []

    def decide(asked: Asked) -> Answer:
        bodies.append(json.loads(asked.body))
        long = "long" in bodies[-1]["messages"][0]["content"]
        return refused(echo, 422) if long else Answer(200, (WHOLE,))

    async def main() -> list[str]:
        async with serving(decide) as server, Client(timeout_s=5) as client:
            host = Host("h", server.url, ("127.0.0.1",))
            one = engine_for(client, host, Identity("vllm", "openai", None, {"m": None}), "m")
            await one.generate("short", Generation(), "k")
            with pytest.raises(RequestRefused, match="prompt too long"):
                await one.generate("long", Generation(), "k")
            await one.generate("short", Generation(), "k")
            return one.noticed.in_words("h")

    assert anyio.run(main) == []
    assert bodies[-1].keys() == bodies[0].keys()


@pytest.mark.parametrize("status", [401, 403, 404, 413, 429, 500, 503])
def test_only_a_request_that_is_invalid_is_tried_without_them(status: int) -> None:
    asked: list[bytes] = []

    def decide(each: Asked) -> Answer:
        asked.append(each.body)
        return refused({"error": {"message": "seed"}}, status)

    with pytest.raises(Exception, match="h "):
        answered(decide)
    assert len(asked) == 1


def test_a_llama_cpp_behind_a_proxy_is_asked_to_leave_its_cache_alone() -> None:
    """report 27."""
    told = {**usage(1), "timings": {"prompt_ms": 0.1, "predicted_ms": 0.1}}
    answer = Answer(200, (sse(chat("Hello"), chat(reason="stop"), told),))
    _, bodies, _, _ = answered(lambda _: answer, "llama-swap")
    assert [body.get("cache_prompt") for body in bodies] == [None, False]


def test_a_session_over_strict_hosts_says_what_they_refuse(tmp_path: Any) -> None:
    """report 9."""
    listed = Answer(200, (json.dumps({"data": [{"id": "m", "owned_by": "vllm"}]}).encode(),))
    prompts: list[str] = []

    def decide(asked: Asked) -> Answer:
        if asked.method == "GET":
            return listed if asked.path == "/v1/models" else Answer(404)
        body = json.loads(asked.body)
        if "cache_salt" not in body and body["max_tokens"] == 1:
            prompts.append(body["messages"][0]["content"])
        return strict({"cache_salt"}, by_salt)(asked)

    with listening(decide, decide) as servers:
        hosts = [Host(name, server.url) for name, server in zip("ab", servers, strict=True)]
        work = workload(["first", "second"], Generation(max_tokens=4))
        with Session(Settings(hosts=hosts, workload=work, timeout_s=20)) as session:
            Measurement(session, "serial-per-side", report_dir=tmp_path).measure(1)
    notes = document.read(tmp_path / "report-serial-per-side.json")["summary"]["notes"]
    for host in "ab":
        assert any(note.startswith(f"{host}: it refuses the field cache_salt") for note in notes)
    # Their caches cannot be reset, so they were shown every prompt.
    assert sorted(prompts) == ["first", "first", "second", "second"]


@settings(max_examples=40, deadline=None)
@given(
    forbidden=st.sets(st.sampled_from(["cache_salt", "seed", "stream_options", "cache_prompt", "x"])),
    tell=st.sampled_from([by_first_name, by_pydantic, by_no_name]),
    engine=st.sampled_from(["vllm", "llama-server", "openai"]),
)
def test_no_field_for_comfort_costs_an_answer(
    forbidden: set[str], tell: Callable[[list[str]], Answer], engine: str
) -> None:
    found, bodies, _, _ = answered(strict(forbidden, tell), engine, times=1)
    assert found[0].text == "Hello"
    assert not forbidden & bodies[-1].keys()
