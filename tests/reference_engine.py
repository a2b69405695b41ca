"""A reference engine: an HTTP server without a model, whose truth is known exactly.

    python tests/reference_engine.py --port 0 --tokens-per-s 40 --slots 4 --delay-ms 11

It speaks as an Ollama does (its own protocol and OpenAI's) or as a vLLM does, and streams token by token; what it is
to be like, a ``Truth`` says. The times that it tells follow from that alone: work is reckoned in time that is given to
the model, not read off when a timer fires, so a busy machine makes an answer late but never changes what is told.
The standard library is all that it needs, and loopback is all that it listens on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import heapq
import itertools
import json
import math
import os
import random
import selectors
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

LOOPBACK = "127.0.0.1"
LARGEST_BODY = 16 << 20
WORDS = ("The", " answer", " of", " an", " engine", " that", " has", " no", " model", ",", " word", " by", " word", ".")
STATUSES = {"refuse": 400, "fail": 500, "busy": 503}
FAULTS = (*STATUSES, "break", "cut", "silent")
"""How a request can fail: by a status, by an error after half of the tokens, by a connection that is dropped there, or
by no word ever (it takes no slot)."""
PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}
CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Truth:
    """What an engine is like.

    A request alone in work takes ``prompt_ms``, then gives a token every 1 / ``tokens_per_s``. ``slots`` requests are
    in work at once, and at most ``queue`` wait for a slot; more are sent away with 503 and ``retry_after_s``.
    ``batching`` is the throughput with k in work relative to that with one: a function, or points between which it is
    linear and beyond which it stays; by default those in work share what one has. ``delay_to_ms`` is put before each
    request and ``delay_from_ms`` before each piece of an answer, in order; a new connection costs nothing of its own.

    ``tokens`` is the length of answers: a number, or one for each prompt (``""`` for all others). ``failing`` says for
    texts in prompts how those fail, one of ``FAULTS``; beside it, requests fail by chance at ``error_rate`` in the way
    of ``error``, the same ones for the same ``seed``. The first ``errors_after`` requests do not fail.

    ``engine`` is "ollama" or "vllm"; a vLLM tells its times only with ``metrics``.
    """

    tokens_per_s: float = 40.0
    prompt_ms: float = 20.0
    slots: int = 1
    queue: int = 512
    batching: Mapping[int, float] | Callable[[int], float] = field(default_factory=dict)
    delay_to_ms: float = 0.0
    delay_from_ms: float = 0.0
    tokens: int | Mapping[str, int] = 32
    failing: Mapping[str, str] = field(default_factory=dict)
    error_rate: float = 0.0
    error: str = "fail"
    errors_after: int = 0
    seed: int = 7
    retry_after_s: int = 1
    model: str = "reference"
    digest: str = "5eed" * 16
    engine: str = "ollama"
    version: str = "0.9.1"
    metrics: bool = True

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for what no engine can be."""
        if not (self.tokens_per_s > 0 and 1 <= self.slots <= 4096 and self.queue >= 0):
            raise ValueError("an engine has a speed above 0, 1 to 4096 slots, and a queue of 0 or more")
        if min(self.prompt_ms, self.delay_to_ms, self.delay_from_ms) < 0 or not 0 <= self.error_rate <= 1:
            raise ValueError("times are not negative, and an error rate is from 0 to 1")
        if unknown := {self.error, *self.failing.values()} - set(FAULTS):
            raise ValueError(f"{unknown} are no ways to fail; those are {FAULTS}")
        if self.engine not in ("ollama", "vllm"):
            raise ValueError(f"an engine is 'ollama' or 'vllm', not {self.engine!r}")
        if not all(self.gain(in_work) > 0 for in_work in range(1, self.slots + 1)):
            raise ValueError("throughput is above 0 whatever is in work")

    def gain(self, in_work: int) -> float:
        """Throughput with so many in work relative to that with one."""
        if callable(self.batching):
            return self.batching(in_work) / self.batching(1)
        points = sorted({1: 1.0, **self.batching}.items())
        for (low, low_gain), (high, high_gain) in pairwise(points):
            if low <= in_work <= high:
                return (low_gain + (high_gain - low_gain) * (in_work - low) / (high - low)) / points[0][1]
        return points[-1][1] / points[0][1]

    def answer_tokens(self, prompt: str, most: int | None = None) -> int:
        """How many tokens the answer to ``prompt`` has where ``most`` are asked for."""
        whole = self.tokens if isinstance(self.tokens, int) else self.tokens.get(prompt, self.tokens.get("", 32))
        return whole if most is None or most < 0 else min(whole, most)

    def work_ms(self, prompt: str, most: int | None = None) -> float:
        """What the engine takes for ``prompt`` alone: the server time that it tells."""
        return self.prompt_ms + self.answer_tokens(prompt, most) * 1000 / self.tokens_per_s

    def wall_ms(self, prompt: str, most: int | None = None) -> float:
        """What a client that costs nothing sees of it."""
        return self.delay_to_ms + self.work_ms(prompt, most) + self.delay_from_ms


