"""A recording's file while its session goes on: what was written once is not made anew, and all of it can be read."""

from __future__ import annotations

from pathlib import Path

from outpace.ground.documents import LARGEST_DOCUMENT, MOST_VALUES, places_in, text_of, write_whole
from outpace.recording.har import require_bounded, to_har
from outpace.recording.recording import Recording

_ENTRIES = '"entries":['


class GrowingFile:
    """The file at ``path``. It stays as it is once it would become one that cannot be read again: ``full`` says so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: list[str] = []
        self._bytes = self._places = 0
        """Of the entries."""
        self.full: str | None = None

    def write(self, recording: Recording) -> None:
        """Put ``recording`` at the path, whole; of its exchanges it has only those that were not written before.

        Raises ``DocumentInvalid`` and ``OSError``.
        """
        head, _, rest = text_of(self._path, to_har(recording), "recording", compact=True).partition(_ENTRIES)
        entries, end = rest[: -len("]}}")], rest[-len("]}}") :]
        if entries:
            self._entries.append(entries)
            self._bytes += len(entries.encode()) + 1
            self._places += places_in(entries.encode()) + 1
        size = len((head + _ENTRIES + end).encode()) + self._bytes
        places = places_in((head + _ENTRIES + end).encode()) + self._places
        if why := _why_unreadable(recording, size, places):
            newest = f" up to the run before {recording.runs[-1].name}" if recording.runs else ""
            self.full = f"{self._path} holds the session{newest}: with more it could not be read again, for {why}."
            self._entries.clear()
            return
        write_whole(self._path, "".join((head, _ENTRIES, ",".join(self._entries), end, "\n")))


def _why_unreadable(recording: Recording, size: int, places: int) -> str | None:
    if size > LARGEST_DOCUMENT:
        return f"{LARGEST_DOCUMENT >> 20} MiB are the most that are read"
    if places > MOST_VALUES:
        return f"{MOST_VALUES:,} values are the most that are read"
    try:
        require_bounded(recording)
    except ValueError as error:
        return str(error)
    return None
