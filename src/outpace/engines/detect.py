"""Which engine answers on a host, which model it is to use: found from the engine's own answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import anyio

from outpace.engines.base import Engine, Identity, reply_ok
from outpace.engines.client import Client, clean, error_text, unauthorized
from outpace.engines.ollama import OllamaEngine
from outpace.engines.openai import OpenAIEngine
from outpace.ground.errors import ConnectFailed, HostUnusable, ModelMissing, RequestFailed, UsageError
from outpace.ground.hosts import Host

PROTOCOLS = ("ollama", "openai")
LOADING_PAUSE_S = 0.25


async def connect(
    client: Client,
    hosts: Sequence[Host],
    *,
    model: str | None = None,
    protocol: str | None = None,
    wait_s: float = 60.0,
    version: str | None = None,
) -> dict[str, Engine]:
    """Find the engine of every host and the model that all of them are to use.

    ``protocol`` ("ollama" or "openai") is taken as given, else found. An engine that is still loading is waited for,
    ``wait_s`` seconds at most. ``version`` is taken where it is known better than the engines tell it. Raises
    ``HostUnusable`` naming the host, or ``ModelMissing`` naming its models.
    """
    if protocol is not None and protocol not in PROTOCOLS:
        raise UsageError(f"--protocol={protocol}: there is no such protocol; it is one of {', '.join(PROTOCOLS)}.")
    identities: dict[str, tuple[Host, Identity]] = {}

    problems: dict[str, HostUnusable] = {}

    async def look(host: Host) -> None:
        try:
            identities[host.name] = await _identify(client, host, protocol, wait_s)
        except HostUnusable as error:
            problems[host.name] = error

    async with anyio.create_task_group() as looks:
        for host in hosts:
            looks.start_soon(look, host)
    if problems:
        raise HostUnusable(" ".join(str(problems[host.name]) for host in hosts if host.name in problems))
    found = [identities[host.name] for host in hosts]
    models = _choose_models(found, model)
    return {
        host.name: engine_for(client, host, replace(identity, version=version or identity.version), models[host.name])
        for host, identity in found
    }


async def connect_routers(client: Client, routers: Sequence[Host], model: str, wait_s: float) -> dict[str, Engine]:
    """Find what each router speaks, and the model to ask it for: ``model`` if it offers that, else the only one.

    Raises ``HostUnusable``, or ``ModelMissing`` where it offers several and not that one.
    """
    found: dict[str, Engine] = {}
    for host in routers:
        found |= await connect(client, [host], wait_s=wait_s)
    for name, router in found.items():
        models = router.identity.models
        if model not in models and len(models) > 1:
            raise ModelMissing(
                f"Router {name} does not offer the model {clean(model)} of its hosts, but {_listed(router.identity)}. "
                "Let it offer that name, or only one."
            )
        chosen = model if model in models else next(iter(models))
        found[name] = engine_for(client, router.host, router.identity, chosen)
    return found


def engine_for(client: Client, host: Host, identity: Identity, model: str) -> Engine:
    """The engine of ``host`` with ``model`` chosen."""
    return (OllamaEngine if identity.protocol == "ollama" else OpenAIEngine)(client, host, identity, model)


async def _identify(client: Client, host: Host, protocol: str | None, wait_s: float) -> tuple[Host, Identity]:
    # Pinned to the address that answers: a name may stand for one that the engine does not listen on.
    refused: RequestFailed | None = None
    for address in host.addresses:
        pinned = replace(host, url=host.url.removesuffix("/v1"), addresses=(address,))
        try:
            return pinned, await _probe(client, pinned, protocol, wait_s, v1=host.url.endswith("/v1"))
        except ConnectFailed as error:
            refused = error
        except RequestFailed as error:
            raise HostUnusable(f"Host {host.name} ({host.url}) cannot be used: {error}") from error
    raise HostUnusable(
        f"{refused} Is the engine running there, does it listen on that address (Ollama listens on loopback alone "
        "unless OLLAMA_HOST says otherwise), and does no firewall stand between?"
    ) from refused


async def _probe(client: Client, host: Host, protocol: str | None, wait_s: float, *, v1: bool) -> Identity:
    if protocol != "openai" and not v1 and (identity := await _probe_ollama(client, host)):
        return identity
    if protocol != "ollama" and (identity := await _probe_openai(client, host, wait_s)):
        return identity
    wanted = {"ollama": "Ollama's /api/version", "openai": "the OpenAI protocol's /v1/models"}
    asked = wanted[protocol] if protocol else " nor ".join(wanted.values())
    raise HostUnusable(
        f"Host {host.name} ({host.url}) answers neither {asked} as an engine would. Is the port that of the engine?"
        if not protocol
        else f"Host {host.name} ({host.url}) does not answer {asked} as --protocol={protocol} says it should."
    )


async def _probe_ollama(client: Client, host: Host) -> Identity | None:
    version = await reply_ok(client, host, "/api/version")
    if not version or not isinstance(version.get("version"), str):
        return None
    tags = await reply_ok(client, host, "/api/tags") or {}
    models = {
        name: _text(entry.get("digest"))
        for entry in _entries(tags.get("models"))
        for name in _names(entry.get("name") or entry.get("model"))
    }
    return Identity("ollama", "ollama", clean(version["version"]), models)


async def _probe_openai(client: Client, host: Host, wait_s: float) -> Identity | None:
    until = anyio.current_time() + wait_s
    while (  # noqa: ASYNC110 - HTTP can only be asked
        reply := await client.get(host, "/v1/models")
    ).status == 503 and anyio.current_time() < until:
        await anyio.sleep(LOADING_PAUSE_S)
    if reply.status in (401, 403):
        said = error_text(reply.body)
        raise HostUnusable(f"Host {host.name} ({host.url}) {unauthorized(host, reply.status, said)}")
    if reply.status == 503:
        raise HostUnusable(f"Host {host.name} ({host.url}) was still loading after {wait_s:g} s.")
    entries = _entries(reply.json().get("data"))
    models: dict[str, str | None] = {}
    for entry in entries:
        aliases = entry.get("aliases")
        models.update(dict.fromkeys(_names(entry.get("id"), *(aliases if isinstance(aliases, list) else ()))))
    if reply.status != 200 or not models:
        return None
    owners = [entry.get("owned_by") for entry in entries]
    if "llamacpp" in owners or reply.headers.get("server") == "llama.cpp":
        properties = await reply_ok(client, host, "/props") or {}
        return Identity("llama-server", "openai", _text(properties.get("build_info")), models)
    version = await reply_ok(client, host, "/version") or {}
    if "vllm" in owners:
        return Identity("vllm", "openai", _text(version.get("version")), models)
    ollama = await reply_ok(client, host, "/api/version") or {}
    engine = "ollama" if isinstance(ollama.get("version"), str) else "openai"
    return Identity(engine, "openai", _text(ollama.get("version") or version.get("version")), models)


def _entries(found: Any) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _names(*found: Any) -> list[str]:
    """Those of ``found`` that can name a model in a request: text, without half of a surrogate pair."""
    return [each for each in found if isinstance(each, str) and each and each == each.encode(errors="replace").decode()]


def _text(found: Any) -> str | None:
    return clean(found) if isinstance(found, str) else None


def _choose_models(found: Sequence[tuple[Host, Identity]], wanted: str | None) -> dict[str, str]:
    """The model of each host: the one asked for, the one that all have in common, or the only one of each."""
    if wanted is not None:
        return {host.name: _find_model(host, identity, wanted) for host, identity in found}
    for host, identity in found:
        if not identity.models:
            raise ModelMissing(f"Host {host.name} ({host.url}) has no model: install one there, the same on all hosts.")
    common = [name for name in found[0][1].models if all(name in identity.models for _, identity in found)]
    if common:
        return {host.name: common[0] for host, _ in found}
    if all(len(identity.models) == 1 for _, identity in found):
        return {host.name: next(iter(identity.models)) for host, identity in found}
    has = "; ".join(f"{host.name} has {_listed(identity)}" for host, identity in found)
    raise ModelMissing(
        f"The hosts have no model in common: {has}. Install the same model on all, and name it by --model."
    )


def _find_model(host: Host, identity: Identity, wanted: str) -> str:
    for name in (wanted, f"{wanted}:latest"):
        if name in identity.models:
            return name
    raise ModelMissing(
        f"Host {host.name} ({host.url}) does not have the model {clean(wanted)}. It has {_listed(identity)}. Name one "
        "that all hosts have by --model, or install it there."
    )


def _listed(identity: Identity) -> str:
    names, more = [clean(name, 80) for name in islice(identity.models, 20)], len(identity.models) - 20
    return ", ".join(names) + (f" and {more} more" if more > 0 else "") if names else "none"
