"""Server-sent events, out of bytes: what they mean is not looked at here.

As the HTML standard has them (section 9.2, "Server-sent events"), and more liberal where that loses nothing: servers
leave out the empty line that ends an event, and keep connections alive with events that hold nothing.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from outpace.engines.lines import Lines
from outpace.ground.errors import BodyCut
from outpace.ground.hosts import Host

DONE = b"[DONE]"
_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9_-]{0,39}")


class Event(NamedTuple):
    """One event: its ``name`` (b"" where it has none; None for a line that is no field of any) and its ``data``."""

    name: bytes | None
    data: bytes


class Events:
    """The events of one answer, wherever the network cut it; an answer of more than ``limit`` bytes is unreadable."""

    def __init__(self, host: Host, limit: int) -> None:
        self._host = host
        self._lines = Lines(host, limit)
        self._name = b""
        self._data: list[bytes] = []
        self._no_empty_lines = False
        """Whether this server ends events without an empty line, so that each line of data is one."""

    def feed(self, piece: bytes) -> list[Event]:
        """The events that ``piece`` ends; raises ``AnswerUnreadable``."""
        lines = self._lines.feed(piece)
        if not (self._name or self._data or self._no_empty_lines or any(lines[1::2])):
            # As nearly always: whole events, a line of data each.
            events = [Event(b"", line[6:]) for line in lines[::2] if line.startswith(b"data: ") and line[6:7] > b" "]
            if len(events) * 2 == len(lines):
                return events
        events = []
        for line in lines:
            self._take(line, events)
        return events

    def end(self) -> list[Event]:
        """What waited for its end when the answer ended; raises ``BodyCut`` where that is a part of an event."""
        events: list[Event] = []
        if rest := self._lines.rest():
            self._take(rest, events)
        if b"".join(self._data).strip() and not _is_whole(b"\n".join(self._data)):
            raise BodyCut(f"{self._host.name} ended its answer inside of an event.")
        self._dispatch(events)
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if line.startswith(b"data:"):
            if self._data or self._no_empty_lines:
                self._add(line[5:].removeprefix(b" "), events)
            else:
                self._data.append(line[5:].removeprefix(b" "))
        elif not line:
            self._dispatch(events)
        elif not line.startswith(b":"):  # else a comment, which keeps the connection alive
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                self._name = value
            elif field == b"error":  # no field of the standard: llama-server told errors so until September 2025
                events.append(Event(field, value))
            elif not _FIELD.fullmatch(field):
                events.append(Event(None, line))

    def _add(self, data: bytes, events: list[Event]) -> None:
        if self._data and not self._no_empty_lines:
            self._no_empty_lines = len(self._data) == 1 and _is_whole(self._data[0])
            if self._no_empty_lines:
                self._dispatch(events)
        self._data.append(data)
        if self._no_empty_lines and _is_whole(data):
            self._dispatch(events)

    def _dispatch(self, events: list[Event]) -> None:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        if data.strip():
            events.append(Event(self._name, data))
        self._name = b""
        self._data = []


def _is_whole(data: bytes) -> bool:
    """Whether ``data`` needs no further line."""
    if data.strip() == DONE:
        return True
    try:
        json.loads(data.decode())
    except (ValueError, RecursionError):
        return False
    return True