def to_plain(truth: Truth) -> dict[str, Any]:
    """A truth as JSON has it; a function is told by its values."""
    gains = {in_work: truth.gain(in_work) for in_work in range(1, truth.slots + 1)}
    return {**{name: value for name, value in vars(truth).items() if name != "batching"}, "batching": gains}


def from_plain(found: dict[str, Any]) -> Truth:
    """The truth that ``to_plain`` told."""
    gains = {int(in_work): gain for in_work, gain in found.get("batching", {}).items()}
    return Truth(**{**found, "batching": gains})


class Work:
    """One request in the model: ``marks_ms`` are when, in ms of work alone, each piece of it is due, the last its end.

    ``tell`` is called at each with the time (s) at which it was reached, or with None where the queue was full.
    """

    def __init__(self, marks_ms: Sequence[float], tell: Callable[[float | None], None]) -> None:
        self.marks_ms, self.tell = marks_ms, tell
        self.came = self.began = math.nan
        self.reached: list[float] = []
        self.over = False


class Model:
    """Slots, a queue, and work that is shared among those in work: exact, in time (s) that is given to it.

    All in work share one measure of progress. ``advance`` works off what has happened, each event at its own time
    however late it is called; nothing may ``arrive`` or ``leave`` before a time that it has been called with.
    """

    def __init__(self, truth: Truth) -> None:
        self._slots, self._most_waiting = truth.slots, truth.queue
        self._speeds = [1.0, *(truth.gain(in_work) / in_work for in_work in range(1, truth.slots + 1))]
        self._waiting: deque[Work] = deque()
        self._in_work = 0
        self._progress_ms = 0.0
        self._as_of = -math.inf
        self._coming: list[tuple[float, int, Work, bool]] = []
        self._due: list[tuple[float, int, Work]] = []
        self._tie = itertools.count()

    def arrive(self, at_s: float, work: Work) -> None:
        """A request comes in."""
        heapq.heappush(self._coming, (at_s, next(self._tie), work, True))

    def leave(self, at_s: float, work: Work) -> None:
        """The client of ``work`` is gone: its place is free."""
        heapq.heappush(self._coming, (at_s, next(self._tie), work, False))

    def next_s(self) -> float | None:
        """When the next thing happens, None where nothing will."""
        coming = [self._coming[0][0]] if self._coming else []
        due = [self._due_s()] if self._due else []
        return min(coming + due, default=None)

    def advance(self, now_s: float) -> None:
        """Let everything happen that is due by ``now_s``, in its order."""
        while (at_s := self.next_s()) is not None and at_s <= now_s:
            # What is done at the very time at which another comes has made room for it.
            if self._due and self._due_s() <= at_s:
                self._reach(at_s)
            else:
                self._move_to(at_s)
                _, _, work, comes = heapq.heappop(self._coming)
                (self._come if comes else self._go)(at_s, work)

    def _due_s(self) -> float:
        return self._as_of + (self._due[0][0] - self._progress_ms) / 1000 / self._speeds[self._in_work]

    def _move_to(self, at_s: float) -> None:
        if self._in_work:
            self._progress_ms += (at_s - self._as_of) * 1000 * self._speeds[self._in_work]
        self._as_of = at_s

    def _come(self, at_s: float, work: Work) -> None:
        work.came = at_s
        if self._in_work == self._slots and len(self._waiting) >= self._most_waiting:
            work.over = True
            work.tell(None)
        else:
            self._waiting.append(work)
            self._start(at_s)

    def _go(self, at_s: float, work: Work) -> None:
        if work.over:
            return
        work.over = True
        if work in self._waiting:
            self._waiting.remove(work)
        elif not math.isnan(work.began):
            self._due = [entry for entry in self._due if entry[2] is not work]
            heapq.heapify(self._due)
            self._in_work -= 1
            self._start(at_s)

    def _reach(self, at_s: float) -> None:
        mark_ms, _, work = heapq.heappop(self._due)
        self._progress_ms, self._as_of = mark_ms, at_s  # set, not added up: rounding must not gather
        work.reached.append(at_s)
        if len(work.reached) < len(work.marks_ms):
            step_ms = work.marks_ms[len(work.reached)] - work.marks_ms[len(work.reached) - 1]
            heapq.heappush(self._due, (mark_ms + step_ms, next(self._tie), work))
        else:
            work.over = True
            self._in_work -= 1
            self._start(at_s)
        work.tell(at_s)

    def _start(self, at_s: float) -> None:
        while self._waiting and self._in_work < self._slots:
            work = self._waiting.popleft()
            work.began = at_s
            self._in_work += 1
            heapq.heappush(self._due, (self._progress_ms + work.marks_ms[0], next(self._tie), work))


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
        return self._line(response=_word(index), done=False)

    def end(self, told: Told) -> bytes:
        """What comes behind the last token."""
        return self._line(response="", **self._done(told))

    def whole(self, told: Told, text: str) -> bytes:
        """All of it at once."""
        return self._line(response=text, **self._done(told))

    def broken(self) -> bytes:
        """A failure after status 200."""
        return _json({"error": "an error was encountered while running the model: unexpected EOF"}) + b"\n"

    def _line(self, **said: Any) -> bytes:
        return _json({"model": self._model, "created_at": CREATED, **said}) + b"\n"

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
        return _json({**self._head("chat.completion"), "choices": choices, **self._figures(told)})

    def broken(self) -> bytes:
        """A failure after status 200."""
        return b"data: " + _json(_openai_error("the engine died", "server_error", 500)) + b"\n\ndata: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + _json({**self._head("chat.completion.chunk"), "choices": choices, **more}) + b"\n\n"

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


