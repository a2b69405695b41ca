"""The protocols that a reference engine speaks: how each reads what is asked, and how it tells an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference.truth import Truth
from reference.wire import to_json

WORDS = ("The", " answer", " of", " an", " engine", " that", " has", " no", " model", ",", " word", " by", " word", ".")
CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Told:
    """What an engine tells of one answer; times in ms."""

    queue_ms: float
    prompt_ms: float
    first_ms: float
    eval_ms: float
    total_ms: float
    prompt_tokens: int
    tokens: int
    reason: str


class Ollama:
    """Ollama's own protocol, for one answer: a JSON object a line."""

    content_type = "application/x-ndjson"

    def __init__(self, truth: Truth, body: Mapping[str, Any]) -> None:
        self._model = truth.model
        self.prompt = str(body.get("prompt") or "")
        options = body.get("options")
        self.most = _limit(options.get("num_predict") if isinstance(options, dict) else None)
        self.streams = body.get("stream") is not False

    def token(self, index: int) -> bytes:
        """One token, from 0."""
        return self._line(response=word(index), done=False)

    def end(self, told: Told) -> bytes:
        """What comes behind the last token."""
        return self._line(response="", **self._done(told))

    def whole(self, told: Told, text: str) -> bytes:
        """All of it at once."""
        return self._line(response=text, **self._done(told))

    def broken(self) -> bytes:
        """A failure after status 200."""
        return to_json({"error": "an error was encountered while running the model: unexpected EOF"}) + b"\n"

    def _line(self, **said: Any) -> bytes:
        return to_json({"model": self._model, "created_at": CREATED, **said}) + b"\n"

    def _done(self, told: Told) -> dict[str, Any]:
        # The parts in whole nanoseconds, and the total as their sum: the wait is what is left of it.
        queue, prompt, writing = (round(ms * 1e6) for ms in (told.queue_ms, told.prompt_ms, told.eval_ms))
        return {
            "done": True,
            "done_reason": told.reason,
            "total_duration": queue + prompt + writing,
            "load_duration": 0,
            "prompt_eval_count": told.prompt_tokens,
            "prompt_eval_duration": prompt,
            "eval_count": told.tokens,
            "eval_duration": writing,
        }


class OpenAI:
    """The OpenAI protocol, for one answer: server-sent events."""

    content_type = "text/event-stream"

    def __init__(self, truth: Truth, body: Mapping[str, Any]) -> None:
        self._truth = truth
        messages = body.get("messages")
        said = (
            [each.get("content") for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
        )
        self.prompt = str(said[-1]) if said else ""
        self.most = _limit(body.get("max_completion_tokens", body.get("max_tokens")))
        self.streams = body.get("stream") is True
        options = body.get("stream_options")
        self._usage = isinstance(options, dict) and options.get("include_usage") is True

    def token(self, index: int) -> bytes:
        """One token, from 0."""
        role = {} if index else {"role": "assistant"}
        return self._event(
            [{"index": 0, "delta": {**role, "content": WORDS[index % len(WORDS)]}, "finish_reason": None}]
        )

    def end(self, told: Told) -> bytes:
        """What comes behind the last token."""
        last = self._event([{"index": 0, "delta": {}, "finish_reason": told.reason}])
        return last + (self._event([], **self._figures(told)) if self._usage else b"") + b"data: [DONE]\n\n"

    def whole(self, told: Told, text: str) -> bytes:
        """All of it at once."""
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": told.reason}]
        return to_json({**self._head("chat.completion"), "choices": choices, **self._figures(told)})

    def broken(self) -> bytes:
        """A failure after status 200."""
        return b"data: " + to_json(openai_error("the engine died", "server_error", 500)) + b"\n\ndata: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + to_json({**self._head("chat.completion.chunk"), "choices": choices, **more}) + b"\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1767225600, "model": self._truth.model}

    def _figures(self, told: Told) -> dict[str, Any]:
        both = told.prompt_tokens + told.tokens
        usage = {"prompt_tokens": told.prompt_tokens, "completion_tokens": told.tokens, "total_tokens": both}
        if self._truth.engine != "vllm" or not self._truth.metrics:
            return {"usage": usage}
        metrics = {
            "time_to_first_token_ms": told.first_ms,
            "generation_time_ms": told.total_ms - told.first_ms,
            "queue_time_ms": told.queue_ms,
        }
        return {"usage": usage, "metrics": metrics}


Voice = Ollama | OpenAI


def _limit(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def word(index: int) -> str:
    return WORDS[index % len(WORDS)]


def openai_error(message: str, kind: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
