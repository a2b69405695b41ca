"""Hosts that mean harm when they are asked what they are: found unusable by name, or used for what is sane of them."""

from __future__ import annotations

import json
import time
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from hostile import OLLAMA, PATIENCE_S, TIMEOUT_S, Talk, serve
from hostile_harms import (
    DIGITS,
    JUST_TOO_DEEP,
    NESTED,
    body_that_drips,
    compressed_bomb,
    header_that_drips,
    headers_of_megabytes,
    informational_without_end,
    never_ends,
    trailers_without_end,
)
from outpace.engines import Client, Engine, connect
from outpace.ground.errors import HostUnusable, UsageError
from outpace.ground.hosts import Host, resolve
from scripted import Answer, Asked, serving

pytestmark = pytest.mark.waits
LARGEST = 4 << 20
VLLM = {"id": "m", "owned_by": "vllm"}
WRONG: list[Any] = [None, 5, True, "x", {}, {"m": {}}, [], [None, 1, "m", [["m"]]]]
NO_NAMES: list[Any] = [None, 5, True, 1e9, ["m"], {"m": "m"}, "", "\ud800"]


def found(said: dict[str, Any], *, timeout_s: float = TIMEOUT_S, **wanted: Any) -> Engine | str:
    """What a host turns out to be that answers with ``said`` by path, or what is told of why it cannot be used."""

    def decide(asked: Asked) -> Answer | None:
        if asked.path not in said:
            return Answer(404)
        told = said[asked.path]
        if isinstance(told, Answer):
            return told
        return Answer(200, (told if isinstance(told, bytes) else json.dumps(told).encode(),))

    async def main() -> Engine | str:
        async with serving(decide) as server, Client(timeout_s=timeout_s) as client:
            try:
                with anyio.fail_after(PATIENCE_S):
                    host = Host("bad", server.url, ("127.0.0.1",))
                    return (await connect(client, [host], **{"wait_s": TIMEOUT_S, **wanted}))["bad"]
            except UsageError as error:
                return str(error)

    return anyio.run(main)


def is_unusable(said: dict[str, Any], *, because: str, timeout_s: float = TIMEOUT_S, **wanted: Any) -> None:
    began = time.monotonic()
    told = found(said, timeout_s=timeout_s, **wanted)
    assert isinstance(told, str)
    assert "Host bad (" in told
    assert because in told
    assert len(told) < 2500
    assert time.monotonic() - began < 2 * timeout_s + 2


def offers(said: dict[str, Any], *models: str) -> Engine:
    engine = found(said, model="m")
    assert not isinstance(engine, str), engine
    assert tuple(engine.identity.models) == models
    return engine


def ollama(models: Any) -> dict[str, Any]:
    return {"/api/version": {"version": "0.9"}, "/api/tags": {"models": models}}


@pytest.mark.parametrize("models", WRONG)
def test_a_list_of_models_of_the_wrong_type_holds_none(models: Any) -> None:
    is_unusable(ollama(models), because="has no model")
    is_unusable({"/v1/models": {"data": models}}, because="answers neither")


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none_names_no_model(name: Any) -> None:
    is_unusable(ollama([{"name": name}]), because="has no model")
    is_unusable(ollama([{"model": name}]), because="has no model")
    is_unusable({"/v1/models": {"data": [{"id": name, "aliases": [name]}]}}, because="answers neither")
    offers(ollama([{"name": name}, {"name": "m"}]), "m")
    offers({"/v1/models": {"data": [{"id": name, "aliases": ["m", name]}, {"id": "n"}]}}, "m", "n")


@pytest.mark.parametrize("value", NO_NAMES)
def test_what_is_told_of_a_model_in_the_wrong_type_is_not_believed(value: Any) -> None:
    digest = offers(ollama([{"name": "m", "digest": value}]), "m").identity.models["m"]
    assert digest is None or isinstance(value, str)
    models = {"data": [{**VLLM, "aliases": value}, {"id": "n", "owned_by": value}]}
    assert offers({"/v1/models": models, "/version": {"version": value}}, "m", "n").identity.engine == "vllm"
    owned = {"data": [{"id": "m", "owned_by": "llamacpp", "aliases": None}]}
    version = offers({"/v1/models": owned, "/props": {"build_info": value}}, "m").identity.version
    assert version is None or isinstance(value, str)


@pytest.mark.parametrize("value", [each for each in NO_NAMES if not isinstance(each, str)])
def test_a_version_of_the_wrong_type_is_no_ollamas(value: Any) -> None:
    is_unusable({"/api/version": {"version": value}}, because="answers neither")


