"""Make the times that a recorded answer tells fit the replay: a wait in the queue added, the work stretched.

The bytes stay what the engine sent, so that its parser is exercised; only the numbers in its last event change.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

LARGEST_TIME = 2.0**53
_NUMBER = rb"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_OLLAMA_WORK = ("load_duration", "prompt_eval_duration", "eval_duration")
_OPENAI_WORK = ("prompt_ms", "predicted_ms", "generation_time_ms")
_WITH_QUEUE = ("total_duration", "time_to_first_token_ms")


_OPENAI_TIMES = frozenset((*_OPENAI_WORK, "time_to_first_token_ms", "queue_time_ms"))

_TELLING = re.compile(
    b"|".join(b'"%s"' % name.encode() for name in (*_OLLAMA_WORK, *_OPENAI_WORK, *_WITH_QUEUE, "queue_time_ms"))
)


def split_told(body: bytes) -> tuple[bytes, bytes]:
    """Cut ``body`` before the line with the first time that it tells; the second part is empty where it tells none."""
    found = _TELLING.search(body)
    if found is None:
        return body, b""
    at = body.rfind(b"\n", 0, found.start()) + 1
    return body[:at], body[at:]


def restamp(body: bytes, protocol: str, *, queue_ms: float, stretch: float) -> bytes:
    """``body`` as the engine would have sent it after ``queue_ms`` in its queue, and work that took ``stretch`` times.

    The recorded answer is taken to have waited in no queue.
    """
    if protocol == "ollama":
        body = _scale(body, _OLLAMA_WORK, lambda nanoseconds: round(nanoseconds * stretch))
        return _scale(body, ("total_duration",), lambda nanoseconds: round(nanoseconds * stretch + queue_ms * 1e6))
    body = _scale(body, _OPENAI_WORK, lambda ms: round(ms * stretch, 3))
    body = _scale(body, ("time_to_first_token_ms",), lambda ms: round(ms * stretch + queue_ms, 3))
    return _scale(body, ("queue_time_ms",), lambda ms: round(ms + queue_ms, 3))


def restamped(told: dict[str, Any], protocol: str, *, queue_ms: float, stretch: float) -> dict[str, Any]:
    """As ``restamp``, of what was read out of such bytes: the very same numbers come of it."""
    if protocol == "ollama":
        found = _scaled(told, _OLLAMA_WORK, lambda nanoseconds: round(nanoseconds * stretch))
        return _scaled(found, ("total_duration",), lambda nanoseconds: round(nanoseconds * stretch + queue_ms * 1e6))
    found = {}
    for name, each in told.items():
        found[name] = each
        if _OPENAI_TIMES.isdisjoint(each):
            continue
        each = _scaled(each, _OPENAI_WORK, lambda ms: round(ms * stretch, 3))
        each = _scaled(each, ("time_to_first_token_ms",), lambda ms: round(ms * stretch + queue_ms, 3))
        found[name] = _scaled(each, ("queue_time_ms",), lambda ms: round(ms + queue_ms, 3))
    return found


def _scaled(told: dict[str, Any], names: tuple[str, ...], change: Callable[[float], float]) -> dict[str, Any]:
    for name in names:
        value = told.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST_TIME:
            told = {**told, name: change(float(value))}
    return told


def _scale(body: bytes, names: tuple[str, ...], change: Callable[[float], float]) -> bytes:
    for name in names:
        pattern = rb'("%s": ?)(%s)' % (name.encode(), _NUMBER)
        body = re.sub(pattern, lambda found: found[1] + _changed(found[2], change), body)
    return body


def _changed(told: bytes, change: Callable[[float], float]) -> bytes:
    """A number beyond all times stays as it is: it would become infinite, and no engine's parser takes it anyway."""
    return repr(change(value)).encode() if (value := float(told)) < LARGEST_TIME else told
