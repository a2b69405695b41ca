"""What the models are that a host lists: who answers for them, whether they make text, whether they are loaded.

What is not of the type that it is due in tells nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from outpace.engines.base import KEPT_LOADED_S, Offer, reply_ok
from outpace.engines.client import Client
from outpace.engines.failures import clean
from outpace.ground.errors import RequestFailed
from outpace.ground.hosts import Host, public_place

MOST = 10_000
_CLOUD = re.compile(r"[:-]cloud$")
"""How Ollama names what its cloud answers: gpt-oss:120b-cloud, glm-4.6:cloud."""
_LEAST_WEIGHTS = 1 << 20
"""Bytes that a model has at least; what stands for one of the cloud has some hundred."""
_NAMES_WITHOUT_TEXT = re.compile(r"embed|rerank|(^|[/_-])(bge|gte|e5)-|minilm|whisper|(^|[/_-])tts", re.IGNORECASE)
_WITHOUT_TEXT = re.compile(r"embed|rerank|bert|image_gen|text-to-image|speech|transcri|moderation", re.IGNORECASE)
"""What engines call the type, family, task or mode of a model that makes no text."""
_LOADED = frozenset(("loaded", "ready", "running", "sleeping"))
_LOCAL = frozenset(
    ("ollama", "ollama_chat", "hosted_vllm", "vllm", "lm_studio", "llamafile", "openai_like", "xinference", "oobabooga")
)
"""LiteLLM's names for engines that answer on this machine where no other is told."""


def entries(found: Any) -> list[dict[str, Any]]:
    """The objects in a list, the first of very many; empty where it is none."""
    return [entry for entry in found[:MOST] if isinstance(entry, dict)] if isinstance(found, list) else []


def names(*found: Any) -> list[str]:
    """Those of ``found`` that can name a model in a request: text, without half of a surrogate pair."""
    return [each for each in found if isinstance(each, str) and each and each == each.encode(errors="replace").decode()]


def text(found: Any) -> str | None:
    """``found`` on one line, None where it is no text."""
    return clean(found) if isinstance(found, str) and found else None


async def of_ollama(client: Client, host: Host) -> dict[str, Offer]:
    """What ``/api/tags`` and ``/api/ps`` tell; raises ``RequestFailed``."""
    tags = await reply_ok(client, host, "/api/tags") or {}
    running = await _told(client, host, "/api/ps")
    until = {
        name: entry.get("expires_at")
        for entry in entries(running.get("models"))
        for name in names(entry.get("name"), entry.get("model"))
    }
    found = {}
    for entry in entries(tags.get("models")):
        details = entry.get("details")
        family = details.get("family") if isinstance(details, dict) else None
        size, can = entry.get("size"), _can(entry)
        weighs = isinstance(size, int) and size >= _LEAST_WEIGHTS
        for name in names(entry.get("name") or entry.get("model")):
            offer = _offer(name, entry, family, named_cloud=not weighs)
            found[name] = replace(
                offer,
                digest=text(entry.get("digest")),
                loaded=name in until if "models" in running else None,
                kept=_is_later(until.get(name)),
                makes_text=offer.makes_text and (not can or "completion" in can),
            )
    return found


async def of_openai(client: Client, host: Host, listed: list[dict[str, Any]], engine: str) -> dict[str, Offer]:
    """What the entries of ``/v1/models`` tell, and what the ``engine`` tells elsewhere; raises ``RequestFailed``."""
    found: dict[str, Offer] = {}
    for entry in listed:
        aliases = entry.get("aliases")
        own, *others = names(entry.get("id"), *(aliases if isinstance(aliases, list) else ())) or [""]
        if own:
            offer = _offer(own, entry)
            found[own] = offer
            found |= {other: replace(offer, own_name=offer.own_name or own) for other in others if other not in found}
    return await _with_more(client, host, found, engine)


