"""One answer as it is heard: its pieces, its end, and whether it is an answer at all."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any, Self

from outpace.engines.base import Completion, joined
from outpace.engines.failures import clean
from outpace.engines.figures import Heard, Told, believable
from outpace.engines.noticed import Noticed
from outpace.ground.errors import AnswerEmpty, EngineFailed
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation

BROKEN_OFF = frozenset(
    ("abort", "aborted", "cancel", "canceled", "cancelled", "error", "failed", "failure", "interrupted", "timeout")
)
"""Reasons for an end that is none: the engine gave up, was paused, or was told to by somebody else."""
AT_LIMIT = frozenset(("length", "max_tokens", "limit"))
OF_ITS_OWN = {
    "content_filter": "a filter ended it",
    "tool_calls": "it called a tool",
    "function_call": "it called a tool",
}


class Answer:
    """One answer of ``host``, which began when this was made; ``heard`` is called for each piece of text."""

    def __init__(self, host: Host, settings: Generation, heard: Callable[[], None] | None) -> None:
        self._host, self._settings, self._heard = host, settings, heard
        self._began_s = _now_s()
        self._first_s: float | None = None
        self._text: list[str] = []
        self.pieces = self._thought = 0
        self.reason: str | None = None
        """Why the engine says that it ended; None where it has not said that it has."""

    def say(self, text: str) -> None:
        """Take in a piece of its text."""
        self._text.append(text)
        self._hear()

    def think(self, thought: str) -> None:
        """Take in a piece of what is not its text, but was generated all the same."""
        self._thought += len(thought)
        self._hear()

    def _hear(self) -> None:
        if self._first_s is None:
            self._first_s = _now_s()
        self.pieces += 1
        if self._heard:
            self._heard()

    def end(self, reason: Any) -> None:
        """Take note that the engine says why it ended, if ``reason`` says so; raises ``EngineFailed`` if it is none."""
        if isinstance(reason, dict):  # SGLang's own form
            reason = reason.get("type")
        if not reason:
            return
        self.reason = reason.lower() if isinstance(reason, str) else "told"
        if self.reason in BROKEN_OFF:
            raise EngineFailed(f"{self._host.name} broke its answer off: the reason that it tells is {clean(reason)}.")

    def given_by(self, host: Host) -> Self:
        """The same answer, of another ``host``."""
        found = copy.copy(self)
        found._host = host
        return found

    def again(self, settings: Generation, began_s: float, first_s: float | None) -> Self:
        """The same answer, heard at another time and to another request, as a replay has it."""
        if len(self._text) > 1:
            self._text = [joined(self._text)]
        found = self.__new__(type(self))
        found.__dict__.update(self.__dict__)  # many times as quick as copy.copy, and done for every answer
        found._settings, found._began_s, found._first_s = settings, began_s, first_s
        return found

    def completion(self, told: Told, noticed: Noticed) -> Completion:
        """The whole answer with what was ``told`` of it; raises ``AnswerEmpty`` where it is none."""
        now_s = _now_s()
        text = joined(self._text)
        most = self._settings.max_tokens
        if not self.pieces:
            self._require_tokens(told)
        spoken_ms = (now_s - (self._first_s or now_s)) * 1000 if self.pieces > 1 else 0.0
        heard = Heard(self.pieces, len(text) + self._thought, spoken_ms, (now_s - self._began_s) * 1000)
        told = believable(told, heard, most, noticed)
        noticed.answers += 1
        if self.reason in OF_ITS_OWN:
            noticed.of_answer(self.reason, OF_ITS_OWN[self.reason])
        elif not text and most > 1:
            spent = f" (the limit of {most} tokens was spent on them)" if self.reason in AT_LIMIT else ""
            noticed.of_answer("no text", f"there were thoughts only{spent}" if self._thought else "there was no text")
        first_token_ms = None if self._first_s is None else (self._first_s - self._began_s) * 1000
        return Completion(text, first_token_ms, *told)  # whose fields follow each other in the same order

    def _require_tokens(self, told: Told) -> None:
        """Let pass what was generated and cannot be seen: thoughts that are hidden, and the one token of a warm-up."""
        hidden = told.output_tokens is None and self.reason in AT_LIMIT
        if not told.output_tokens and not hidden and self._settings.max_tokens > 1:
            raise AnswerEmpty(
                f"{self._host.name} ended its answer without a word and without a token"
                + (f"; the reason that it tells is {clean(self.reason)}." if self.reason else ".")
            )


def _now_s() -> float:
    """The time as anyio tells it, without what it takes to ask there."""
    return asyncio.get_running_loop().time()