@dataclass(frozen=True)
class Asked:
    """One request, whole, as it came at ``read_s``."""

    method: str
    path: str
    body: bytes
    closes: bool
    read_s: float


class ReferenceEngine:
    """One engine on a port of its own."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._model = Model(truth)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._chance = random.Random(truth.seed)
        self._requests = 0

    async def listen(self, port: int = 0) -> str:
        """Begin to accept connections, and return the URL."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, port, backlog=1024)
        return f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: the next request is read while one is answered, which shows when the client has gone."""
        coming = asyncio.create_task(_read(reader))
        answering: asyncio.Task[bool] | None = None
        try:
            while (asked := await coming) is not None:
                coming = asyncio.create_task(_read(reader))
                answering = asyncio.create_task(self._answer(asked, writer))
                await asyncio.wait({coming, answering}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done() and coming.result() is None:
                    break
                if not await answering or asked.closes:
                    break
        except (ConnectionError, asyncio.CancelledError):
            return  # at the end of all, too: a cancelled handler is a failure to Python 3.11's streams
        finally:
            coming.cancel()
            if answering is not None:
                answering.cancel()
            writer.close()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection is to be dropped."""
        if asked.method == "POST" and (voice := self._voice(asked)) is not None:
            return await self._complete(asked, voice, writer)
        status, said = self._look_up(asked)
        await self._reply(asked, writer, status, said)
        return status != 400

    def _look_up(self, asked: Asked) -> tuple[int, Any]:
        """The answer to what needs no work."""
        truth = self._truth
        if not asked.method:
            return 400, {"error": "this is no HTTP request that can be answered"}
        entry = {"name": truth.model, "model": truth.model, "digest": truth.digest}
        owner = "vllm" if truth.engine == "vllm" else "library"
        known: dict[str, Any] = {
            "/v1/models": {
                "object": "list",
                "data": [{"id": truth.model, "object": "model", "created": 1767225600, "owned_by": owner}],
            }
        }
        if truth.engine == "ollama":
            known |= {"/api/version": {"version": truth.version}, "/": "Ollama is running"}
            known |= {"/api/tags": {"models": [entry]}, "/api/ps": {"models": [{**entry, "size_vram": 0}]}}
        else:
            known |= {"/version": {"version": truth.version}, "/health": ""}
        found = asked.method in ("GET", "HEAD") and asked.path in known
        return (200, known[asked.path]) if found else (404, {"error": "not found"})

    def _voice(self, asked: Asked) -> Voice | None:
        voices: dict[str, type[Voice]] = {"/v1/chat/completions": OpenAI}
        if self._truth.engine == "ollama":
            voices["/api/generate"] = Ollama
        speaks = voices.get(asked.path)
        return speaks(self._truth, _object(asked.body)) if speaks else None

    def _fault(self, prompt: str) -> str | None:
        """How this request is to fail, None where it is not."""
        self._requests += 1
        by_chance = self._chance.random() < self._truth.error_rate  # drawn for each, so that the same ones fail
        if self._requests <= self._truth.errors_after:
            return None
        named = next((how for text, how in self._truth.failing.items() if text in prompt), None)
        return named or (self._truth.error if by_chance else None)

    async def _complete(self, asked: Asked, voice: Voice, writer: asyncio.StreamWriter) -> bool:
        truth = self._truth
        wanted = _object(asked.body).get("model")
        if wanted not in (truth.model, f"{truth.model}:latest"):
            await self._refuse(asked, writer, voice, 404, f"model '{wanted}' not found")
            return True
        fault = self._fault(voice.prompt)
        if fault in STATUSES:
            await self._refuse(asked, writer, voice, STATUSES[fault], f"this is to fail: {fault}")
            return True
        if fault == "silent":
            await asyncio.Event().wait()
        return await self._work(asked, voice, writer, fault)

    async def _work(self, asked: Asked, voice: Voice, writer: asyncio.StreamWriter, fault: str | None) -> bool:
        truth = self._truth
        tokens = truth.answer_tokens(voice.prompt, voice.most)
        given = tokens // 2 if fault else tokens
        reached: asyncio.Queue[float | None] = asyncio.Queue()
        marks_ms = [truth.prompt_ms + index * 1000 / truth.tokens_per_s for index in range(given + 1)]
        work = Work(marks_ms, reached.put_nowait)
        self._model.arrive(asked.read_s + truth.delay_to_ms / 1000, work)
        self._run()
        try:
            at_s = await reached.get()
            if at_s is None:
                await self._refuse(asked, writer, voice, 503, "server busy, maximum pending requests exceeded")
                return True
            head = _head(200, {"content-type": voice.content_type, "transfer-encoding": "chunked"})
            for index in range(given):
                at_s = await reached.get()
                assert at_s is not None
                if voice.streams and index < given - 1:
                    await self._send(writer, at_s, head + _chunk(voice.token(index)))
                    head = b""
            if fault == "cut":
                await self._send(writer, at_s, head + (_chunk(voice.token(0)) if given else b""))
                return False
            last = voice.token(given - 1) if given else b""  # goes out with what is told of the answer
            told = _told(
                work, len(voice.prompt.split()), "length" if given < truth.answer_tokens(voice.prompt) else "stop"
            )
            if not voice.streams:
                said = voice.broken() if fault else voice.whole(told, "".join(map(_word, range(given))))
                await self._send(writer, at_s, _message(500 if fault else 200, said, {}))
                return True
            end = voice.broken() if fault else voice.end(told)
            await self._send(writer, at_s, head + _chunk(last) + _chunk(end) + b"0\r\n\r\n")
            return True
        except asyncio.CancelledError:
            # The news that the client has gone has the same way to go as its request had.
            self._model.leave(self._loop.time() + truth.delay_to_ms / 1000, work)
            self._run()
            raise

    def _run(self) -> None:
        """Let the model come up to now, and be called when the next thing happens in it."""
        self._model.advance(self._loop.time())
        if self._timer is not None:
            self._timer.cancel()
        at_s = self._model.next_s()
        self._timer = None if at_s is None else self._loop.call_at(at_s, self._run)

    async def _refuse(self, asked: Asked, writer: asyncio.StreamWriter, voice: Voice, status: int, why: str) -> None:
        said = _openai_error(why, "invalid_request_error", status) if isinstance(voice, OpenAI) else {"error": why}
        await self._reply(asked, writer, status, said)

    async def _reply(self, asked: Asked, writer: asyncio.StreamWriter, status: int, said: Any) -> None:
        headers = {"retry-after": str(self._truth.retry_after_s)} if status == 503 else {}
        body = said.encode() if isinstance(said, str) else _json(said)
        message = _message(status, body, headers)
        if asked.method == "HEAD":
            message = message[: len(message) - len(body)]
        await self._send(writer, asked.read_s + self._truth.delay_to_ms / 1000, message)

    async def _send(self, writer: asyncio.StreamWriter, at_s: float, piece: bytes) -> None:
        """Send what the engine said at ``at_s``, once it has had time to arrive."""
        left_s = at_s + self._truth.delay_from_ms / 1000 - self._loop.time()
        if left_s > 0:
            await asyncio.sleep(left_s)
        writer.write(piece)
        await writer.drain()


