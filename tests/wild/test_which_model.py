"""Which model is used: on the host itself, one that makes text, loaded before unloaded; else the user is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.command.doctor import examine
from outpace.engines import Client, Engine, connect
from outpace.engines.detect import connect_routers
from outpace.engines.models import by_host
from outpace.ground.errors import HostNotPrivate, HostUnusable, ModelMissing, UsageError
from outpace.ground.hosts import Host
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.prompts import Generation, workload
from scripted import Answer, Asked, ndjson, serving
from spoken import listening

CLOUD = {
    "name": "gpt-oss:120b-cloud",
    "model": "gpt-oss:120b-cloud",
    "remote_model": "gpt-oss:120b",
    "remote_host": "https://ollama.com:443",
    "size": 384,
    "digest": "569662207105",
}
LOCAL = {"name": "llama3.2:1b", "size": 1321098329, "digest": "baf6a787fdff"}
EMBEDDER = {"name": "nomic-embed-text:latest", "size": 274302450, "capabilities": ["embedding"]}


def said(answers: dict[str, Any]) -> Callable[[Asked], Answer]:
    def decide(asked: Asked) -> Answer:
        if asked.path not in answers:
            return Answer(404, (b'{"error": "not found"}',))
        return Answer(200, (json.dumps(answers[asked.path]).encode(),))

    return decide


def ollama(*tags: Any, loaded: tuple[str, ...] | None = None, **more: Any) -> Callable[[Asked], Answer]:
    entries = [tag if isinstance(tag, dict) else {"name": tag} for tag in tags]
    running = {} if loaded is None else {"/api/ps": {"models": [{"name": name} for name in loaded]}}
    return said({"/api/version": {"version": "0.33.2"}, "/api/tags": {"models": entries}, **running, **more})


def openai(*ids: Any, owner: str = "someone", **more: Any) -> Callable[[Asked], Answer]:
    entries = [{"owned_by": owner} | (each if isinstance(each, dict) else {"id": each}) for each in ids]
    return said({"/v1/models": {"data": entries}, **more})


def connected(
    *hosts: Callable[[Asked], Answer], router: Callable[[Asked], Answer] | None = None, path: str = "", **wanted: Any
) -> list[Engine]:
    """The engines of hosts called a, b, ..., and of the router called front, where there is one."""

    async def main() -> list[Engine]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(timeout_s=5))
            servers = [
                await stack.enter_async_context(serving(host)) for host in (*hosts, *([router] if router else []))
            ]
            named = [
                Host(name, server.url + path, ("127.0.0.1",)) for name, server in zip("abcdef", servers, strict=False)
            ]
            engines = list((await connect(client, named[: len(hosts)], **wanted)).values())
            if router:
                front = Host("front", servers[-1].url, ("127.0.0.1",))
                model = wanted.get("model")
                asked = by_host(model, ["a", "front"]) if isinstance(model, str) else model
                engines += (await connect_routers(client, [front], engines[0].model, 5, asked=asked)).values()
            return engines

    return anyio.run(main)


def models(*hosts: Callable[[Asked], Answer], **wanted: Any) -> list[str]:
    return [engine.model for engine in connected(*hosts, **wanted)]


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


def test_an_embedder_is_not_chosen_and_is_refused_where_it_is_asked_for() -> None:
    """github.com/Blaizzy/mlx-vlm/issues/2073, ollama/ollama#12182: report 2."""
    host = ollama(EMBEDDER, "llama3.2:1b")
    assert models(host, host) == ["llama3.2:1b"] * 2
    with pytest.raises(ModelMissing, match="makes no text"):
        models(host, host, model="nomic-embed-text")
    studio = {"/api/v0/models": {"data": [{"id": "bge", "type": "embeddings"}, {"id": "qwen", "type": "llm"}]}}
    assert models(openai("bge", "qwen", owner="organization_owner", **studio)) == ["qwen"]
    assert models(openai("BAAI/bge-m3", "qwen3-reranker", "qwen3")) == ["qwen3"]
    # By its name alone it is not known to be one.
    assert models(openai("embedded-assistant")) == ["embedded-assistant"]


