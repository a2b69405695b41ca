"""The transport of a replay: answers HTTP requests from host models, under whatever clock the loop has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx

from outpace.recording.fitted_levels import prompt_of
from outpace.recording.recording import Scene
from outpace.simulation.host_model import Answer, HostModel
from outpace.simulation.simulated_host import SimulatedHost
from outpace.simulation.told_times import restamp


class ReplayTransport(httpx.AsyncBaseTransport):
    """Answers for the hosts of ``models``, each known by its authority (``127.0.0.1:11434``).

    ``texts`` are the recorded prompts. ``scene`` says which run is replayed; whoever starts one sets it.
    """

    def __init__(self, models: Mapping[str, HostModel], texts: tuple[str, ...]) -> None:
        self._models = models
        self._index = {text: index for index, text in reversed(list(enumerate(texts)))}
        self._hosts: dict[str, SimulatedHost] = {}
        self.scene = Scene()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request as its host would: any GET with an empty object, a POST with what is recorded."""
        authority = request.url.netloc.decode()
        model = self._models[authority]
        round_trip_s = model.host.round_trip_ms / 1000
        if request.method != "POST":
            await asyncio.sleep(round_trip_s)
            return httpx.Response(200, stream=httpx.ByteStream(b"{}"))
        prompt = prompt_of(request.content, self._index)
        if prompt is None:
            await asyncio.sleep(round_trip_s)
            return httpx.Response(400, stream=httpx.ByteStream(b'{"error": "this prompt is not in the recording"}'))
        if authority not in self._hosts:
            self._hosts[authority] = SimulatedHost(model.host.slots, model.speed, round_trip_s)
        answer = model.answer(prompt, self.scene)
        stream = _Replayed(self._hosts[authority], model, answer)
        try:
            await asyncio.sleep(round_trip_s / 2)
        except BaseException:
            await stream.aclose()
            raise
        # A header is bytes: what was recorded may hold more than ASCII.
        headers = [(b"content-type", answer.content_type.encode("utf-8", "replace"))]
        return httpx.Response(200, headers=headers, stream=stream)


class _Replayed(httpx.AsyncByteStream):
    """The body of one answer, each piece once the client knows that the host's work on it has come so far."""

    def __init__(self, host: SimulatedHost, model: HostModel, answer: Answer) -> None:
        self._host, self._model, self._answer = host, model, answer
        self._work = host.send((answer.head_ms, *(at_ms for at_ms, _ in answer.middle), answer.work_ms), told=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer, work = self._answer, self._work
        pieces = (answer.head, *(piece for _, piece in answer.middle))
        for piece, told in zip(pieces, work.told, strict=True):
            await told
            yield piece
        await work.done
        stretch = work.worked_ms / answer.recorded_ms
        yield answer.rest + restamp(answer.told, self._model.host.protocol, queue_ms=work.queue_ms, stretch=stretch)

    async def aclose(self) -> None:
        """A client that leaves early frees the slot, as engines see to."""
        self._host.leave(self._work)