async def _with_more(client: Client, host: Host, found: dict[str, Offer], engine: str) -> dict[str, Offer]:
    """``found`` with what the ``engine`` tells of it elsewhere."""
    if engine in ("llama-server", "vllm"):  # what they list is loaded, unless they say otherwise
        return {name: replace(offer, loaded=offer.loaded is not False) for name, offer in found.items()}
    if engine == "ollama":
        told = await of_ollama(client, host)
        return {name: told.get(name) or told.get(f"{name}:latest") or offer for name, offer in found.items()}
    if engine == "lmstudio":
        for entry in entries((await _told(client, host, "/api/v0/models")).get("data")):
            found |= {name: _offer(name, entry) for name in names(entry.get("id")) if name in found}
    if engine == "llama-swap":
        running = entries((await _told(client, host, "/running")).get("running"))
        ready = names(*(entry.get("model") for entry in running if entry.get("state") == "ready"))
        return {name: replace(offer, loaded=(offer.own_name or name) in ready) for name, offer in found.items()}
    if engine == "openai":  # LiteLLM does not say that it is one
        for entry in entries((await _told(client, host, "/model/info")).get("data")):
            for name in names(entry.get("model_name")):
                if name in found:
                    found[name] = _of_litellm(found[name], entry)
    return found


def _offer(name: str, entry: Mapping[str, Any], *kinds: object, named_cloud: bool = True) -> Offer:
    """What one entry of a list tells, in any of the forms of llama-server, LM Studio, llama-swap, Ollama and vLLM."""
    meta, status = entry.get("meta"), entry.get("status")
    swapped = meta.get("llamaswap") if isinstance(meta, dict) else None
    state = status.get("value") if isinstance(status, dict) else status or entry.get("state")
    state = swapped.get("state", state) if isinstance(swapped, dict) else state
    can, root = _can(entry), text(entry.get("root"))
    if not {"completion", "chat"} & set(can):
        kinds = (*kinds, *can)
    remote = text(entry.get("remote_host")) or (
        "another host" if entry.get("remote_host") or entry.get("remote_model") else None
    )
    if not remote and named_cloud and _CLOUD.search(name.removesuffix(":latest")):
        remote = "https://ollama.com, as its name says"
    adapter = bool(text(entry.get("parent")))
    return Offer(
        elsewhere=remote,
        makes_text=not any(map(_is_without_text, (*kinds, *(entry.get(key) for key in ("type", "task", "mode"))))),
        loaded=state in _LOADED if isinstance(state, str) else None,
        own_name=root if not adapter and root != name else None,
        unasked=not adapter and not _NAMES_WITHOUT_TEXT.search(name),
    )


def _is_later(told: object) -> bool:
    """Whether a time that is ``told`` is later than a model would be asked to be kept; for ever is in centuries."""
    try:
        until = datetime.fromisoformat(told) if isinstance(told, str) else None
        return until is not None and until.timestamp() > time.time() + KEPT_LOADED_S
    except (ValueError, OverflowError):
        return False


def _can(entry: Mapping[str, Any]) -> list[str]:
    can = entry.get("capabilities")
    return names(*can) if isinstance(can, list) else []


def _is_without_text(kind: object) -> bool:
    return isinstance(kind, str) and _WITHOUT_TEXT.search(kind) is not None


def _of_litellm(offer: Offer, entry: Mapping[str, Any]) -> Offer:
    """``offer`` with what LiteLLM tells of one of its deployments: where it sends prompts, and what for."""
    sent, about = entry.get("litellm_params"), entry.get("model_info")
    sent, about = (each if isinstance(each, dict) else {} for each in (sent, about))
    place = text(sent.get("api_base"))
    provider = text(sent.get("custom_llm_provider")) or (text(sent.get("model")) or "openai").partition("/")[0]
    elsewhere = (place and public_place(place)) or (None if place or provider in _LOCAL else f"the provider {provider}")
    return replace(
        offer,
        elsewhere=offer.elsewhere or elsewhere,
        makes_text=offer.makes_text and not _is_without_text(about.get("mode")),
    )


async def _told(client: Client, host: Host, path: str) -> dict[str, Any]:
    """What a GET tells that a host may as well not answer."""
    try:
        return await reply_ok(client, host, path) or {}
    except RequestFailed:
        return {}
