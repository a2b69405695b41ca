"""Recordings on disk: HAR 1.2, which browsers and HAR viewers open, with fields of our own behind underscores.

``log._outpace`` holds what HAR has no place for: the hosts with their capacity, the workload, the runs. In an entry,
``_chunks`` are ``[ms since the request began, bytes]`` for each piece of the body as it arrived.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import outpace
from outpace.ground.documents import read_json, write_json
from outpace.ground.errors import quoted, refused
from outpace.ground.records import BestAlone
from outpace.judge.capacity import Level
from outpace.judge.slo import Latency
from outpace.recording import journal
from outpace.recording.recording import Exchange, RecordedArrivals, RecordedHost, RecordedRun, Recording
from outpace.workload.prompts import Generation, workload

SCHEMA_VERSION = "1.1"

MOST_HOSTS = 256
"""Each host is held against every exchange. Embedded engines are 64 at most, and what-if adds 64 at a time."""
MOST_LEVELS = 64
"""Levels of concurrency of one host; a curve is fitted to them in fractions, which grow with each of them. A sweep has
twelve at most, and the bursts of a recording add one for each size that they had."""
MOST_RUNS = 20_000
"""Every run is looked through for each round. A thousand rounds of ten strategies with their baselines are as many."""
MOST_ROUNDS = 1_000
"""A replay makes as many rounds as were recorded. Live sessions make forty unless they are told another number."""
MOST_ASKED = 200_000
"""Prompts, over all rounds: so many does a replay ask, of each strategy, two minutes for each of its runs. The largest
recording that can be read has room for fewer answers."""


def write(path: Path, recording: Recording) -> None:
    """Put ``recording`` at ``path`` whole; raises ``DocumentInvalid`` and ``OSError``."""
    journal.drop(path)
    write_json(path, to_har(recording), "recording", compact=True)


def read(path: Path) -> Recording:
    """Read a recording, with what a session that was killed left beside it.

    Raises ``DocumentInvalid`` that says what is wrong and where.
    """
    document = journal.with_journal(path, read_json(path, "recording"))
    try:
        recording = from_har(document)
        _require_replayable(recording)
    except ValueError as error:  # of a text that is none, a body that is no base64, a URL that is none
        raise refused(f"The recording {path} cannot be replayed: {error}. Record the session again.") from error
    return recording


def _require_replayable(recording: Recording) -> None:
    """What a schema cannot say; raises ``ValueError``."""
    require_bounded(recording)
    _require_hosts(recording)
    names = {host.name for host in recording.hosts}
    for text in (*(prompt.text for prompt in recording.workload.prompts), _found(recording)):
        text.encode()
    for exchange in recording.exchanges:
        if exchange.host not in names:
            raise ValueError(f"an entry belongs to {quoted(exchange.host)}, which is none of the hosts")
        if exchange.prompt is not None and exchange.prompt >= len(recording.workload.prompts):
            raise ValueError(
                f"an entry answers prompt {exchange.prompt}, and there are {len(recording.workload.prompts)}"
            )


def _require_hosts(recording: Recording) -> None:
    """Hosts that can be told apart and spoken to, and repeated in a report; raises ``ValueError``."""
    names = [host.name for host in recording.hosts]
    if len({*names}) < len(names) or len({urlsplit(host.url).netloc for host in recording.hosts}) < len(names):
        raise ValueError("two hosts have the same name or the same address")
    for host in recording.hosts:
        if not 0 < (urlsplit(host.url).port or 80) < 65536 or not urlsplit(host.url).hostname:
            raise ValueError(f"{quoted(host.name)} has no usable URL")
        levels = [level.in_flight for level in host.levels]
        if len(set(levels)) < len(levels):
            raise ValueError(f"{quoted(host.name)} has two levels of the same concurrency")
        for text in (host.name, host.engine, host.engine_version, host.model, host.model_digest):
            (text or "").encode()  # a report repeats it
    best = recording.best_alone.host if recording.best_alone else None
    for what, named in (("baseline", recording.baseline), ("best alone", best)):
        if named is not None and named not in names:
            raise ValueError(f"its {what} is {quoted(named)}, which is none of the hosts")


def require_bounded(recording: Recording) -> None:
    """What a replay has to do is no more than a session can have recorded; raises ``ValueError``."""
    levels = max(len(host.levels) for host in recording.hosts)
    asked = recording.rounds * len(recording.workload.prompts)
    for number, most, what in (
        (len(recording.hosts), MOST_HOSTS, "hosts"),
        (levels, MOST_LEVELS, "levels of concurrency of one host"),
        (len(recording.runs), MOST_RUNS, "runs"),
        (recording.rounds, MOST_ROUNDS, "rounds"),
        (asked, MOST_ASKED, "prompts over all rounds"),
    ):
        if number > most:
            raise ValueError(f"it has {number:,} {what}, and {most:,} are the most that are replayed")


def to_har(recording: Recording) -> dict[str, Any]:
    """The recording as a HAR document."""
    urls = {host.name: host.url for host in recording.hosts}
    began = datetime.fromisoformat(recording.created)
    generation = recording.workload.generation
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "outpace", "version": outpace.__version__},
            "comment": recording.comment,
            "_outpace": {
                "schema_version": SCHEMA_VERSION,
                "created": recording.created,
                "redacted": recording.redacted,
                "baseline": recording.baseline,
                "best_alone": recording.best_alone and asdict(recording.best_alone),
                "workload": {"prompts": [prompt.text for prompt in recording.workload.prompts], **asdict(generation)},
                "hosts": [
                    {**asdict(host), "levels": [_told(level) for level in host.levels]} for host in recording.hosts
                ],
                "runs": [_run(run) for run in recording.runs],
                **({"arrivals": _arrivals(recording.arrivals)} if recording.arrivals else {}),
            },
            "entries": [_entry(exchange, urls[exchange.host], began) for exchange in recording.exchanges],
        }
    }


def _arrivals(arrivals: RecordedArrivals) -> dict[str, Any]:
    return {"asked": arrivals.asked, "due_ms": [_rounded(ms) for ms in arrivals.due_ms]}


def _run(run: RecordedRun) -> dict[str, Any]:
    told = {**asdict(replace(run, latencies=())), "hosts": list(run.hosts)}
    del told["latencies"]
    seen = [[_rounded(ms) if ms is not None else None for ms in _kept(each)] for each in run.latencies]
    return {**told, "latencies_ms": seen} if seen else told


def _kept(latency: Latency) -> tuple[float | None, ...]:
    return latency.due_ms, latency.ttft_ms, latency.e2e_ms


def _run_of(told: dict[str, Any]) -> RecordedRun:
    seen = tuple(Latency(due, ttft, None, e2e) for due, ttft, e2e in told.get("latencies_ms", ()))
    known = {name: value for name, value in told.items() if name != "latencies_ms"}
    return RecordedRun(**{**known, "round": int(told["round"]), "hosts": tuple(told["hosts"]), "latencies": seen})


def _told(level: Level) -> dict[str, Any]:
    return {"in_flight": level.in_flight, "tokens_per_s": level.tokens_per_s, "mean_ms": level.mean_ms}


def _entry(exchange: Exchange, url: str, began: datetime) -> dict[str, Any]:
    body = exchange.body
    content: dict[str, Any] = {"size": len(body), "mimeType": exchange.content_type}
    try:
        content["text"] = body.decode()
    except UnicodeDecodeError:
        content |= {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    first_ms = exchange.chunks[0][0] if exchange.chunks else exchange.wall_ms
    started = began + timedelta(milliseconds=exchange.started_ms)
    sent = {"postData": {"mimeType": "application/json", "text": exchange.sent}} if exchange.sent else {}
    return {
        "startedDateTime": started.isoformat(timespec="milliseconds"),
        "time": _rounded(exchange.wall_ms),
        "request": {
            "method": "POST" if exchange.sent else "GET",
            "url": urlsplit(url)._replace(path=exchange.path).geturl(),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [],
            "queryString": [],
            **sent,
            "headersSize": -1,
            "bodySize": len(exchange.sent.encode()),
        },
        "response": {
            "status": exchange.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": "content-type", "value": exchange.content_type}],
            "content": content,
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(body),
        },
        "cache": {},
        "timings": {"send": 0, "wait": _rounded(first_ms), "receive": _rounded(max(0.0, exchange.wall_ms - first_ms))},
        "_host": exchange.host,
        "_run": exchange.run,
        "_prompt": exchange.prompt,
        "_startedMs": _rounded(exchange.started_ms),
        "_chunks": [[_rounded(ms), len(piece)] for ms, piece in exchange.chunks],
        "_error": exchange.error,
    }


def _rounded(ms: float) -> float:
    return round(ms, 3)


def from_har(document: dict[str, Any]) -> Recording:
    """The recording that a valid document holds."""
    log = document["log"]
    ours = log["_outpace"]
    work = dict(ours["workload"])
    texts = work.pop("prompts")
    # A schema takes 4.0 for a whole number, and Python does not count with it.
    work |= {"max_tokens": int(work["max_tokens"]), "seed": int(work["seed"])}
    return Recording(
        ours["created"],
        tuple(
            RecordedHost(**{**host, "slots": int(host["slots"]), "levels": tuple(map(_level, host["levels"]))})
            for host in ours["hosts"]
        ),
        workload(texts, Generation(**work)),
        tuple(map(_run_of, ours["runs"])),
        tuple(exchange_of(entry) for entry in log["entries"]),
        ours["baseline"],
        log.get("comment", ""),
        ours["redacted"],
        _best_alone(ours.get("best_alone")),
        RecordedArrivals(ours["arrivals"]["asked"], tuple(ours["arrivals"]["due_ms"])) if "arrivals" in ours else None,
    )


def _found(recording: Recording) -> str:
    return recording.best_alone.found if recording.best_alone else ""


def _best_alone(told: dict[str, Any] | None) -> BestAlone | None:
    return None if told is None else BestAlone(**{**told, "in_flight": int(told["in_flight"])})


def _level(told: dict[str, Any]) -> Level:
    return Level(**{**told, "in_flight": int(told["in_flight"])})


def exchange_of(entry: dict[str, Any]) -> Exchange:
    """One entry as an exchange; also of a HAR that others made, if it has the underscored fields."""
    request, response = entry["request"], entry["response"]
    content = response["content"]
    text = content.get("text", "")
    body = base64.b64decode(text, validate=True) if content.get("encoding") == "base64" else text.encode()
    types = [header["value"] for header in response["headers"] if header["name"].lower() == "content-type"]
    return Exchange(
        entry["_host"],
        entry["_run"],
        None if entry["_prompt"] is None else int(entry["_prompt"]),
        urlsplit(request["url"]).path,
        request.get("postData", {}).get("text", ""),
        entry["_startedMs"],
        entry["time"],
        response["status"],
        types[0] if types else content.get("mimeType", ""),
        tuple(_pieces(body, entry["_chunks"])),
        entry.get("_error"),
    )


def _pieces(body: bytes, chunks: list[list[float]]) -> list[tuple[float, bytes]]:
    pieces, at = [], 0
    for index, (ms, size) in enumerate(chunks):
        # The sizes are those of the original; what a shortened text lacks or has over belongs to its last piece.
        end = len(body) if index == len(chunks) - 1 else at + int(size)
        pieces.append((ms, body[at:end]))
        at = end
    return pieces
