"""What concurrency does to a host, out of exchanges that were in flight together."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from outpace.judge.capacity import BATCHES_ABOVE, Level
from outpace.recording.recording import Exchange

FIRST_TEXT = re.compile(rb'"(?:response|content|thinking|reasoning|reasoning_content)": ?"[^"]')
_TOKENS = re.compile(rb'"(?:eval_count|completion_tokens)": ?([0-9]{1,15})(?![0-9])')
HANDOVER_MS = 5.0
"""Two requests that shared a slot one after the other may seem to overlap by so much."""


def first_text_piece(exchange: Exchange) -> int:
    """Index of the piece of the body in which the first text of the answer arrived."""
    for index, (_, piece) in enumerate(exchange.chunks):
        if FIRST_TEXT.search(piece):
            return index
    return 0


def output_tokens(exchange: Exchange) -> int:
    """How many tokens the engine says that it generated; 0 where it says nothing."""
    found = _TOKENS.findall(exchange.body)
    return int(found[-1]) if found else 0


def slots(exchanges: Sequence[Exchange]) -> int:
    """How many requests a host worked on at once: the most that had begun to answer and had not ended."""
    spans = [
        (each.started_ms + each.chunks[first_text_piece(each)][0], each.started_ms + each.wall_ms)
        for each in exchanges
        if each.answered
    ]
    spans = [(begin, end - HANDOVER_MS) for begin, end in spans if begin < end - HANDOVER_MS]
    begins, ends = (sorted(each) for each in zip(*spans, strict=True)) if spans else ([], [])
    return max((bisect_right(begins, at) - bisect_right(ends, at) for at in begins), default=1)


def slots_told_by(levels: Sequence[Level]) -> int:
    """How many requests a host works on at once, by its throughput: as many as gave clearly more than fewer did.

    Answers that come in one piece do not show when they had begun, so that ``slots`` sees one at a time.
    """
    found, best = 1, math.inf
    for each in sorted(levels, key=lambda level: level.in_flight):
        if each.tokens_per_s > BATCHES_ABOVE * best:
            found = each.in_flight
        best = each.tokens_per_s if best == math.inf else max(best, each.tokens_per_s)
    return found


def level(in_flight: int, exchanges: Sequence[Exchange]) -> Level | None:
    """Throughput of a host over exchanges that kept ``in_flight`` requests going, None where nothing was answered."""
    answered = [each for each in exchanges if each.answered]
    tokens = sum(output_tokens(each) for each in answered)
    if not tokens:
        return None
    began = min(each.started_ms for each in answered)
    ended = max(each.started_ms + each.wall_ms for each in answered)
    mean_ms = sum(each.wall_ms for each in answered) / len(answered)
    return Level(in_flight, round(tokens / (ended - began) * 1000, 3), round(mean_ms, 3))


def prompt_of(sent: str | bytes, index: Mapping[str, int]) -> int | None:
    """Which prompt a request's body asks to answer, None where its text is not in ``index``."""
    try:
        asked = json.loads(sent)
        return index.get(asked["prompt"] if "prompt" in asked else asked["messages"][-1]["content"])
    except (ValueError, LookupError, TypeError):
        return None
