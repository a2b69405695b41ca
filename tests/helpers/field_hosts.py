"""Small servers that work as long as they are told to, and go wrong as those of the field do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from harness import ThreadedHosts
from outpace.ground.hosts import Host

Says = Callable[[str], tuple[str, int]]
"""What a host answers to a prompt, and how many tokens it says that the prompt had."""
TOKENS = 12


def plainly(prompt: str) -> tuple[str, int]:
    return f"A full answer to the question that was put: {prompt}", 9


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
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
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
) -> type[BaseHTTPRequestHandler]:
    """An Ollama that works for ``works_s`` at each whole answer, at ``slots`` of them at once, or ``remembers`` it.

    It ``admits`` so many requests at once, and refuses what comes beside them with a 429. ``entry`` is what it says of
    its ``model`` beside the name.
    """
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
                return self.work(asked)
            finally:
                room.release()

        def work(self, asked: dict[str, Any]) -> None:
            key = json.dumps([asked["prompt"], asked["options"]["num_predict"]])
            if not (remembers and key in known) and asked["options"]["num_predict"] > 1:
                with slot:
                    time.sleep(works_s)
            known.add(key)
            text, read = says(asked["prompt"])
            done = {"response": "", "done": True, "done_reason": "stop", "total_duration": int(works_s * 1e9)}
            done |= {"eval_duration": 1, "eval_count": TOKENS, "prompt_eval_count": read}
            self.say(b"".join(json.dumps(each).encode() + b"\n" for each in ({"response": text, "done": False}, done)))

    return Handler


def openai_host(
    status: int, said: object, *, wait_s: float = 0.0, owner: str = "vendor", props: int = 404
) -> type[BaseHTTPRequestHandler]:
    """An engine whose lists are open to everyone, and which answers a prompt with ``status``."""

    class Handler(_Answering):
        def do_GET(self) -> None:
            models = {"data": [{"id": "m", "object": "model", "owned_by": owner}]}
            found = {"/v1/models": (200, models), "/health": (200, {}), "/props": (props, said)}
            code, body = found.get(self.path, (404, {}))
            self.say(json.dumps(body).encode(), code)

        def do_POST(self) -> None:
            self.asked()
            time.sleep(wait_s)
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
