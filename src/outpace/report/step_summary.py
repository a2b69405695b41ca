"""The summary of a step in GitHub Actions, which shows none at all of a file that is larger than it takes."""

from __future__ import annotations

import re
from pathlib import Path

VARIABLE = "GITHUB_STEP_SUMMARY"
"""Names the file, to which every command of the step may append."""
LARGEST = 1 << 20
"""Bytes of one step, whoever wrote them."""
_FENCE = re.compile(r"`{3,}")


def append(target: Path, page: Path) -> None:
    """Append the Markdown of ``page`` to ``target``: so much of it as there is room for, and then where the whole is.

    Raises ``OSError``.
    """
    taken = target.stat().st_size if target.exists() else 0
    shown = fitted(page.read_text(encoding="utf-8") + "\n", LARGEST - taken, page)
    with target.open("a", encoding="utf-8", newline="\n") as summary:
        summary.write(shown)


def fitted(text: str, room: int, whole: Path) -> str:
    """``text`` in at most ``room`` bytes of UTF-8: cut at the end of a line, with a word about ``whole``.

    It is empty where there is no room for that word either.
    """
    if len(text.encode()) <= room:
        return text
    word = f"\n> Cut short: the summary of a step holds {LARGEST >> 10:,} KiB. The whole is `{whole}`.\n"
    room -= len(word.encode())
    if room < 0:
        return ""
    kept: list[str] = []
    fence, opened = "", 0
    for line in text.splitlines(keepends=True):
        room -= len(line.encode())
        if room < 0:
            break
        if fence:
            fence = "" if line.strip() == fence else fence
        elif found := _FENCE.match(line):
            fence, opened = found[0], len(kept)
        kept.append(line)
    return "".join(kept[:opened] if fence else kept) + word
