"""Recording: a transport that keeps every exchange that passes through it, and the file that they end in.

No header is kept, neither the request's nor the response's but for its content type: tokens and cookies never enter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import httpx

from outpace.engines import Engine
from outpace.engines.client import authority_of
from outpace.engines.failures import BUSY
from outpace.ground.records import BestAlone, Run
from outpace.judge.capacity import Level
from outpace.judge.slo import latency_of
from outpace.recording import fitted_levels
from outpace.recording.fitted_bursts import calibrated
from outpace.recording.growing import GrowingFile
from outpace.recording.recording import Exchange, RecordedArrivals, RecordedHost, RecordedRun, Recording, Scene
from outpace.recording.redaction import redacted
from outpace.workload.prompts import Workload


class RecordingTransport(httpx.AsyncBaseTransport):
    """Passes requests on to ``inner`` and keeps the exchanges of the run that is in progress."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._began: float | None = None
        self.run: str | None = None
        """Name of the run in progress; exchanges outside of one are not kept."""
        self.exchanges: list[Exchange] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass one request on; what it comes to is kept once its answer has ended, however that was."""
        run, now = self.run, anyio.current_time()
        if self._began is None:
            self._began = now
        kept = Exchange(
            request.url.netloc.decode(),
            run or "",
            None,
            request.url.path,
            request.content.decode("utf-8", "replace"),
            (now - self._began) * 1000,
            0.0,
            0,
            "",
            (),
        )
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:  # one that is cancelled too
            if run:
                wall_ms = (anyio.current_time() - now) * 1000
                self.exchanges.append(replace(kept, wall_ms=wall_ms, error=f"{type(error).__name__}: {error}"))
            raise
        if run:
            kept = replace(kept, status=response.status_code, content_type=response.headers.get("content-type", ""))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _Kept(response.stream, kept, now, self.exchanges)
        return response

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()


class _Kept(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, exchange: Exchange, began: float, into: list[Exchange]) -> None:
        self._inner, self._exchange, self._began, self._into = inner, exchange, began, into
        self._chunks: list[tuple[float, bytes]] = []
        self._ended_ms: float | None = None
        self._error: str | None = "the client left before the answer ended"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                self._chunks.append(((anyio.current_time() - self._began) * 1000, chunk))
                yield chunk
            self._error = None
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._ended_ms = (anyio.current_time() - self._began) * 1000

    async def aclose(self) -> None:
        await self._inner.aclose()
        ended_ms = self._ended_ms if self._ended_ms is not None else (anyio.current_time() - self._began) * 1000
        self._into.append(replace(self._exchange, wall_ms=ended_ms, chunks=tuple(self._chunks), error=self._error))


class Recorder:
    """Gathers a session and keeps ``path`` and its journal up to date after every run; ``redact`` drops what was said.

    What concurrency does to the hosts is fitted to all of the session whenever that has doubled, and at its ``close``.
    """

    def __init__(self, path: Path, transport: RecordingTransport, workload: Workload, created: str, *, redact: bool):
        self._file, self._transport, self._workload = GrowingFile(path), transport, workload
        self._created, self._redact = created, redact
        self._runs: list[RecordedRun] = []
        self._exchanges: list[Exchange] = []
        self._answered: Counter[tuple[str, int]] = Counter()
        """Whole answers in a run to a text, by the first of the prompts that have it."""
        self._fitted: dict[str, RecordedHost] = {}
        self._well_fitted = False
        self._fitted_to = self._written = 0
        """How many of the exchanges the hosts were fitted to, and how many were written."""
        self._levels: dict[str, list[Level]] = {}
        self._slots: dict[str, int] = {}
        self._hosts: dict[str, Engine] = {}
        self._trips_ms: dict[str, float] = {}
        self._baseline: str | None = None
        self.best_alone: BestAlone | None = None
        self.arrivals: RecordedArrivals | None = None

    def meet(self, engines: dict[str, Engine], baseline: str) -> None:
        """Take note of the hosts' engines, and of the host that the baseline runs on."""
        self._hosts, self._baseline = engines, baseline

    def begin(self, scene: Scene) -> None:
        """What passes from now on belongs to the run of ``scene``."""
        self._transport.run = None if self.full else scene.name

    @property
    def full(self) -> str | None:
        """Why the session is recorded no further, if so."""
        return self._file.full

    def end(self, scene: Scene, run: Run, round_trips_ms: Mapping[str, float], *, arrived: bool = False) -> None:
        """The run of ``scene`` is over, whose requests ``arrived``; raises ``OSError`` where that cannot be written."""
        self._transport.run = None
        self._trips_ms.update(round_trips_ms)
        makespan_ms = None if run.failed else round(run.makespan_ms, 3)
        seen = tuple(latency_of(each) for each in run.requests) if arrived else ()
        self._runs.append(
            RecordedRun(scene.name, scene.strategy, scene.measured, scene.round, run.hosts, makespan_ms, seen)
        )
        self._exchanges += self._passed()
        self._save(fit=len(self._exchanges) >= 2 * self._fitted_to)

    def begin_sweep(self, host: str, in_flight: int) -> None:
        """What passes from now on shows the capacity of ``host`` with ``in_flight`` requests going."""
        self._transport.run = f"sweep@{host}*{in_flight}"

    def end_sweep(self, host: str, in_flight: int) -> bool:
        """Keep what the sweep showed, and say whether the host admitted so many; its exchanges are not needed further.

        Where it refused some, what was answered was not so many at once: that is no level.
        """
        name, self._transport.run = f"sweep@{host}*{in_flight}", None
        passed = self._passed()
        swept = [each for each in passed if each.run == name]
        self._exchanges += [each for each in passed if each.run != name]
        admitted = not any(each.status in BUSY for each in swept)
        if admitted and (found := fitted_levels.level(in_flight, swept)):
            self._levels.setdefault(host, []).append(found)
        self._slots[host] = max(self._slots.get(host, 1), fitted_levels.slots(swept))
        self._fitted_to = 0
        return admitted

    def close(self) -> None:
        """The session is over; raises ``OSError`` where the file cannot be written."""
        if self._runs and not self._well_fitted:
            self._save(fit=True)
        self._file.close()

    def _save(self, *, fit: bool) -> None:
        if self.full:
            return
        if fit:
            self._fitted = {host.name: host for host in calibrated(self._recording(self._exchanges)).hosts}
            self._fitted_to = len(self._exchanges)
        self._well_fitted = fit
        recording = self._recording(self._exchanges[self._written :])
        self._written = len(self._exchanges)
        known = [(host, self._fitted[host.name]) for host in recording.hosts]
        hosts = tuple(replace(host, slots=fitted.slots, levels=fitted.levels) for host, fitted in known)
        recording = replace(recording, hosts=hosts)
        self._file.write(redacted(recording) if self._redact else recording)

    def _recording(self, exchanges: Sequence[Exchange]) -> Recording:
        """What there is so far, with these of its ``exchanges``."""
        return Recording(
            self._created,
            tuple(self._host(name, engine) for name, engine in self._hosts.items()),
            self._workload,
            tuple(self._runs),
            tuple(exchanges),
            self._baseline,
            best_alone=self.best_alone,
            arrivals=self.arrivals,
        )

    def _host(self, name: str, engine: Engine) -> RecordedHost:
        identity = engine.identity
        return RecordedHost(
            name,
            engine.host.url,
            identity.engine,
            identity.version,
            identity.protocol,
            engine.model,
            identity.models.get(engine.model),
            round(self._trips_ms.get(name, 0.0), 3),
            self._slots.get(name, 1),
            tuple(self._levels.get(name, ())),
        )

    def _passed(self) -> list[Exchange]:
        """The exchanges that have passed since this was last asked.

        They have their hosts' names and their prompts' numbers instead of addresses and texts.
        Where a text is asked more than once, its answers in a run take its numbers in turn.
        """
        exchanges, self._transport.exchanges[:] = self._transport.exchanges[:], []
        places: defaultdict[str, list[int]] = defaultdict(list)
        for prompt in self._workload.prompts:
            places[prompt.text].append(prompt.index)
        first = {text: indices[0] for text, indices in places.items()}
        same = {indices[0]: indices for indices in places.values()}
        names = {authority_of(engine.host): name for name, engine in self._hosts.items()}
        numbered = []
        for each in exchanges:
            if each.host not in names:
                continue
            number = fitted_levels.prompt_of(each.sent, first)
            if number is not None:
                turn = min(self._answered[each.run, number], len(same[number]) - 1)
                found = replace(each, host=names[each.host], prompt=same[number][turn])
                self._answered[each.run, number] += found.answered
                numbered.append(found)
            else:
                numbered.append(replace(each, host=names[each.host]))
        return numbered
