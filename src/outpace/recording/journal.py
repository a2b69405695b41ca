"""What a recording has gained since its file was last written whole: a line for each run, in a file beside it.

To write the whole file after every run would take as long as the square of their number. So it is written whenever it
has doubled, and at the end; whoever reads it in between, or after a session that was killed, reads the journal too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from outpace.ground.documents import append, read_text
from outpace.ground.schemas import validate


def journal_of(path: Path) -> Path:
    """Where the journal of the recording at ``path`` is."""
    return path.with_name(f"{path.name}.journal")


def add(path: Path, part: str, runs: int, entries: int) -> None:
    """Keep ``part``, a recording of what is new after so many ``runs`` and ``entries``; raises ``OSError``."""
    append(journal_of(path), f'{{"after":[{runs},{entries}],"part":{part}}}\n')


def drop(path: Path) -> None:
    """The file at ``path`` holds everything."""
    journal_of(path).unlink(missing_ok=True)


def with_journal(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    """``document``, which was read at ``path``, with what its journal adds; raises ``DocumentInvalid``.

    A line that is none, as it is left by who was killed while writing it, or that follows on something else, adds
    nothing.
    """
    if not journal_of(path).is_file():
        return document
    log = document["log"]
    grown = False
    for line in read_text(journal_of(path), "journal").split("\n"):  # other ends of lines stand in what was said
        try:
            found = json.loads(line)
            after, part = found["after"], found["part"]["log"]
            ours, runs, entries = part["_outpace"], part["_outpace"]["runs"], part["entries"]
            follows = ours["created"] == log["_outpace"]["created"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        known = log["_outpace"]["runs"]
        lists = isinstance(runs, list) and isinstance(entries, list)
        if follows and lists and after == [len(known), len(log["entries"])]:
            log["entries"] += entries
            known += runs
            log["_outpace"] = {**ours, "runs": known}
            grown = True
    if grown:
        validate(document, "recording", f"The recording {path} with its journal")
    return document
