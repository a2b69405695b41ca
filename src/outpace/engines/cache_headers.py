"""Headers by which a gateway says that an answer came out of a cache of answers: nobody worked for it then."""

from __future__ import annotations

import re
from collections.abc import Mapping

from outpace.engines.noticed import Noticed

KEPT = "kept"
"""The kind of what is noticed."""
_CACHE = re.compile(r"cache", re.IGNORECASE)
_OF_PROMPTS = re.compile(r"prefix|prompt|kv|token", re.IGNORECASE)
"""Caches of what prompts have in common: the answer is made all the same."""
_HIT = re.compile(r"(?:^|[^a-z])hit(?:$|[^a-z=]|=\?1)", re.IGNORECASE)
_COUNT = re.compile(r"[1-9][0-9]{0,8}")


def kept_by(headers: Mapping[str, str]) -> str | None:
    """The header that says so, with its value for people; None where none does.

    Gateways and proxies say it in words of their own, most by a hit in a header of a cache (RFC 9211's ``Cache-Status``
    among them); LiteLLM by telling the key, an HTTP cache by the ``Age`` of what it has.
    """
    for name, value in headers.items():
        name, value = name.lower(), value.strip()
        hit = _HIT.search(value) or ("hit" in name and (_COUNT.fullmatch(value) or value.lower() == "true"))
        if name == "age" and _COUNT.fullmatch(value):
            return f"{name}: {value}"
        if name == "x-litellm-cache-key" and value:
            return name
        if _CACHE.search(name) and not _OF_PROMPTS.search(name) and hit:
            return name
    return None


def heed(noticed: Noticed, headers: Mapping[str, str]) -> None:
    """Note what ``headers`` of an answer say of where it came from."""
    if by := kept_by(headers):
        noticed.of_answer(KEPT, f"it came out of a cache of answers, as the header {by} says")
