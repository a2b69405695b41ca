"""Text and numbers as a person reads them, whatever a document holds: nothing hidden, nothing that acts.

A report is read by others than those who wrote it, and names, errors and answers come from machines that may lie. What
a terminal would obey (escape sequences), what no one sees (control and format characters), and what reorders the text
around it (bidirectional marks) is shown as what it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

LONGEST = 600
"""Characters of one text that a page shows."""
NOT_TOLD = "not told"
SMALL_NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
JOINERS = "\u200c\u200d"
"""Invisible, and yet part of words in Persian and Hindi, and of emoji; they move nothing about."""


class Foreign(str):
    """Text that came from a document: a name, a model, an error. All other text is outpace's own."""

    __slots__ = ()


class Strong(str):
    """Text of outpace's own that stands out: a term, a verdict."""

    __slots__ = ()


Words = tuple[str, ...]
"""A sentence in pieces, so that the ``Foreign`` ones can be kept apart from what surrounds them."""


def visible(text: str, longest: int = LONGEST) -> str:
    """``text`` with every character that is not for the eye replaced by a picture or the name of its code point."""
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    # Most text is plain: one call tells, where looking at each character would take most of the time of a page.
    return shown if shown.isascii() and shown.isprintable() else "".join(map(_visible, shown))


def _visible(character: str) -> str:
    code, category = ord(character), unicodedata.category(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    hidden = category in ("Cc", "Cf", "Cs", "Zl", "Zp") or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return f"[U+{code:04X}]" if hidden and character not in JOINERS else character


def runs_leftwards(text: str) -> bool:
    """Whether any letter of ``text`` is written from right to left, so that it could reorder what stands beside it."""
    return not text.isascii() and any(unicodedata.bidirectional(each) in ("R", "AL", "AN") for each in text)


def joined(names: Iterable[str], last: str = " and ", most: int = 8) -> Words:
    """The names as an enumeration: a, b and c. Of very many, the first, and how many more there are."""
    listed = list(names)
    if len(listed) > most:
        listed[most - 1 :] = [f"{len(listed) - most + 1:,} more"]
    pieces: list[str] = []
    for index, name in enumerate(listed):
        pieces += ([last if index == len(listed) - 1 else ", "] if index else []) + [name]
    return tuple(pieces)


def in_words(number: int) -> str:
    """A small number as a word."""
    return SMALL_NUMBERS[number] if 0 <= number < len(SMALL_NUMBERS) else f"{number:,}"


def counted(number: int, what: str, plural: str | None = None) -> str:
    """``number`` and its noun: 1 round, 3 rounds."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def counted_in_words(number: int, what: str) -> str:
    """A small number as a word, and its noun: one round, three rounds."""
    return f"{in_words(number)} {what}{'' if number == 1 else 's'}"


def at_once(in_flight: int) -> str:
    """How many requests a host has in flight."""
    return "one at a time" if in_flight == 1 else f"{in_words(in_flight)} at once"


def capital(words: Words) -> Words:
    """The sentence with its first letter large, unless that letter came from a document."""
    first, *rest = words
    return words if isinstance(first, Foreign) else (first[:1].upper() + first[1:], *rest)


def ms(value: float | None) -> str:
    """A time in milliseconds, or in seconds from ten of them on."""
    if value is None:
        return NOT_TOLD
    if abs(value) >= 10_000:
        return f"{value / 1000:,.1f} s"
    return f"{value:.1f} ms" if abs(value) < 10 else f"{value:,.0f} ms"


def ratio(value: float | None) -> str:
    """A ratio with three decimals, or three digits where it is small."""
    if value is None:
        return NOT_TOLD
    return f"{value:,.3f}" if value >= 0.1 or value == 0 else f"{value:.3g}"


def times(value: float | None) -> str:
    """A factor, with its sign."""
    return NOT_TOLD if value is None else f"{value:,.2f}\N{MULTIPLICATION SIGN}"


def share(value: float | None) -> str:
    """A share as percents, with a decimal below ten of them."""
    if value is None:
        return NOT_TOLD
    return f"{value:.1%}" if abs(value) < 0.1 else f"{value:.0%}"


def limit(value: float) -> str:
    """A threshold as it was asked for: 2.0, 0.95."""
    return f"{value:.1f}" if value == round(value, 1) else f"{value:g}"
