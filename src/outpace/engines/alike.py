"""Events of a stream that differ from one that was read in their text alone: that text is theirs, and the rest known.

An engine's events say the same again and again about an answer, and one word each that is new.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

TRIES = 4
"""So many events in a row may differ in more than that before an engine is taken for one whose events always do."""
_OPENING = re.compile(rb'"content" ?: ?"')
_PROBE = "outpace"


class Alike:
    """The bytes before and after the text in an event of one choice; a stream has one of these."""

    def __init__(self) -> None:
        self._before: bytes | None = None
        self._after, self._around, self._tries = b"", 0, TRIES

    def text_of(self, data: bytes) -> str | None:
        """The text of an event whose ``data`` is otherwise that of the one learnt; None where it has to be read."""
        if self._before is None or not (data.startswith(self._before) and data.endswith(self._after)):
            return None
        text = data[len(self._before) : len(data) - len(self._after)]
        # Without these and control characters it stands for itself, and ends where the event learnt goes on.
        if b'"' in text or b"\\" in text or len(data) <= self._around:
            return None
        try:
            said = text.decode()
        except UnicodeDecodeError:
            return None
        if not said.isprintable():
            return None
        self._tries = TRIES
        return said

    def learn(self, data: bytes, delta: Any, found: dict[str, Any]) -> None:
        """Learn from an event's ``data``, which was ``found`` to hold one ``delta``, if it says something."""
        said = delta.get("content") if isinstance(delta, dict) else None
        if not (self._tries and said and isinstance(said, str) and (opening := _OPENING.search(data))):
            return
        self._tries -= 1
        start = opening.end()
        before, after = data[:start], data[data.find(b'"', start) :]
        delta["content"] = _PROBE
        # Whatever stood there instead would have been found in that place, and have changed nothing else.
        if _parsed(before + _PROBE.encode() + after) == found:
            self._before, self._after, self._around = before, after, len(before) + len(after)
        delta["content"] = said


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return None