def _told(work: Work, prompt_tokens: int, reason: str) -> Told:
    read, first, end = work.reached[0], work.reached[min(1, len(work.reached) - 1)], work.reached[-1]
    return Told(
        queue_ms=(work.began - work.came) * 1000,
        prompt_ms=(read - work.began) * 1000,
        first_ms=(first - work.came) * 1000,
        eval_ms=(end - read) * 1000,
        total_ms=(end - work.came) * 1000,
        prompt_tokens=prompt_tokens,
        tokens=len(work.reached) - 1,
        reason=reason,
    )


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    """The next request; None where the client has gone, and one without a method where it cannot be read."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, version = first.split(" ")
        size = int(headers.get("content-length", 0))
        if not 0 <= size <= LARGEST_BODY or "transfer-encoding" in headers:
            raise ValueError
        body = await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (ValueError, asyncio.LimitOverrunError):
        return Asked("", "", b"", True, asyncio.get_running_loop().time())
    closes = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
    return Asked(method, target.partition("?")[0], body, closes, asyncio.get_running_loop().time())


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _limit(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _word(index: int) -> str:
    return WORDS[index % len(WORDS)]


def _json(said: Any) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def _openai_error(message: str, kind: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {PHRASES[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _message(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    kind = "application/json" if body[:1] == b"{" else "text/plain"
    return _head(status, {"content-type": kind, "content-length": str(len(body)), **headers}) + body


def _chunk(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if piece else b""


def _precise_loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are good to microseconds: epoll and poll round what they wait for up to milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def _serve_until(truths: Sequence[Truth], port: int, tell: Callable[[list[str]], None], *, stdin: bool) -> None:
    engines = [ReferenceEngine(truth) for truth in truths]
    tell([await engine.listen(port) for engine in engines])
    over = asyncio.Event()
    if stdin:
        loop = asyncio.get_running_loop()

        def wait_for_end() -> None:
            while os.read(0, 1024):
                pass
            loop.call_soon_threadsafe(over.set)

        threading.Thread(target=wait_for_end, daemon=True).start()
    await over.wait()


@contextlib.contextmanager
def running(*truths: Truth) -> Iterator[list[str]]:
    """Run an engine for each of ``truths``, all in one process of their own; gives their URLs."""
    command = [sys.executable, "-I", __file__, "--stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(_json([to_plain(truth) for truth in truths]) + b"\n")
            child.stdin.flush()
            line = child.stdout.readline()
            if not line:
                raise RuntimeError("The reference engine did not start; what it said stands above.")
            yield json.loads(line)
        finally:
            child.stdin.close()  # the sign for it to end, which it also gets if this process is killed
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _points(text: str) -> dict[int, float]:
    """Read ``2=1.7,4=2.6``."""
    try:
        return {int(in_work): float(gain) for in_work, _, gain in (part.partition("=") for part in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 2=1.7,4=2.6") from None


def _options() -> argparse.Namespace:
    plain = asdict(Truth())
    parser = argparse.ArgumentParser(description="An engine without a model, to try outpace on; Ctrl-C ends it.")
    parser.add_argument("--port", type=int, default=0, help="where to listen on the loopback (0: any that is free)")
    for name, what in (
        ("tokens_per_s", "tokens a second of one request alone"),
        ("prompt_ms", "time until a prompt is read"),
        ("slots", "requests in work at once"),
        ("queue", "requests that may wait; more get status 503"),
        ("tokens", "tokens of an answer"),
        ("error_rate", "share of requests that fail"),
        ("errors_after", "so many requests do not fail at first"),
        ("seed", "which of them fail"),
        ("model", "the model's name"),
        ("version", "the engine's version"),
    ):
        value = plain[name]
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"{what} ({value})")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="way of a request, and way of an answer, in ms (0)")
    parser.add_argument(
        "--batching", type=_points, default={}, metavar="2=1.7,4=2.6", help="throughput of several to that of one"
    )
    parser.add_argument("--error", choices=FAULTS, default="fail", help="how those fail that do")
    parser.add_argument("--engine", choices=("ollama", "vllm"), default="ollama", help="which engine to be like")
    parser.add_argument("--no-metrics", dest="metrics", action="store_false", help="as a vLLM, tell no times")
    parser.add_argument("--stdin", action="store_true", help="read truths as a line of JSON, and end when stdin does")
    return parser.parse_args()


def main() -> None:
    """Run until Ctrl-C, or until stdin ends."""
    options = vars(_options())
    port, delay_ms, stdin = options.pop("port"), options.pop("delay_ms"), options.pop("stdin")
    try:
        if stdin:
            truths = [from_plain(each) for each in json.loads(_first_line())]
        else:
            truths = [Truth(delay_to_ms=delay_ms, delay_from_ms=delay_ms, **options)]
    except ValueError as error:
        sys.exit(f"reference engine: {error}")

    def tell(urls: list[str]) -> None:
        print(json.dumps(urls) if stdin else urls[0], flush=True)  # noqa: T201

    try:
        with asyncio.Runner(loop_factory=_precise_loop) as runner, contextlib.suppress(KeyboardInterrupt):
            runner.run(_serve_until(truths, port, tell, stdin=stdin))
    except OSError as error:
        sys.exit(f"reference engine: it cannot listen on port {port}: {error.strerror or error}")


def _first_line() -> bytes:
    """One line of stdin, byte by byte: a buffer would take in what ends it."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


if __name__ == "__main__":
    main()
