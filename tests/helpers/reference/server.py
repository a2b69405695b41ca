"""One reference engine on a port of its own."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from reference import wire
from reference.model import Model, Work
from reference.protocols import Ollama, OpenAI, Told, Voice, openai_error, word
from reference.truth import STATUSES, Truth
from reference.wire import Asked

LOOPBACK = "127.0.0.1"


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
        coming = asyncio.create_task(wire.read_request(reader))
        answering: asyncio.Task[bool] | None = None
        try:
            while (asked := await coming) is not None:
                coming = asyncio.create_task(wire.read_request(reader))
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
            known |= {"/version": {"version": truth.version}, "/health": "", "/metrics": self._metrics()}
        found = asked.method in ("GET", "HEAD") and asked.path in known
        return (200, known[asked.path]) if found else (404, {"error": "not found"})

    def _metrics(self) -> str:
        self._run()
        told = zip(("running", "waiting"), self._model.load, strict=True)
        label = f'{{engine="0",model_name="{self._truth.model}"}}'
        return "".join(f"vllm:num_requests_{name}{label} {count:.1f}\n" for name, count in told)

    def _voice(self, asked: Asked) -> Voice | None:
        voices: dict[str, type[Voice]] = {"/v1/chat/completions": OpenAI}
        if self._truth.engine == "ollama":
            voices["/api/generate"] = Ollama
        speaks = voices.get(asked.path)
        return speaks(self._truth, wire.to_object(asked.body)) if speaks else None

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
        wanted = wire.to_object(asked.body).get("model")
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
            head = wire.head(200, {"content-type": voice.content_type, "transfer-encoding": "chunked"})
            for index in range(given):
                at_s = await reached.get()
                assert at_s is not None
                if voice.streams and index < given - 1:
                    await self._send(writer, at_s, head + wire.chunk(voice.token(index)))
                    head = b""
            if fault == "cut":
                await self._send(writer, at_s, head + (wire.chunk(voice.token(0)) if given else b""))
                return False
            last = voice.token(given - 1) if given else b""  # goes out with what is told of the answer
            told = _told(
                work, len(voice.prompt.split()), "length" if given < truth.answer_tokens(voice.prompt) else "stop"
            )
            if not voice.streams:
                said = voice.broken() if fault else voice.whole(told, "".join(map(word, range(given))))
                await self._send(writer, at_s, wire.message(500 if fault else 200, said, {}))
                return True
            end = voice.broken() if fault else voice.end(told)
            await self._send(writer, at_s, head + wire.chunk(last) + wire.chunk(end) + b"0\r\n\r\n")
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
        said = openai_error(why, "invalid_request_error", status) if isinstance(voice, OpenAI) else {"error": why}
        await self._reply(asked, writer, status, said)

    async def _reply(self, asked: Asked, writer: asyncio.StreamWriter, status: int, said: Any) -> None:
        headers = {"retry-after": str(self._truth.retry_after_s)} if status == 503 else {}
        body = said.encode() if isinstance(said, str) else wire.to_json(said)
        message = wire.message(status, body, headers)
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
