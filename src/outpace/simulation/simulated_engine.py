"""The engine of a simulation: a host model that answers the coordinator itself, without HTTP and without parsing.

What a recorded answer says is read once, by the very code that reads it live; a replay of it is that again, at other
times. Whoever listens is woken for each piece of it, everybody else at its end alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio

from outpace.engines import Completion
from outpace.engines.base import SpeakingEngine
from outpace.ground.errors import (
    AnswerUnreadable,
    BodyCut,
    ConnectFailed,
    ConnectionStale,
    EngineBusy,
    EngineFailed,
    RequestFailed,
    RequestRefused,
    TimedOut,
)
from outpace.recording.recording import Scene
from outpace.simulation.acting_faults import ERROR, ActingFaults, Harm, Way, whole_seconds
from outpace.simulation.host_model import Answer, HostModel
from outpace.simulation.script import Script, read
from outpace.simulation.simulated_host import SimulatedHost
from outpace.simulation.slots import Work
from outpace.simulation.told_times import restamped
from outpace.workload.prompts import Generation

ANSWERS_KEPT = 1_000
"""Of one host in one scene: of the same prompt asked again the answer is known; a million of them are not kept."""
NOT_RECORDED = "this prompt is not in the recording"


class Stage:
    """What all hosts of a simulation share: the recorded ``texts``, the scene, and what goes wrong.

    ``scene`` says which run is replayed; whoever starts one sets it.
    """

    def __init__(self, texts: Sequence[str], faults: ActingFaults | None = None) -> None:
        self.index = {text: index for index, text in reversed(list(enumerate(texts)))}
        self.faults = faults
        self.scene = Scene()
        self.scripts: dict[tuple[object, ...], Script] = {}
        """What was read, by what was read: hosts that say the same share it."""


class SimulatedEngine:
    """One recorded host, which ``speaks`` as its engine does; a cheap request may take ``timeout_s``."""

    resets_cache = True  # a model keeps none

    def __init__(self, speaks: SpeakingEngine, model: HostModel, stage: Stage, timeout_s: float) -> None:
        self.host, self.identity, self.model = speaks.host, speaks.identity, speaks.model
        self.noticed = speaks.noticed
        self._speaks, self._model, self._stage, self._timeout_s = speaks, model, stage, timeout_s
        self.trip_s = model.host.round_trip_ms / 1000
        self._simulated: SimulatedHost | None = None
        self._scripts: dict[tuple[object, ...], Script] = {}
        self._known: dict[Scene, dict[int, tuple[Answer, Script, tuple[float, ...]]]] = {}
        self._scene: Scene | None = None
        self._of_scene: dict[int, tuple[Answer, Script, tuple[float, ...]]] = {}

    @property
    def server_includes_queue(self) -> bool:
        """Whether the server times that were told so far include the wait in the queue."""
        return self._speaks.server_includes_queue

    @property
    def elsewhere(self) -> str | None:
        """Who answered in its place, as far as was told."""
        return self._speaks.elsewhere

    async def in_work(self) -> int | None:
        """A recording holds nobody else's requests."""
        return None

    def foretell(self, prompt: str, settings: Generation) -> tuple[float, int | None]:
        """The work of its answer to ``prompt``, in ms, and the tokens told of it; raises ``RequestFailed``."""
        if (index := self._stage.index.get(prompt)) is None:
            raise self._not_recorded()
        answer, script, _ = self._answer(index)
        return answer.work_ms, script.tokens(settings)

    async def ping(self) -> None:
        """Exchange a cheap request. Raises ``RequestFailed``."""
        try:
            with anyio.fail_after(self._timeout_s):
                way = self._way(self._timeout_s)
                if way is None:
                    await asyncio.sleep(self.trip_s)
                else:
                    await self._ping_over(way)
        except TimeoutError:
            raise TimedOut(f"{self.host.name} did not answer whole within {self._timeout_s:g} s.") from None

    async def generate(
        self, prompt: str, settings: Generation, cache_key: str, heard: Callable[[], None] | None = None
    ) -> Completion:
        """Answer ``prompt`` as is recorded; a model has no cache. Raises ``RequestFailed``."""
        began_s = asyncio.get_running_loop().time()
        index = self._stage.index.get(prompt)
        if (way := self._way()) is not None:
            return await self._generate_over(way, index, settings, began_s, heard)
        if index is None:
            await asyncio.sleep(self.trip_s)
            raise self._not_recorded()
        answer, script, marks_ms = self._answer(index)
        listens = heard is not None or script.failed is not None
        first = script.first or 0
        work = self.at_host().send(marks_ms, told=listens, noted=first)
        try:
            if listens:
                for told, pieces in zip(work.told, script.pieces, strict=False):
                    await told
                    _say(pieces, heard)
                if len(script.pieces) <= len(work.told) and script.failed:
                    raise script.failed.with_traceback(None)
            await work.done
        finally:
            self.at_host().leave(work)
        if listens:
            _say(script.pieces[-1], heard)
        if script.failed:
            raise script.failed.with_traceback(None)
        reached_s = None if script.first is None else work.reached_s[first]
        first_s = None if reached_s is None else reached_s + self.trip_s / 2
        return self._completion(answer, script, work, settings, began_s, first_s)

    def _completion(
        self, answer: Answer, script: Script, work: Work, settings: Generation, began_s: float, first_s: float | None
    ) -> Completion:
        stretch = work.worked_ms / answer.recorded_ms
        told = restamped(script.stream.told, self._model.host.protocol, queue_ms=work.queue_ms, stretch=stretch)
        return script.stream.again(told, settings, began_s, first_s)

    def _answer(self, prompt: int) -> tuple[Answer, Script, tuple[float, ...]]:
        """What is answered to a prompt in the scene, what that says, and when its pieces are due, in ms of work."""
        if self._scene is not self._stage.scene:
            self._scene = self._stage.scene
            self._of_scene = self._known.setdefault(self._scene, {})
        if prompt not in self._of_scene:
            if len(self._of_scene) >= ANSWERS_KEPT:
                self._of_scene.clear()
            answer = self._model.answer(prompt, self._scene)
            marks_ms = (answer.head_ms, *(at_ms for at_ms, _ in answer.middle), answer.work_ms)
            self._of_scene[prompt] = answer, self._script(answer), marks_ms
        return self._of_scene[prompt]

    def _script(self, answer: Answer) -> Script:
        pieces = (answer.head, *(piece for _, piece in answer.middle), answer.rest + answer.told)
        key = (self._model.host.protocol, self._model.host.engine, *pieces)
        if key not in self._scripts:
            script = self._stage.scripts.get(key) or read(self._speaks, pieces)
            if not script.failed:  # what is wrong names the host
                self._stage.scripts[key] = script
            self._scripts[key] = replace(script, stream=script.stream.spoken_by(self._speaks))
        return self._scripts[key]

    def at_host(self) -> SimulatedHost:
        """Its host, as it is in the loop that runs."""
        if self._simulated is None:  # it belongs to the loop that runs
            self._simulated = SimulatedHost(self._model.host.slots, self._model.speed, self.trip_s)
        return self._simulated

    def _not_recorded(self) -> RequestRefused:
        return RequestRefused(f"{self.host.name} refused the request (status 400): {NOT_RECORDED}")

    # Where something goes wrong: as over ``FaultyTransport``, and told as the client tells it.

    def _way(self, patience_s: float | None = None) -> Way | None:
        return self._stage.faults.way(self.host.name, patience_s) if self._stage.faults else None

    async def _ping_over(self, way: Way) -> None:
        answering = False
        try:
            way.connect()
            with way.hurried():
                if await way.ask():
                    return
                await asyncio.sleep(self.trip_s)
                await way.arrive(way.now())
            answering = True
            if way.acting("endless"):
                raise self._endless()
            if way.acting("resets"):
                raise Harm("dropped")
        except Harm as harm:
            raise self._failed(harm, answering=answering) from None

    async def _generate_over(
        self,
        way: Way,
        prompt: int | None,
        settings: Generation,
        began_s: float,
        heard: Callable[[], None] | None,
    ) -> Completion:
        work: Work | None = None
        answering = False
        try:
            way.connect()
            with way.hurried():
                if busy := await way.ask():
                    said = f"{self.host.name} is busy (status 503): busy on purpose"
                    raise EngineBusy(said, whole_seconds(busy))
                if prompt is None:
                    await asyncio.sleep(self.trip_s)
                    raise self._not_recorded()
                answer, script, marks_ms = self._answer(prompt)
                work = self.at_host().send(marks_ms, told=True, noted=script.first or 0)
                await asyncio.sleep(self.trip_s / 2)
                await way.arrive(way.now())
            answering = True
            first_s = await self._hear_over(way, work, script, heard)
            return self._completion(answer, script, work, settings, began_s, first_s)
        except Harm as harm:
            raise self._failed(harm, answering=answering) from None
        finally:
            if work is not None:
                self.at_host().leave(work)

    async def _hear_over(self, way: Way, work: Work, script: Script, heard: Callable[[], None] | None) -> float | None:
        """Hear an answer that comes over a faulty way; gives when its first text came."""
        first_s: float | None = None
        name = self.host.name
        for at, told in enumerate((*work.told, work.done)):
            with way.hurried():
                sent_s = await told
                if script.empty[at]:
                    continue
                await way.arrive(sent_s)
            pieces = script.pieces[at] if at < len(script.pieces) else 0
            if way.acting("garbage"):
                raise AnswerUnreadable(f"{name} sent a line that is not JSON, on purpose.")
            if failing := way.acting("errors", "truncates"):
                _say(min(pieces, 1), heard)
                if failing.kind == "errors":
                    raise EngineFailed(f"{name} failed while it answered: {ERROR}")
                raise BodyCut(f"{name} ended its answer without saying that it was finished.")
            if way.acting("endless"):
                raise self._endless()
            first_s = way.now() if first_s is None and pieces else first_s
            _say(pieces, heard)
            if script.failed and at == len(script.pieces) - 1:
                raise script.failed.with_traceback(None)
            if way.acting("resets"):
                raise Harm("dropped")
        return first_s

    def _endless(self) -> AnswerUnreadable:
        return AnswerUnreadable(f"{self.host.name} sent far more bytes than were asked for.")

    def _failed(self, harm: Harm, *, answering: bool) -> RequestFailed:
        name = self.host.name
        if harm.how == "refused":
            return ConnectFailed(f"{name} ({self.host.url}) takes no connection: {harm}.")
        if harm.how == "silent":
            return TimedOut(f"{name} was silent for longer than the timeout.")
        if answering:
            return BodyCut(f"{name} ended the connection inside its answer: {harm}.")
        return ConnectionStale(f"{name} closed the connection before it answered: {harm}.")


def _say(pieces: int, heard: Callable[[], None] | None) -> None:
    if heard is not None:
        for _ in range(pieces):
            heard()
