"""``outpace doctor`` tries what the run will do: a request of one token to each host, or it says why not."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_hosts import ollama_host, openai_host
from harness import ThreadedHosts
from outpace.command import cli, doctor
from outpace.engines import Client, Identity
from outpace.engines.detect import engine_for
from outpace.ground.errors import RequestFailed
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation
from scripted import Answer, Asked
from spoken import chat, listening, sse

pytestmark = pytest.mark.usefixtures("known_ceiling")

READY = "Nothing stands in the way."


def looked_at(
    capsys: pytest.CaptureFixture[str], *handlers: type[BaseHTTPRequestHandler]
) -> tuple[int, str, list[tuple[str, dict[str, object]]]]:
    """The status, what was said, and the prompts that arrived, by host."""
    with ThreadedHosts(*handlers) as hosts:
        status = cli.main(["doctor", hosts.option])
        posts = [(each.host, each.body) for each in hosts.asked if each.method == "POST"]
    return status, capsys.readouterr().out, posts


def test_a_host_that_is_ready_answers_one_token_and_is_asked_once(capsys: pytest.CaptureFixture[str]) -> None:
    status, said, posts = looked_at(capsys, ollama_host(), openai_host(200, {}))
    assert status == 0
    assert READY in said
    assert said.count("a request of one token takes") == 2
    assert sorted(host for host, _ in posts) == ["a", "b"]
    asked = dict(posts)
    assert asked["a"]["options"]["num_predict"] == asked["b"]["max_tokens"] == 1  # type: ignore[index]


@pytest.mark.parametrize("props", [401, 404])
def test_a_key_that_only_prompts_need_is_asked_for(capsys: pytest.CaptureFixture[str], props: int) -> None:
    refusal = {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}
    host = openai_host(401, refusal, owner="llamacpp", props=props)
    status, said, _ = looked_at(capsys, host, openai_host(200, {}))
    assert status == 1
    assert READY not in said
    assert "wants a token" in said
    assert "OUTPACE_TOKEN_A" in said


def test_a_model_that_is_listed_and_not_loaded_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    message = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
    host = openai_host(
        404, {"error": {"message": message, "type": "invalid_request_error"}}, owner="organization_owner"
    )
    status, said, _ = looked_at(capsys, host, openai_host(200, {}, owner="organization_owner"))
    assert status == 1
    assert READY not in said
    assert "No models loaded" in said


@pytest.mark.parametrize("refusal", [400, 403, 404, 422, 429, 500, 502, 503])
def test_whatever_a_host_refuses_a_token_with_is_told(capsys: pytest.CaptureFixture[str], refusal: int) -> None:
    status, said, posts = looked_at(capsys, openai_host(refusal, {"error": "not today"}), openai_host(200, {}))
    assert status == 1
    assert READY not in said
    assert "problem: a" in said
    assert f"{refusal}" in said
    assert "not today" in said
    assert "b" in dict(posts)


def test_a_host_that_says_nothing_is_told_apart_from_one_that_refuses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "TRIES_S", 0.3)
    status, said, _ = looked_at(capsys, openai_host(200, {}, wait_s=1.5), openai_host(200, {}))
    assert status == 1
    assert "gave no token within 0.3 s" in said
    assert "loading" in said


def test_a_cold_model_is_not_loaded_for_a_look_and_this_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    status, said, posts = looked_at(capsys, ollama_host(loaded=False), ollama_host())
    assert status == 0
    assert [host for host, _ in posts] == ["b"]
    assert "m is cold: the warm-up will load it, which no round counts; so it was not asked for a token" in said


def test_a_model_that_somebody_else_answers_is_told_and_not_tried(capsys: pytest.CaptureFixture[str]) -> None:
    cloud = {"remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443", "size": 384}
    hosts = [ollama_host(model="gpt-oss:120b-cloud", entry=cloud) for _ in "ab"]
    status, said, posts = looked_at(capsys, *hosts)
    assert status == 1
    assert posts == []
    assert "its model gpt-oss:120b-cloud is answered by https://ollama.com" in said


bodies = st.sampled_from(
    [
        sse(chat("Yes", "length")),
        sse(chat("Yes", "length"), done=False),
        sse({"error": {"message": "not today"}}),
        sse(chat(reason="abort")),
        b'{"error": {"message": "not today"}}',
        b"<html>not today</html>",
        b"",
    ]
)


@settings(max_examples=10, deadline=None)
@given(status=st.sampled_from([200, 200, 200, 400, 401, 403, 404, 413, 429, 500, 503, 302]), body=bodies)
def test_doctor_finds_a_host_ready_exactly_where_it_would_answer_a_run(status: int, body: bytes) -> None:
    listed = json.dumps({"data": [{"id": "m", "owned_by": "vendor"}]}).encode()

    def decide(asked: Asked) -> Answer:
        if asked.method == "GET":
            return Answer(200 if asked.path == "/v1/models" else 404, (listed,))
        return Answer(status, (body,))

    async def answers(url: str) -> bool:
        async with Client(timeout_s=5) as client:
            host = Host("h", url, ("127.0.0.1",))
            engine = engine_for(client, host, Identity("openai", "openai", None, {"m": None}), "m")
            try:
                await engine.generate("Why?", Generation(max_tokens=1), "k")
            except RequestFailed:
                return False
            return True

    with listening(decide, decide) as servers:
        found = doctor.examine([Host(name, server.url) for name, server in zip("ab", servers, strict=True)])
        assert found.healthy is anyio.run(answers, servers[0].url)
    assert all(bool(finding.problems) is not found.healthy for finding in found.findings)
