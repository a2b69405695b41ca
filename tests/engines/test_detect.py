"""Which engine a host has, and which model, is found from recorded answers of the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio
import pytest

from outpace.engines import Client, Engine, connect
from outpace.engines.client import authority_of
from outpace.ground.errors import HostUnusable, ModelMissing, UsageError
from outpace.ground.hosts import Host
from scripted import Answer, Asked, answer_of, entries, serving

NOT_FOUND = Answer(404, (b'{"error": "not found"}',))


def as_recorded(*names: str) -> Callable[[Asked], Answer]:
    """Answer GETs as the recordings do, and anything else with 404."""
    said = {
        "/" + entry["request"]["url"].split("/", 3)[3]: answer_of(entry)
        for name in names
        for entry in entries(name)
        if entry["request"]["method"] == "GET" and entry["response"]["status"] == 200
    }
    return lambda asked: said.get(asked.path, NOT_FOUND)


def models(*names: str) -> Answer:
    listed = {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "someone"} for name in names]}
    return Answer(200, (json.dumps(listed).encode(),))


def tags(*names: str) -> Callable[[Asked], Answer]:
    listed = {"models": [{"name": name, "digest": f"digest of {name}"} for name in names]}
    said = {
        "/api/version": Answer(200, (b'{"version": "0.9.1"}',)),
        "/api/tags": Answer(200, (json.dumps(listed).encode(),)),
    }
    return lambda asked: said.get(asked.path, NOT_FOUND)


def found(*deciders: Callable[[Asked], Answer | None], path: str = "", **wanted) -> list[Engine]:
    async def nest(left: list, hosts: list[Host]) -> list[Engine]:
        if not left:
            async with Client(timeout_s=5) as client:
                return list((await connect(client, hosts, **wanted)).values())
        async with serving(left[0]) as server:
            host = Host(f"host{len(hosts)}", server.url + path, ("127.0.0.1",))
            return await nest(left[1:], [*hosts, host])

    return anyio.run(nest, list(deciders), [])


@pytest.mark.parametrize(
    ("recording", "engine", "protocol", "version", "model"),
    [
        ("vllm", "vllm", "openai", "0.32.0", "smollm2"),
        ("llama-server", "llama-server", "openai", "b0-unknown", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ],
)
def test_engines_of_the_openai_protocol_are_told_apart(recording, engine, protocol, version, model) -> None:
    (one,) = found(as_recorded(recording))
    assert (one.identity.engine, one.identity.protocol, one.identity.version) == (engine, protocol, version)
    assert one.model == model


def test_ollama_is_found_with_its_version_and_its_models_digests() -> None:
    (one,) = found(tags("smollm2:135m"))
    assert (one.identity.engine, one.identity.protocol, one.identity.version) == ("ollama", "ollama", "0.9.1")
    assert one.identity.models == {"smollm2:135m": "digest of smollm2:135m"}


def test_a_url_that_ends_in_v1_asks_for_the_openai_protocol_of_ollama() -> None:
    said = tags("m")

    def decide(asked: Asked) -> Answer:
        return models("m") if asked.path == "/v1/models" else said(asked)

    (one,) = found(decide, path="/v1")
    assert (one.identity.engine, one.identity.protocol) == ("ollama", "openai")


def test_the_model_that_all_hosts_have_is_chosen() -> None:
    chosen = found(tags("a", "both", "c"), tags("both", "d"))
    assert [engine.model for engine in chosen] == ["both", "both"]


def test_a_model_may_be_named_without_its_latest_tag() -> None:
    (one,) = found(tags("m:latest"), model="m")
    assert one.model == "m:latest"


def test_hosts_with_one_model_each_need_no_name_for_it() -> None:
    assert [engine.model for engine in found(tags("m:135m"), as_recorded("vllm"))] == ["m:135m", "smollm2"]


def test_a_missing_model_is_told_with_those_that_the_host_has() -> None:
    with pytest.raises(ModelMissing, match=r"host1 .* does not have the model wanted\. It has other, third\."):
        found(tags("wanted"), tags("other", "third"), model="wanted")


def test_hosts_without_a_model_in_common_are_told_with_what_each_has() -> None:
    with pytest.raises(ModelMissing, match="host0 has a, b; host1 has c, d"):
        found(tags("a", "b"), tags("c", "d"))


def test_a_host_without_models_says_so() -> None:
    with pytest.raises(ModelMissing, match=r"host0 .* has no model"):
        found(tags())


def test_an_engine_that_still_loads_is_waited_for() -> None:
    answers = [Answer(503, (b'{"error":{"message":"Loading model"}}',))] * 2

    def decide(asked: Asked) -> Answer:
        if asked.path != "/v1/models":
            return NOT_FOUND
        return answers.pop() if answers else models("m")

    (one,) = found(decide)
    assert one.model == "m"


def test_an_engine_that_loads_for_ever_is_given_up() -> None:
    with pytest.raises(HostUnusable, match=r"host0 .* still loading after 0\.3 s"):
        found(lambda asked: Answer(503), protocol="openai", wait_s=0.3)


def test_what_is_no_engine_is_told_so() -> None:
    with pytest.raises(HostUnusable, match=r"host0 .* answers neither Ollama's /api/version nor"):
        found(lambda asked: Answer(200, (b"<html>It works!</html>",)))


def test_a_protocol_that_the_host_does_not_speak_is_told_so() -> None:
    with pytest.raises(HostUnusable, match="--protocol=openai"):
        found(tags("m"), protocol="openai")


def test_there_are_two_protocols() -> None:
    with pytest.raises(UsageError, match="ollama, openai"):
        found(tags("m"), protocol="grpc")


def test_a_host_that_wants_a_token_names_the_variable_for_it() -> None:
    with pytest.raises(HostUnusable, match="OUTPACE_TOKEN_HOST0"):
        found(lambda asked: Answer(401, (b'{"error": "no key"}',)))


def test_every_host_that_cannot_be_used_is_named() -> None:
    with pytest.raises(HostUnusable, match=r"host0.*host2"):
        found(lambda asked: None, tags("m"), lambda asked: None)


def test_the_address_that_answers_is_the_one_that_is_used() -> None:
    async def main() -> str:
        async with serving(tags("m")) as server, Client(timeout_s=5) as client:
            host = Host("laptop", server.url.replace("127.0.0.1", "localhost"), ("127.0.0.2", "127.0.0.1"))
            engines = await connect(client, [host])
            assert {asked.headers["host"] for asked in server.asked} == {f"localhost:{server.port}"}
            return engines["laptop"].host.addresses[0]

    assert anyio.run(main) == "127.0.0.1"


@pytest.mark.parametrize(
    ("url", "address", "authority"),
    [
        ("http://h:11434", "10.0.0.1", "10.0.0.1:11434"),
        ("http://h:80/v1", "10.0.0.1", "10.0.0.1"),
        ("https://h", "fd00::1", "[fd00::1]"),
        ("http://[::1]:8080", "::1", "[::1]:8080"),
    ],
)
def test_the_transport_knows_a_host_by_its_pinned_address(url: str, address: str, authority: str) -> None:
    assert authority_of(Host("name", url, (address,))) == authority