STATES = {
    "llama-server": openai(
        {"id": "x", "status": {"value": "unloaded"}},
        {"id": "y", "status": {"value": "loaded", "args": []}},
        owner="llamacpp",
    ),
    "ollama": ollama("x", "y", loaded=("y",)),
    "ollama by /v1": openai(
        "x",
        "y",
        **{
            "/api/version": {"version": "0.9"},
            "/api/tags": {"models": [{"name": "x"}, {"name": "y"}]},
            "/api/ps": {"models": [{"name": "y"}]},
        },
    ),
    "LM Studio": openai(
        "x",
        "y",
        owner="organization_owner",
        **{"/api/v0/models": {"data": [{"id": "x", "state": "not-loaded"}, {"id": "y", "state": "loaded"}]}},
    ),
    "llama-swap": openai("x", "y", owner="llama-swap", **{"/running": {"running": [{"model": "y", "state": "ready"}]}}),
    "llama-swap by its list": openai(
        {"id": "x", "meta": {"llamaswap": {"state": "stopped"}}}, {"id": "y", "meta": {"llamaswap": {"state": "ready"}}}
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_of_several_models_the_loaded_one_is_chosen(state: str) -> None:
    """report 2."""
    assert models(STATES[state]) == ["y"]
    assert models(STATES[state], STATES["ollama"]) == ["y", "y"]


@pytest.mark.parametrize(
    "hosts",
    [
        (openai("x", "y"), openai("x", "y")),
        (ollama("x", "y", loaded=("x", "y")), ollama("x", "y", loaded=())),
        (ollama("x", "y", loaded=("x",)), ollama("x", "y", loaded=("y",))),
    ],
)
def test_where_more_than_one_is_left_the_user_is_asked(hosts: tuple[Callable[[Asked], Answer], ...]) -> None:
    """report 2."""
    with pytest.raises(ModelMissing, match=r"several models .*: x, y\. Say by --model"):
        models(*hosts)
    assert models(*hosts, model="y") == ["y", "y"]


def test_names_of_one_model_are_one_model() -> None:
    assert models(openai({"id": "file.gguf", "aliases": ["m", "n"]}, owner="llamacpp")) == ["file.gguf"]
    assert models(openai({"id": "file.gguf", "aliases": ["m"]}, owner="llamacpp"), ollama("m")) == ["m", "m"]
    served = [{"id": "small", "root": "org/model"}, {"id": "default", "root": "org/model"}]
    adapter = {"id": "tuned", "root": "tuned", "parent": "small"}
    assert models(openai(*served, adapter, owner="vllm")) == ["small"]


GGUF = "/home/user/ggml-org_gpt-oss-120b-GGUF_gpt-oss-120b-mxfp4-00001-of-00003.gguf"


def test_engines_that_call_one_model_differently_can_be_measured() -> None:
    """github.com/thushan/olla/issues/98: report 13."""
    several, one = ollama("gpt-oss:120b", "llama3.2:1b"), openai(GGUF, owner="llamacpp")
    assert models(several, one) == ["gpt-oss:120b", GGUF]
    assert models(several, one, model="llama3.2:1b") == ["llama3.2:1b", GGUF]
    assert models(several, one, model={"a": "gpt-oss:120b", "b": GGUF}) == ["gpt-oss:120b", GGUF]
    assert models(several, one, model={"a": "gpt-oss:120b"}) == ["gpt-oss:120b", GGUF]
    (first, _) = connected(several, one)
    assert any("hosts call their models differently" in note for note in first.noticed.in_words("a"))


def test_hosts_of_which_nobody_can_tell_which_model_is_meant_ask_for_it_by_host() -> None:
    with pytest.raises(ModelMissing, match=r"no model in common.*HOST=NAME"):
        models(ollama("x", "y"), openai("z"))
    with pytest.raises(ModelMissing, match=r"does not have the model wanted.*HOST=NAME"):
        models(ollama("x"), openai("z"), model="wanted")
    with pytest.raises(ModelMissing, match="does not have the model z"):
        models(ollama("x", "y"), openai("z"), model={"a": "z"})


@pytest.mark.parametrize("text", ["c=x", "a=x,y", "a=", "a=x,b", "=x"])
def test_a_model_by_host_names_hosts_that_there_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"HOST=NAME for each host .* the hosts are a, b"):
        by_host(text, ["a", "b"])


def test_a_model_is_asked_of_all_hosts_or_of_some() -> None:
    assert by_host(None, ["a", "b"]) == {}
    assert by_host("org/name:tag", ["a", "b"]) == {"a": "org/name:tag", "b": "org/name:tag"}
    assert by_host("b=x=y,a=z", ["a", "b"]) == {"b": "x=y", "a": "z"}


@pytest.mark.parametrize(
    ("patterns", "asked"),
    [
        (["*"], "m"),
        (["openai/*"], "openai/m"),
        (["*", "openai/*"], "m"),
        (["other", "m*"], "m"),
        (["ollama/*", "m"], "m"),
    ],
)
def test_a_pattern_stands_for_what_it_takes(patterns: list[str], asked: str) -> None:
    """github.com/BerriAI/litellm/issues/13643: report 16."""
    assert connected(ollama("m"), router=openai(*patterns))[-1].model == asked
    assert models(openai(*patterns), ollama("m")) == [asked, "m"]


def test_patterns_of_which_none_is_meant_ask_for_a_name() -> None:
    """report 16."""
    with pytest.raises(ModelMissing, match=r"--model=front=NAME"):
        connected(ollama("m"), router=openai("openai/*", "ollama/*"))
    named = {"a": "m", "front": "ollama/m"}
    assert connected(ollama("m"), router=openai("openai/*", "ollama/*"), model=named)[-1].model == "ollama/m"


@pytest.mark.parametrize("pattern", ["openai/*", "*"])
def test_what_a_pattern_sends_away_is_a_public_address(pattern: str) -> None:
    told = {"data": [{"model_name": pattern, "litellm_params": {"model": "openai/*"}, "model_info": {}}]}
    with pytest.raises(HostNotPrivate):
        connected(ollama("m"), router=openai(pattern, **{"/model/info": told}))


def test_a_llama_server_that_wants_a_key_for_all_but_its_list_says_so() -> None:
    """github.com/ggml-org/llama.cpp/issues/14352: report 11."""
    listed = openai("m", owner="llamacpp")

    def decide(asked: Asked) -> Answer:
        wants = b'{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}'
        return listed(asked) if asked.path in ("/v1/models", "/health") else Answer(401, (wants,))

    with pytest.raises(HostUnusable, match=r"wants a token \(status 401\): Invalid API Key.*OUTPACE_TOKEN_A"):
        models(decide, protocol="openai")


@pytest.mark.parametrize("path", ["", "/v1"])
def test_a_name_that_an_ollama_does_not_know_itself_by_is_no_matter_of_tokens(path: str) -> None:
    """github.com/ollama/ollama/issues/3269: report 10."""
    with pytest.raises(HostUnusable, match=r"does not accept the name 127\.0\.0\.1:\d+ in the Host header") as told:
        models(lambda _: Answer(403), path=path)
    assert "OLLAMA_HOST" in str(told.value)
    assert "wants a token" not in str(told.value)
    with pytest.raises(HostUnusable, match=r"forbids the request .* If it wants a token"):
        models(lambda _: Answer(403, (b'{"error": "not you"}',)), protocol="openai")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["", "m", "loaded", "embedding"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["value", "state", "x"]), inner),
    max_leaves=4,
)
KEYS = ["name", "model", "id", "aliases", "size", "digest", "details", "capabilities", "remote_host", "remote_model"]
KEYS += ["owned_by", "status", "state", "meta", "root", "parent", "type", "task", "mode"]
odd = st.dictionaries(st.sampled_from(KEYS), values, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(odd | values, max_size=3),
    more=st.dictionaries(st.sampled_from(["/api/ps", "/running", "/api/v0/models", "/model/info", "/props"]), values),
    remote=st.dictionaries(
        st.sampled_from(["remote_host", "remote_model"]), st.text(min_size=1, max_size=9), min_size=1
    ),
)
def test_whatever_a_list_holds_a_model_is_chosen_that_the_host_runs_or_the_reason_is_told(
    entries: list[Any], more: dict[str, Any], remote: dict[str, str]
) -> None:
    cloud = {"name": "away", "id": "away", **remote}
    for host in (ollama(*entries, cloud, **more), openai(*(each for each in entries if isinstance(each, dict)), cloud)):
        try:
            (engine,) = connected(host)
        except (ModelMissing, HostUnusable):
            continue
        assert engine.model != "away"
        assert engine.elsewhere is None
