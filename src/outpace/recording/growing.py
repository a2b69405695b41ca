"""A recording's file while its session goes on: what was written once is not made anew, and all of it can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from outpace.ground.documents import LARGEST_DOCUMENT, MOST_VALUES, places_in, text_of, write_whole
from outpace.recording import journal
from outpace.recording.har import require_bounded, to_har
from outpace.recording.recording import Recording

_RUNS, _ENTRIES, _END = '"runs":[', '"entries":[', "]}}"


class GrowingFile:
    """The file at ``path``, which holds everything once this is closed; before, the rest is in its journal.

    It stays as it is once it would become one that cannot be read again: ``full`` says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: Recording | None = None
        """All but the exchanges of what is kept."""
        self._entries: list[str] = []
        self._kept = 0
        """How many exchanges are."""
        self._size = self._whole_size = 0
        """In bytes, of what is kept and of the file when it was last written."""
        self._places = 0
        self.full: str | None = None

    def write(self, recording: Recording) -> None:
        """Keep ``recording``; of its exchanges it has only those that were not kept before.

        Raises ``DocumentInvalid`` and ``OSError``.
        """
        runs = len(self._newest.runs) if self._newest else 0
        text = text_of(self._path, to_har(replace(recording, runs=recording.runs[runs:])), "recording", compact=True)
        head, _, rest = text.partition(_ENTRIES)
        entries = rest[: -len(_END)]
        anew = text if self._newest is None else head.partition(_RUNS)[2] + entries  # but for what stands there once
        size, places = self._size + len(anew.encode()) + 2, self._places + places_in(anew.encode()) + 2
        if why := _why_unreadable(recording, size, places):
            newest = f" up to the run before {recording.runs[-1].name}" if recording.runs else ""
            self.full = f"{self._path} holds the session{newest}: with more it could not be read again, for {why}."
            self.close()
            self._entries.clear()
            return
        first, kept = self._newest is None, self._kept
        self._newest, self._size, self._places = replace(recording, exchanges=()), size, places
        self._kept += len(recording.exchanges)
        if entries:
            self._entries.append(entries)
        if first:
            journal.drop(self._path)  # that of an earlier session
        if size >= 2 * self._whole_size:
            self._write_whole()
        else:
            journal.add(self._path, text, runs, kept)

    def close(self) -> None:
        """Put everything into the file; raises ``OSError`` where it cannot be written."""
        if self._newest is not None and self._size > self._whole_size:
            self._write_whole()

    def _write_whole(self) -> None:
        assert self._newest is not None
        head, _, _ = text_of(self._path, to_har(self._newest), "recording", compact=True).partition(_ENTRIES)
        write_whole(self._path, "".join((head, _ENTRIES, ",".join(self._entries), _END, "\n")))
        self._whole_size = self._size
        journal.drop(self._path)


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
