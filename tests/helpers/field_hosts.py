"""Small servers that work as long as they are told to, and go wrong as those of the field do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from harness import ThreadedHosts
from outpace.ground.hosts import Host

Says = Callable[[str], tuple[str, int]]
"""What a host answers to a prompt, and how many tokens it says that the prompt had."""
TOKENS = 12


def plainly(prompt: str) -> tuple[str, int]:
    return f"A full answer to the question that was put: {prompt}", 9


@dataclass
class Model:
    """A model that takes ``load_s`` to load, and is put out when nobody asked for it for ``kept_s``.

    It may heed how long it is asked to be kept. ``loads`` tells of each load whether a whole answer waited for it,
    ``beside`` of each whole answer how many others the host was at when it was asked for.
    """

    load_s: float = 0.0
    kept_s: float = 1e9
    heeds: bool = True
    loads: list[bool] = field(default_factory=list)
    beside: list[int] = field(default_factory=list)
    _until_s: float = 0.0
    _at_work: int = 0

    @contextmanager
    def at_work(self, keep_s: float | None, *, whole: bool) -> Iterator[float]:
        """Load it if need be; gives how long that took, in seconds."""
        if whole:
            self.beside.append(self._at_work)
        self._at_work += whole
        took_s = self.load_s if time.monotonic() > self._until_s else 0.0
        if took_s:
            self.loads.append(whole)
            self._until_s = time.monotonic() + 1e9
            time.sleep(took_s)
        try:
            yield took_s
        finally:
            self._at_work -= whole
            kept_s = keep_s if self.heeds and keep_s is not None else self.kept_s
            self._until_s = time.monotonic() + kept_s


class _Answering(BaseHTTPRequestHandler):
    """Reads and writes whole bodies over a kept connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def asked(self) -> dict[str, Any]:
        found = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.note(self, found)  # type: ignore[attr-defined]
        return found

    def say(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        with suppress(ConnectionError):  # a client may have left, and nobody looked before the work was done
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def ollama_host(
    *,
    works_s: float = 0.0,
    slots: int = 1,
    admits: int | None = None,
    says: Says = plainly,
    remembers: bool = False,
    loaded: bool = True,
    model: str = "m",
    entry: Mapping[str, Any] | None = None,
    memory: Model | None = None,
) -> type[BaseHTTPRequestHandler]:
    """An Ollama that works for ``works_s`` at each whole answer, at ``slots`` of them at once, or ``remembers`` it.

    It ``admits`` so many requests at once, and refuses what comes beside them with a 429. ``entry`` is what it says of
    its ``model`` beside the name, and ``memory`` what becomes of it.
    """
    kept = memory or Model()
    slot, known = threading.Semaphore(slots), set[str]()
    room = threading.Semaphore(admits or 1 << 20)

    class Handler(_Answering):
        def do_GET(self) -> None:
            tags = {"models": [{"name": model, "digest": "d1", **(entry or {})}]}
            running = tags if loaded else {"models": []}
            said = {"/api/version": {"version": "0.9.1"}, "/api/tags": tags, "/api/ps": running}.get(self.path)
            self.say(json.dumps(said).encode(), 200 if said else 404)

        def do_POST(self) -> None:
            asked = self.asked()
            if not room.acquire(blocking=False):
                return self.say(b"Too many requests\n", 429)
            try:
                with kept.at_work(asked.get("keep_alive"), whole=asked["options"]["num_predict"] > 1) as load_s:
                    return self.work(asked, load_s)
            finally:
                room.release()

        def work(self, asked: dict[str, Any], load_s: float) -> None:
            key = json.dumps([asked["prompt"], asked["options"]["num_predict"]])
            from_memory, whole = remembers and key in known, asked["options"]["num_predict"] > 1
            spent_s = works_s if whole and not from_memory else 0.0
            known.add(key)
            text, read = says(asked["prompt"])
            done = {
                "response": "",
                "done": True,
                "done_reason": "stop",
                "total_duration": int((spent_s + load_s) * 1e9),
            }
            done |= {
                "load_duration": int(load_s * 1e9),
                "eval_duration": 1,
                "eval_count": TOKENS,
                "prompt_eval_count": read,
            }
            first, last = (json.dumps(each).encode() + b"\n" for each in ({"response": text, "done": False}, done))
            with nullcontext() if from_memory else slot, suppress(ConnectionError):
                self.say(first, content_length=str(len(first + last)))
                time.sleep(spent_s)
                self.wfile.write(last)

    return Handler


def openai_host(
    status: int,
    said: object,
    *,
    wait_s: float = 0.0,
    owner: str = "vendor",
    props: int = 404,
    memory: Model | None = None,
) -> type[BaseHTTPRequestHandler]:
    """An engine whose lists are open to everyone, and which answers a prompt with ``status``.

    ``memory`` is what becomes of its model.
    """
    kept = memory or Model()

    class Handler(_Answering):
        def do_GET(self) -> None:
            models = {"data": [{"id": "m", "object": "model", "owned_by": owner}]}
            found = {"/v1/models": (200, models), "/health": (200, {}), "/props": (props, said)}
            code, body = found.get(self.path, (404, {}))
            self.say(json.dumps(body).encode(), code)

        def do_POST(self) -> None:
            asked = self.asked()
            with kept.at_work(asked.get("ttl"), whole=asked["max_tokens"] > 1):
                time.sleep(wait_s)
            self.answer(asked)

        def answer(self, asked: dict[str, Any]) -> None:
            if status != 200:
                return self.say(json.dumps(said).encode(), status)
            answer = {"choices": [{"index": 0, "delta": {"content": "Yes"}, "finish_reason": "length"}]}
            return self.say(
                f"data: {json.dumps(answer)}\n\ndata: [DONE]\n\n".encode(), content_type="text/event-stream"
            )

    return Handler


def openai_router(
    *, works_s: float, slots: int, remembers: bool, says_so: str | None = None, cache: str = "ignored"
) -> type[BaseHTTPRequestHandler]:
    """A router in front of hosts with so many ``slots``, which replays what it ``remembers`` of the same request.

    Then it ``says_so`` in a header of that name. LiteLLM's ``cache`` of a request is "ignored", "heeded" or "refused".
    """
    slot, known = threading.Semaphore(slots), set[str]()

    class Handler(_Answering):
        def do_GET(self) -> None:
            models = {"data": [{"id": "m", "object": "model", "owned_by": "openai"}]}
            self.say(json.dumps(models).encode(), 200 if self.path == "/v1/models" else 404)

        def do_POST(self) -> None:
            asked = self.asked()
            key = json.dumps([asked["messages"], asked["max_tokens"]])
            wish = asked.get("cache", {})
            if wish and cache == "refused":
                detail = [
                    {"type": "extra_forbidden", "loc": ["body", "cache"], "msg": "Extra inputs are not permitted"}
                ]
                return self.say(json.dumps({"detail": detail}).encode(), 400)
            replayed = remembers and key in known and not (cache == "heeded" and wish.get("no-cache"))
            if not replayed and asked["max_tokens"] > 1:
                with slot:
                    time.sleep(works_s)
            known.add(key)
            text, read = plainly(asked["messages"][-1]["content"])
            events = [
                {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
                {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                {"choices": [], "usage": {"prompt_tokens": read, "completion_tokens": TOKENS}},
            ]
            lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
            kept = {says_so: "586bf3f3c1bf"} if says_so and replayed else {}
            return self.say(b"".join([*lines, b"data: [DONE]\n\n"]), content_type="text/event-stream", **kept)

    return Handler


def as_router(name: str, server: ThreadedHosts) -> Host:
    """The one of ``server`` as a router called ``name``."""
    return Host(name, server.urls[0])
