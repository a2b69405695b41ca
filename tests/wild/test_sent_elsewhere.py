"""Models that somebody else answers for: a public address, however it is reached."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from listing import CLOUD, LOCAL, connected, models, ollama, openai
from outpace.command.doctor import examine
from outpace.ground.errors import HostNotPrivate, HostUnusable, ModelMissing
from outpace.ground.hosts import Host
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.prompts import Generation, workload
from scripted import Answer, Asked, ndjson
from spoken import listening


def test_what_ollamas_cloud_answers_is_never_chosen_by_itself() -> None:
    """github.com/ollama/ollama/issues/12404, saurabhav88/EnviousWispr#1914: report 1."""
    host = ollama(CLOUD, LOCAL)
    assert models(host, host) == ["llama3.2:1b"] * 2
    with pytest.raises(ModelMissing, match="sends prompts on to others"):
        models(ollama(CLOUD), ollama(CLOUD))


def test_doctor_says_who_answers() -> None:
    """report 1."""
    token = {"response": "So", "done": True, "done_reason": "length", "eval_count": 1}
    host = ollama(CLOUD, LOCAL, loaded=("llama3.2:1b",), **{"/api/generate": token})
    with listening(host, host) as servers:
        hosts = [Host(name, server.url) for name, server in zip("ab", servers, strict=True)]
        found = examine(hosts)
        assert found.healthy
        for finding in found.findings:
            said_of_it = "; ".join(finding.seen)
            assert "its model gpt-oss:120b-cloud is answered by https://ollama.com:443, not by it" in said_of_it
            assert "llama3.2:1b is loaded" in said_of_it
        refused = examine(hosts, model="gpt-oss:120b-cloud")
        assert not refused.healthy
        assert any("--allow-public" in problem for problem in refused.problems)


@pytest.mark.parametrize("allowed", [False, True])
def test_a_host_that_turns_out_to_send_prompts_on_gets_no_second_one(allowed: bool) -> None:
    asked_for: list[str] = []
    listed_as_local = ollama("m")

    def decide(asked: Asked) -> Answer:
        if asked.method == "GET":
            return listed_as_local(asked)
        asked_for.append(json.loads(asked.body)["prompt"])
        last = {"response": "a", "done": True, "eval_count": 1, "remote_host": "https://ollama.com:443"}
        return Answer(200, ndjson(last))

    with listening(decide, ollama_that_answers) as servers:
        hosts = [Host(name, server.url) for name, server in zip("ab", servers, strict=True)]
        work = workload(["first", "second"], Generation(max_tokens=4))
        settings = Settings(hosts=hosts, workload=work, timeout_s=20, allow_public=allowed)
        if allowed:
            with Session(settings):
                assert set(asked_for) == {"first", "second"}
            return
        with pytest.raises(HostUnusable, match=r"it sends prompts on to https://ollama\.com:443"):
            Session(settings).__enter__()
    assert asked_for == ["first"]


def ollama_that_answers(asked: Asked) -> Answer:
    if asked.method == "GET":
        return ollama("m")(asked)
    return Answer(200, ndjson({"response": "a", "done": True, "eval_count": 1}))


NATIVE = {"/api/version": {"version": "0.33.2"}, "/api/tags": {"models": [CLOUD, LOCAL]}}


@pytest.mark.parametrize(
    "host",
    [
        ollama(CLOUD, LOCAL),
        ollama({"name": "gpt-oss:120b-cloud", "remote_model": "gpt-oss:120b"}, LOCAL),
        ollama({"name": "gpt-oss:120b-cloud", "size": 384}, LOCAL),  # by its name alone
        openai("gpt-oss:120b-cloud", "llama3.2:1b", owner="library", **NATIVE),
        openai("gpt-oss:120b-cloud", "llama3.2:1b"),  # a router that passes names on
        openai({"id": "gpt-oss:120b-cloud", "remote_host": "https://ollama.com:443"}, "llama3.2:1b"),
    ],
)
def test_it_is_a_public_address_however_it_is_reached(host: Callable[[Asked], Answer]) -> None:
    """report 1."""
    assert models(host) == ["llama3.2:1b"]
    with pytest.raises(HostNotPrivate, match="--allow-public") as refused:
        models(host, model="gpt-oss:120b-cloud")
    assert "does not answer for the model gpt-oss:120b-cloud itself" in str(refused.value)
    (allowed,) = connected(host, model="gpt-oss:120b-cloud", allow_public=True)
    assert allowed.elsewhere
    with pytest.raises(HostNotPrivate, match="Host front"):
        connected(ollama(CLOUD), router=host, model="gpt-oss:120b-cloud", allow_public=True)


def test_a_model_of_ones_own_may_be_called_cloud() -> None:
    assert models(ollama({"name": "my-cloud", "size": 1 << 30})) == ["my-cloud"]
    assert models(ollama({"name": "weather:latest", "size": 1 << 30})) == ["weather:latest"]


def litellm(**sent: Any) -> Callable[[Asked], Answer]:
    told = {"data": [{"model_name": "m", "litellm_params": sent, "model_info": {"mode": "chat"}}]}
    return openai("m", owner="openai", **{"/model/info": told})


@pytest.mark.parametrize(
    "sent",
    [
        {"model": "openai/gpt-4o"},
        {"model": "gpt-4o"},
        {"model": "claude", "custom_llm_provider": "anthropic"},
        {"model": "openai/m", "api_base": "https://8.8.8.8/v1?key=secret"},
    ],
)
def test_a_litellm_that_sends_prompts_away_says_so(sent: dict[str, Any]) -> None:
    with pytest.raises(HostNotPrivate, match="--allow-public") as refused:
        connected(ollama("m"), router=litellm(**sent), model={"a": "m", "front": "m"})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "sent",
    [
        {"model": "ollama/m"},
        {"model": "openai/m", "api_base": "http://127.0.0.1:8080/v1"},
        {"model": "hosted_vllm/m", "api_base": "http://desktop:8000"},
        {"model": "openai/m", "api_base": "http://100.64.0.7:11434/v1"},
        {"model": ["odd"], "api_base": 5, "custom_llm_provider": "ollama"},
    ],
)
def test_a_litellm_that_sends_prompts_to_hosts_is_a_router(sent: dict[str, Any]) -> None:
    assert connected(ollama("m"), router=litellm(**sent))[-1].model == "m"


@pytest.mark.parametrize("pattern", ["openai/*", "*"])
def test_what_a_pattern_sends_away_is_a_public_address(pattern: str) -> None:
    told = {"data": [{"model_name": pattern, "litellm_params": {"model": "openai/*"}, "model_info": {}}]}
    with pytest.raises(HostNotPrivate):
        connected(ollama("m"), router=openai(pattern, **{"/model/info": told}))
