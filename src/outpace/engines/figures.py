"""Times and counts that engines tell beside their answers: what cannot be is taken as not told, and noticed.

They decorate an answer and never cost it: its text and its wall time are good whatever stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from outpace.engines.failures import clean
from outpace.engines.noticed import Noticed
from outpace.judge.comparison import CLOCKS_DIFFER_MS

LARGEST = 2.0**53
NOT_TOLD = "which cannot be, and is taken as not told"
SPOKEN_MS, SPOKEN_TIMES = 50.0, 100.0
"""Words that came over so many milliseconds took no hundredth of that to make: units differ by a thousand."""
PIECES_A_TOKEN, CHARACTERS_A_TOKEN = 2, 16
"""More pieces than this, with more characters than this, are of more tokens than one. A gateway may cut text finer than
into tokens, and a token may hold a long run of spaces; both at once are neither."""


class Told(NamedTuple):
    """What an engine told of one answer; times in milliseconds, None where it did not tell."""

    server_ms: float | None = None
    queue_ms: float | None = None
    load_ms: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


class Heard(NamedTuple):
    """What was heard of one answer: how much text in how many pieces, over which time, and how long it took in all."""

    pieces: int
    characters: int
    spoken_ms: float
    wall_ms: float


def number(noticed: Noticed, found: Mapping[str, Any], key: str, scale: float = 1.0) -> float | None:
    """A time or count that the engine tells under ``key``, times ``scale``; None where it tells none that can be."""
    value = found.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LARGEST:
        shown = clean(str(value), 40) if isinstance(value, str | int | float) else "something that is no number"
        noticed.of_answer(key, f"{key} was told as {shown}, {NOT_TOLD}")
        return None
    return value * scale


def count(noticed: Noticed, found: Mapping[str, Any], key: str) -> int | None:
    """As ``number``, for a count of tokens."""
    value = number(noticed, found, key)
    return None if value is None else int(value)


def total(*parts: float | None) -> float | None:
    """The sum of ``parts``, None where one of them is not told."""
    return None if None in parts else sum(parts)  # type: ignore[arg-type]


def believable(told: Told, heard: Heard, most_tokens: int, noticed: Noticed) -> Told:
    """``told`` without what cannot be, held against what was ``heard``; ``most_tokens`` were asked for at most."""
    if why := _no_time(told, heard):
        noticed.of_answer("times", f"{why}, {NOT_TOLD}")
        told = told._replace(server_ms=None, queue_ms=None, load_ms=None)
    if told.output_tokens is not None and _too_few(told.output_tokens, heard):
        noticed.of_answer("output tokens", f"{told.output_tokens} output tokens were told of a longer text, {NOT_TOLD}")
        return told._replace(output_tokens=None)
    if told.output_tokens is not None and told.output_tokens > most_tokens > 1:  # a replay answers a warm-up in full
        noticed.of_answer("limit", f"{told.output_tokens} output tokens were told where {most_tokens} were asked for")
    return told


def _no_time(told: Told, heard: Heard) -> str | None:
    """Why the times that are ``told`` cannot be, if so: their unit may be another."""
    if told.server_ms is None:
        return None
    said = f"a server time of {told.server_ms:.4g} ms was told of a request that took {heard.wall_ms:.4g} ms"
    if told.server_ms > heard.wall_ms * 1.01 + CLOCKS_DIFFER_MS:
        return said
    if heard.spoken_ms > SPOKEN_MS and told.server_ms * SPOKEN_TIMES < heard.spoken_ms:
        return f"{said}, {heard.spoken_ms:.4g} ms of them to say it"
    return None


def _too_few(tokens: int, heard: Heard) -> bool:
    if not tokens:
        return heard.pieces > 0
    return heard.pieces > PIECES_A_TOKEN * tokens and heard.characters > CHARACTERS_A_TOKEN * tokens
