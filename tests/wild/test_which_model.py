"""Which model is used: on the host itself, one that makes text, loaded before unloaded; else the user is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listing import connected, models, ollama, openai
from outpace.engines.models import by_host
from outpace.ground.errors import HostUnusable, ModelMissing, UsageError
from scripted import Answer, Asked

EMBEDDER = {"name": "nomic-embed-text:latest", "size": 274302450, "capabilities": ["embedding"]}


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
