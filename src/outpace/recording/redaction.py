"""Take what was said out of a recording: lengths and timings stay, texts and tokens go."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from outpace.engines.sse import DONE
from outpace.recording.recording import Exchange, Recording
from outpace.workload.prompts import workload

_HARMLESS = frozenset(
    {"id", "model", "object", "role", "created_at", "done_reason", "finish_reason", "stop_reason", "type"}
    | {"system_fingerprint", "service_tier", "code"}
)
"""Fields whose text says nothing of prompts or answers; any other text is blotted out."""
_FIELD = re.compile(rb"(?:data|error|event|id|retry)?: ?")
"""What a line of a server-sent event begins with; without a name it is a comment."""


def redacted(recording: Recording) -> Recording:
    """``recording`` with every prompt and every answer blotted out.

    A prompt becomes its number and as many crosses as it had characters, so that prompts can still be told apart.
    """
    texts = [prompt.text for prompt in recording.workload.prompts]
    blotted = [f"{index}:".ljust(len(text), "x") for index, text in enumerate(texts)]
    return replace(
        recording,
        workload=workload(blotted, recording.workload.generation),
        exchanges=tuple(_blot(each, blotted) for each in recording.exchanges),
        redacted=True,
    )


def _blot(exchange: Exchange, prompts: list[str]) -> Exchange:
    sent = ""
    if exchange.sent and exchange.prompt is not None:
        asked = json.loads(exchange.sent)
        if "prompt" in asked:
            asked["prompt"] = prompts[exchange.prompt]
        else:
            asked["messages"] = [{"role": "user", "content": prompts[exchange.prompt]}]
        sent = json.dumps(asked)
    return replace(exchange, sent=sent, chunks=_blot_chunks(exchange.chunks))


def _blot_chunks(chunks: tuple[tuple[float, bytes], ...]) -> tuple[tuple[float, bytes], ...]:
    """Blot each line where it ends: a piece may hold a part of a line, and a line is only understood as a whole."""
    blotted, rest = [], b""
    for ms, piece in chunks:
        *lines, rest = (rest + piece).split(b"\n")
        blotted.append((ms, b"".join(_blot_line(line) + b"\n" for line in lines)))
    if rest and blotted:
        blotted[-1] = (blotted[-1][0], blotted[-1][1] + _blot_line(rest))
    return tuple(blotted)


def _blot_line(line: bytes) -> bytes:
    if not line.strip():
        return line
    if not (field := _FIELD.match(line)):
        return _blotted(line)
    head, value = field[0], line[field.end() :]
    return line if value.strip() in (DONE, b"error") else head + _blotted(value)


def _blotted(text: bytes) -> bytes:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return b"x" * len(text)
    return json.dumps(_blot_value(found), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _blot_value(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _blot_value(each, name) for name, each in value.items()}
    if isinstance(value, list):
        # A list of numbers is one of tokens, which can be read back as text.
        return [0 if isinstance(each, int) else _blot_value(each, key) for each in value]
    return "x" * len(value) if isinstance(value, str) and key not in _HARMLESS else value
