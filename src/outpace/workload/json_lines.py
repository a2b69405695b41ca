"""Prompts as JSON Lines, the form of the data sets of neighbouring tools: a string or an object a line."""

from __future__ import annotations

import json
from typing import Any

from outpace.ground.errors import PromptsError, quoted

SUFFIXES = (".jsonl", ".ndjson")
FIELDS = ("prompt", "text", "text_input", "messages")
HOW = 'Write each line as "a string" or as an object such as {"prompt": "a string"}.'


def texts(text: str, where: str) -> list[str]:
    """The prompts of JSON Lines, in their order; blank lines are passed over.

    A line is a string, or an object that has one of ``FIELDS``: text, or under ``messages`` a chat of one user's
    message. Raises ``PromptsError``, which calls the document ``where`` and gives the line that it cannot take.
    """
    # JSON's strings may hold what else ends a line: only a line feed does here.
    return [
        _text(line, f"In {where}, line {number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]


def looks_like(lines: list[str]) -> bool:
    """Whether ``lines`` of text are JSON objects, all of them: their author hardly means to send them as they are."""
    return bool(lines) and all(line.lstrip().startswith("{") and isinstance(_parsed(line), dict) for line in lines)


def _text(line: str, at: str) -> str:
    found = _parsed(line)
    if isinstance(found, dict):
        found = _field(found, at)
    if not isinstance(found, str):
        raise PromptsError(f"{at} is {quoted(line.strip())}, which is no prompt. {HOW}")
    if any("\ud800" <= character <= "\udfff" for character in found):
        raise PromptsError(f"{at} holds half of a surrogate pair.")
    return found


def _parsed(line: str) -> Any:
    """What a line of JSON says, None where it is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _field(found: dict[str, Any], at: str) -> Any:
    given = [name for name in FIELDS if found.get(name) is not None]
    if not given:
        named = ", ".join(quoted(name) for name in list(found)[:8]) or "nothing"
        raise PromptsError(f"{at} has {named}, and none of {', '.join(FIELDS)}. {HOW}")
    if len(given) > 1:
        raise PromptsError(f"{at} has {' and '.join(given)}: it is not clear which is the prompt. {HOW}")
    return _message(found["messages"], at) if given == ["messages"] else found[given[0]]


def _message(chat: Any, at: str) -> Any:
    """The text of a chat that is one user's message: outpace sends each prompt as such, and a longer chat is another.

    Text may come in parts, as OpenAI's protocol has it.
    """
    one = chat[0] if isinstance(chat, list) and len(chat) == 1 else None
    if not isinstance(one, dict) or one.get("role", "user") != "user":
        raise PromptsError(f"{at} has messages other than one of a user, which is how a prompt is sent. {HOW}")
    content = one.get("content")
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        parts = [part.get("text") if part.get("type", "text") == "text" else None for part in content]
        return "".join(parts) if all(isinstance(part, str) for part in parts) else None  # type: ignore[arg-type]
    return content