def test_what_a_host_calls_itself_stays_on_one_short_line() -> None:
    name = "\u202e\x1b[31m\n" + "x" * 100_000
    version = offers({**ollama([{"name": "m"}]), "/api/version": {"version": name}}, "m").identity.version
    assert version is not None
    assert version.isprintable()
    assert len(version) <= 300
    is_unusable(ollama([{"name": f"{number}{name}"} for number in range(30)]), because="and 10 more", model="m")


PATHS = ["/api/version", "/api/tags", "/v1/models", "/props", "/version"]
UNREADABLE = {
    "nested 100,000 deep": NESTED,
    "nested 100,000 deep in an object": b'{"a": ' + NESTED + b"}",
    "an integer of 100,000 digits": b'{"version": ' + DIGITS + b"}",
    "invalid UTF-8": b'{"version": "\xff\xfe"}',
    "null": b"null",
    "nothing": b"",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("reply", UNREADABLE)
def test_a_reply_that_cannot_be_read_tells_nothing(reply: str, path: str) -> None:
    owner = "llamacpp" if path == "/props" else "vllm"
    told = found({"/v1/models": {"data": [{"id": "m", "owned_by": owner}]}, path: UNREADABLE[reply]}, protocol="openai")
    assert "Host bad (" in told if isinstance(told, str) else (told.model, told.identity.version) == ("m", None)
    told = found({**ollama([{"name": "m"}]), path: UNREADABLE[reply]})
    assert "Host bad (" in told if isinstance(told, str) else told.model == "m"


def test_a_reply_nested_just_too_deep_tells_nothing() -> None:
    for nested in JUST_TOO_DEEP[::40]:
        is_unusable({"/api/version": {"version": "1"}, "/api/tags": b'{"models": ' + nested + b"}"}, because="no model")


def test_a_list_of_very_many_models_costs_bounded_time_and_memory() -> None:
    entry = b'{"name":"%06d"},'
    fits = b"".join(entry % number for number in range(LARGEST // 18 - 10))
    tracemalloc.start()
    try:
        told = {"because": "and 9980 more", "model": "m", "timeout_s": PATIENCE_S / 2}
        is_unusable({**ollama([]), "/api/tags": b'{"models":[' + fits + b"{}]}"}, **told)
        told["because"] = f"more than {LARGEST} bytes"
        is_unusable({**ollama([]), "/api/tags": b'{"models":[' + fits * 2 + b"{}]}"}, **told)
        assert tracemalloc.get_traced_memory()[1] < 40 * LARGEST
    finally:
        tracemalloc.stop()


TO_LOOK_AT = {
    "a body that never ends": (never_ends, f"more than {LARGEST} bytes"),
    "a body that drips": (body_that_drips, "did not answer"),
    "a header that drips": (header_that_drips, "did not answer"),
    "headers of megabytes": (headers_of_megabytes, "does not speak HTTP"),
    "informational answers without an end": (informational_without_end, "does not speak HTTP"),
    "trailers without an end": (trailers_without_end, "inside its answer"),
    "a compressed bomb": (compressed_bomb, "answers neither"),
}


@pytest.mark.parametrize("harm", TO_LOOK_AT)
def test_a_host_that_means_harm_is_found_unusable_in_bounded_time_and_memory(harm: str) -> None:
    talk, because = TO_LOOK_AT[harm]
    began = time.monotonic()
    tracemalloc.start()
    try:
        told = anyio.run(looked_at, talk)
        assert tracemalloc.get_traced_memory()[1] < 6 * LARGEST
    finally:
        tracemalloc.stop()
    assert "Host bad (" in told
    assert because in told
    assert time.monotonic() - began < 2 * TIMEOUT_S + 2


async def looked_at(talk: Talk) -> str:
    async with AsyncExitStack() as stack:
        port = await serve(stack, talk, OLLAMA)
        client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
        try:
            with anyio.fail_after(PATIENCE_S):
                await connect(client, resolve([Host("bad", f"http://127.0.0.1:{port}")]), wait_s=TIMEOUT_S)
        except HostUnusable as error:
            return str(error)
    return "found usable"


@pytest.mark.parametrize("wait_s", [0.2, TIMEOUT_S, 60])
def test_a_host_that_never_tells_its_models_is_given_up(wait_s: float) -> None:
    is_unusable({"/v1/models": Answer(200, (b"{",), end="silence")}, because="/v1/models", wait_s=wait_s)


def test_a_host_that_says_for_ever_that_it_loads_is_given_up() -> None:
    is_unusable({"/v1/models": Answer(503, (b"no " * 1000,))}, because="still loading after 0.4 s", wait_s=0.4)
