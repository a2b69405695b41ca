"""Which engine answers on a host, which model it is to use: found from the engine's own answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio

from outpace.engines.base import Engine, Identity, Offer, SpeakingEngine, reply_ok
from outpace.engines.client import Client, Reply
from outpace.engines.failures import clean, error_text, unauthorized
from outpace.engines.models import choose, differently, distinct, eligible, listed, named, require_usable
from outpace.engines.offers import entries, names, of_ollama, of_openai, text
from outpace.engines.ollama import OllamaEngine
from outpace.engines.openai import OpenAIEngine
from outpace.engines.own import identified, made, own_engine
from outpace.ground.errors import (
    CertificateRefused,
    ConnectFailed,
    CoordinatorShort,
    HostUnusable,
    ModelMissing,
    NetworkDown,
    RequestFailed,
)
from outpace.ground.hosts import Host

PROTOCOLS = ("ollama", "openai")
LOADING_PAUSE_S = 0.25


async def connect(
    client: Client,
    hosts: Sequence[Host],
    *,
    model: str | Mapping[str, str] | None = None,
    protocol: str | None = None,
    wait_s: float = 60.0,
    version: str | None = None,
    allow_public: bool = False,
) -> dict[str, Engine]:
    """Find the engine of every host and the model that each is to use: ``model``, of all hosts or by host.

    ``protocol`` ("ollama", "openai", or a user's own) is taken as given, else found. An engine that is still loading
    is waited for, ``wait_s`` seconds at most. ``version`` is taken where it is known better than the engines tell it.
    Raises ``HostUnusable`` naming the host, ``ModelMissing`` naming its models, or ``HostNotPrivate`` where somebody
    else answers for the model and ``allow_public`` is not set.
    """
    looked = await look_at(client, hosts, protocol=protocol, wait_s=wait_s)
    if problems := [str(each) for each in looked.values() if isinstance(each, HostUnusable)]:
        raise HostUnusable(" ".join(problems))
    found = [each for each in looked.values() if not isinstance(each, HostUnusable)]
    asked = dict.fromkeys(looked, model) if isinstance(model, str) else model or {}
    models = choose(found, asked, allow_public=allow_public)
    engines: dict[str, Engine] = {
        host.name: _any_engine_for(
            client, host, replace(identity, version=version or identity.version), models[host.name]
        )
        for host, identity in found
    }
    if said := differently(models):
        next(iter(engines.values())).noticed.of_host(said)
    return engines


async def look_at(
    client: Client, hosts: Sequence[Host], *, protocol: str | None = None, wait_s: float = 60.0
) -> dict[str, tuple[Host, Identity] | HostUnusable]:
    """Find out which engine each of ``hosts`` has and what it offers, or why it cannot be used, by name."""
    if protocol is not None and protocol not in PROTOCOLS:
        own_engine(protocol, PROTOCOLS)
    found: dict[str, tuple[Host, Identity] | HostUnusable] = {}

    async def look(host: Host) -> None:
        try:
            found[host.name] = await _identify(client, host, protocol, wait_s)
        except HostUnusable as error:
            found[host.name] = error

    async with anyio.create_task_group() as looks:
        for host in hosts:
            looks.start_soon(look, host)
    return {host.name: found[host.name] for host in hosts}


async def connect_routers(
    client: Client,
    routers: Sequence[Host],
    model: str,
    wait_s: float,
    *,
    asked: Mapping[str, str] | None = None,
    allow_public: bool = False,
) -> dict[str, Engine]:
    """Find what each router speaks, and what to ask it for: what is ``asked`` of it, or the hosts' ``model``.

    It may be the only one that it offers, or one that a pattern takes. Raises ``HostUnusable``, ``ModelMissing`` where
    it is unclear which, or ``HostNotPrivate`` as ``connect`` does.
    """
    looked = await look_at(client, routers, wait_s=wait_s)
    if problems := [str(each) for each in looked.values() if isinstance(each, HostUnusable)]:
        raise HostUnusable(" ".join(problems))
    found: dict[str, Engine] = {}
    for router, identity in (each for each in looked.values() if not isinstance(each, HostUnusable)):
        wanted = (asked or {}).get(router.name, model)
        chosen = named(identity, wanted)
        if chosen is None:
            own = distinct(eligible(identity, allow_public=allow_public), identity)
            if len(own) != 1 or (asked and router.name in asked and set(asked.values()) != {wanted}):
                raise ModelMissing(
                    f"Router {router.name} does not offer the model {clean(wanted)} of its hosts, but "
                    f"{listed(identity)}. Let it offer that name, or only one, or say --model={router.name}=NAME."
                )
            chosen = own[0]
        require_usable(router, identity, chosen, allow_public=allow_public)
        engine = found[router.name] = engine_for(client, router, identity, chosen)
        if isinstance(engine, OpenAIEngine):
            engine.asks_for_new_answers = True
    return found


def engine_for(client: Client, host: Host, identity: Identity, model: str) -> SpeakingEngine:
    """The engine of ``host`` with ``model`` chosen."""
    return (OllamaEngine if identity.protocol == "ollama" else OpenAIEngine)(client, host, identity, model)


def _any_engine_for(client: Client, host: Host, identity: Identity, model: str) -> Engine:
    """The same, of a user's own where its protocol is none of ours."""
    if identity.protocol in PROTOCOLS:
        return engine_for(client, host, identity, model)
    return made(own_engine(identity.protocol, PROTOCOLS), client, host, identity, model)


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
    if isinstance(refused, CertificateRefused | CoordinatorShort | NetworkDown):
        raise HostUnusable(str(refused)) from refused
    raise HostUnusable(
        f"{refused} Is the engine running there, does it listen on that address (Ollama listens on loopback alone "
        "unless OLLAMA_HOST says otherwise), and does no firewall stand between?"
    ) from refused


async def _probe(client: Client, host: Host, protocol: str | None, wait_s: float, *, v1: bool) -> Identity:
    if protocol is not None and protocol not in PROTOCOLS:
        return await identified(own_engine(protocol, PROTOCOLS), client, host, protocol)
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
    return _identity("ollama", "ollama", clean(version["version"]), await of_ollama(client, host))


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
    listed = entries(reply.json().get("data"))
    if reply.status != 200 or not any(names(entry.get("id")) for entry in listed):
        return None
    engine, version = await _engine(client, host, reply, [entry.get("owned_by") for entry in listed])
    return _identity(engine, "openai", version, await of_openai(client, host, listed, engine))


async def _engine(client: Client, host: Host, models: Reply, owners: list[Any]) -> tuple[str, str | None]:
    """Which engine has listed ``models`` owned by ``owners``, and its version; raises ``RequestFailed``."""
    if "llamacpp" in owners or models.headers.get("server") == "llama.cpp":
        properties = await client.get(host, "/props")
        if properties.status == 401:  # the list is for everyone there, and prompts are not
            raise HostUnusable(f"Host {host.name} ({host.url}) {unauthorized(host, 401, error_text(properties.body))}")
        return "llama-server", text(properties.json().get("build_info")) if properties.status == 200 else None
    if "llama-swap" in owners:
        return "llama-swap", None
    if any(isinstance(owner, str) and owner.replace("-", "_") == "organization_owner" for owner in owners):
        return "lmstudio", None
    version = await reply_ok(client, host, "/version") or {}
    if "vllm" in owners:
        return "vllm", text(version.get("version"))
    ollama = await reply_ok(client, host, "/api/version") or {}
    engine = "ollama" if isinstance(ollama.get("version"), str) else "openai"
    return engine, text(ollama.get("version")) or text(version.get("version"))


def _identity(engine: str, protocol: str, version: str | None, offers: Mapping[str, Offer]) -> Identity:
    return Identity(engine, protocol, version, {name: offer.digest for name, offer in offers.items()}, offers)
