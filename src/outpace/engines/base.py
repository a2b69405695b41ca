"""What an engine is to the coordinator: one prompt in, one completion out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from outpace.engines.client import Client
from outpace.engines.failures import error_text, failure
from outpace.engines.noticed import Noticed
from outpace.ground.errors import AnswerUnreadable, EngineFailed, RequestFailed
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation

# An answer holds a few hundred bytes a token in every protocol.
LARGEST_ANSWER_BASE = 64 << 10
LARGEST_ANSWER_A_TOKEN = 4 << 10
_PATTERN = re.compile(r"[\w.:@+/-]*\*[\w.:@+/-]*")
KEPT_LOADED_S = 3600
"""So long an engine is asked to keep its model when nobody asks it anything, as while another host is measured."""


class Completion(NamedTuple):
    """One answer with what the engine told of it; times in milliseconds, None where it does not tell."""

    text: str
    first_token_ms: float | None = None
    server_ms: float | None = None
    queue_ms: float | None = None
    load_ms: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True)
class Offer:
    """What is known of a model that a host lists.

    ``elsewhere`` says who answers for it where that is not the host. ``loaded`` is None where nothing tells it, and
    ``kept`` says that it stays so for longer than it would be asked to. ``own_name`` is its name where it is listed by
    another. One that is not to be taken ``unasked`` is an adapter, or has a name as embedders have.
    """

    digest: str | None = None
    elsewhere: str | None = None
    makes_text: bool = True
    loaded: bool | None = None
    kept: bool = False
    own_name: str | None = None
    unasked: bool = True


@dataclass(frozen=True)
class Identity:
    """Which engine answers on a host, and what it serves; ``models`` maps a model's name to its digest or None."""

    engine: str
    protocol: str
    version: str | None
    models: Mapping[str, str | None]
    offers: Mapping[str, Offer] = field(default_factory=dict)

    def offer(self, model: str) -> Offer:
        """What is known of ``model``, or of the nearest pattern that takes it."""
        if model in self.models:
            return self.offers.get(model) or Offer(self.models[model])
        patterns = [name for name in self.models if takes(name, model)]
        return self.offers.get(max(patterns, key=len), Offer()) if patterns else Offer()


def is_pattern(name: str) -> bool:
    """Whether a gateway that lists ``name`` stands for any model with it: one star among what names are made of."""
    return _PATTERN.fullmatch(name) is not None


def takes(pattern: str, model: str) -> bool:
    """Whether ``pattern``, which a gateway lists, stands for ``model``, too."""
    before, _, after = pattern.partition("*")
    fits = len(model) >= len(before) + len(after) and model.startswith(before) and model.endswith(after)
    return is_pattern(pattern) and fits


class Stream(Protocol):
    """One answer as it comes in."""

    told: dict[str, Any]
    """What was told beside its text, as it was sent."""

    @property
    def pieces(self) -> int:
        """How many pieces of text there were so far."""
        ...

    def feed(self, piece: bytes) -> None:
        """Take in what has arrived; raises ``RequestFailed``."""
        ...

    def end(self, *, whole: bool) -> Completion:
        """The whole answer, once all of it was fed, ``whole`` for sure or not; raises ``RequestFailed``."""
        ...

    def spoken_by(self, engine: Any) -> Stream:
        """The same answer, given by another ``engine`` of its protocol."""
        ...

    def again(self, told: dict[str, Any], settings: Generation, began_s: float, first_s: float | None) -> Completion:
        """As ``end``, of the same answer as it is replayed at another time; raises ``RequestFailed``."""
        ...


class Engine(Protocol):
    """One host's engine with one model chosen."""

    host: Host
    identity: Identity
    model: str

    @property
    def resets_cache(self) -> bool:
        """Whether a prompt can be kept from being answered out of a cache that an earlier run filled."""
        ...

    noticed: Noticed
    """What it gave to notice."""

    @property
    def elsewhere(self) -> str | None:
        """Who answers in its place, as far as it tells; None where it does so itself."""
        ...

    @property
    def server_includes_queue(self) -> bool:
        """Whether the server times that the engine has told so far include the wait in its queue."""
        ...

    async def generate(
        self, prompt: str, settings: Generation, cache_key: str, heard: Callable[[], None] | None = None
    ) -> Completion:
        """Answer ``prompt``. Runs with different ``cache_key`` share no cache, where the engine can promise it.

        ``heard`` is called for each piece of text as it arrives, a token mostly. Raises ``RequestFailed``.
        """
        ...

    async def ping(self) -> None:
        """Exchange a cheap request. Raises ``RequestFailed``."""
        ...

    async def in_work(self) -> int | None:
        """How many requests the host is at, whoever sent them; None where it does not say so."""
        ...


class SpeakingEngine(Engine, Protocol):
    """An engine that is spoken to in a protocol."""

    def listen(self, settings: Generation, heard: Callable[[], None] | None, limit: int) -> Stream:
        """An answer that begins now, of ``limit`` bytes at most."""
        ...


def largest_answer(prompt: str, settings: Generation) -> int:
    """The most bytes that an honest answer can take; more is an engine gone wild."""
    return LARGEST_ANSWER_BASE + 32 * len(prompt) + LARGEST_ANSWER_A_TOKEN * settings.max_tokens


def parse_object(host: Host, line: bytes) -> dict[str, Any]:
    """One line of an answer as a JSON object; raises ``AnswerUnreadable``."""
    try:
        found = orjson.loads(line)
    except ValueError:
        found = _liberally(host, line)
    if not isinstance(found, dict):
        raise AnswerUnreadable(f"{host.name} sent {line[:80]!r} where a JSON object is due.")
    return found


def _liberally(host: Host, line: bytes) -> Any:
    """``line`` as the standard library reads it: it takes half of a surrogate pair, and numbers that are none."""
    try:
        return json.loads(line.decode())  # of bytes, it would guess at their encoding first
    except (ValueError, RecursionError) as error:
        raise AnswerUnreadable(f"{host.name} sent a line that is not JSON: {line[:80]!r}.") from error


def failure_in(host: Host, found: dict[str, Any], line: bytes) -> RequestFailed | None:
    """The failure that an event of an answer tells, after status 200; None where it tells none.

    Gateways send an error with every event, null or empty where there is none.
    """
    error = found.get("error")
    if isinstance(error, dict) and not any(error.values()):
        error = None
    if not error and "error" not in (found.get("object"), found.get("type")):
        return None
    code = (error if isinstance(error, dict) else found).get("code")
    if isinstance(code, int | str) and re.fullmatch("[45][0-9][0-9]", str(code)):
        return failure(host, int(code), line)
    return EngineFailed(f"{host.name} failed while it answered: {error_text(line)}")


def words(found: Any) -> str:
    """The text that ``found`` holds, by itself or in parts; empty where it holds none."""
    if isinstance(found, str):
        return found
    parts = [part.get("text") for part in found if isinstance(part, dict)] if isinstance(found, list) else []
    return "".join(part for part in parts if isinstance(part, str))


def joined(parts: Iterable[str]) -> str:
    """The text that ``parts`` make; half of a surrogate pair without its other half, which no file can hold, is mended.

    Engines may part a pair between two events.
    """
    text = "".join(parts)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


async def reply_ok(client: Client, host: Host, path: str) -> dict[str, Any] | None:
    """The JSON object that a GET gives, or None where its status is not 200; raises ``RequestFailed``."""
    reply = await client.get(host, path)
    return reply.json() if reply.status == 200 else None
