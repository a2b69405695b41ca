"""Turn another recorder's HAR with per-piece timings into a recording: ``python -m outpace.recording.importer``.

It needs the fields ``_host``, ``_run``, ``_prompt``, ``_startedMs`` and ``_chunks`` on its entries, and tells the runs
apart by ``_run``: ``sequential@HOST#ROUND``, ``STRATEGY#ROUND``, and ``sweep@HOST*IN_FLIGHT`` for the capacity.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from outpace.ground.documents import read_plain
from outpace.ground.errors import LONGEST_REMARK, DocumentInvalid, OutpaceError, refused
from outpace.recording import fitted_levels, har
from outpace.recording.fitted_bursts import calibrated
from outpace.recording.recording import Exchange, RecordedHost, RecordedRun, Recording
from outpace.workload.prompts import Generation, workload

_RUN = re.compile(r"(?P<strategy>[a-z-]+)(?:@(?P<host>[^#*]+))?#(?P<round>[0-9]+)")
_SWEEP = re.compile(r"sweep@(?P<host>[^#*]+)\*(?P<in_flight>[0-9]+)")


def import_har(document: dict[str, Any], baseline: str | None = None) -> Recording:
    """A foreign HAR as a recording; ``baseline`` names its fastest host, by default the first.

    Raises ``DocumentInvalid`` where it lacks what a replay needs.
    """
    try:
        return _imported(document, baseline)
    except (
        LookupError,
        StopIteration,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise refused(f"The HAR has an entry without what a replay needs: {repr(error)[:LONGEST_REMARK]}.") from error


def _imported(document: dict[str, Any], baseline: str | None) -> Recording:
    log = document["log"]
    exchanges = [har.exchange_of(entry) for entry in log["entries"]]
    by_run: defaultdict[str, list[Exchange]] = defaultdict(list)
    for each in exchanges:
        by_run[each.run].append(each)
    asked = {each.prompt: each.sent for each in exchanges if each.answered and _RUN.fullmatch(each.run)}
    if not asked or sorted(key for key in asked if key is not None) != list(range(len(asked))):
        raise DocumentInvalid("The HAR has no run whose prompts are numbered from 0 without a gap.")
    texts = [_text(asked[index]) for index in range(len(asked))]
    names = list(dict.fromkeys(each.host for each in exchanges if each.answered))
    runs = [run for name, each in by_run.items() if (run := _run(name, each, len(texts)))]
    kept = {run.name for run in runs}
    recording = Recording(
        log["entries"][0]["startedDateTime"],
        tuple(_host(name, exchanges, log["entries"]) for name in names),
        workload(texts, _generation(next(iter(asked.values())))),
        tuple(runs),
        tuple(each for each in exchanges if each.run in kept and each.prompt is not None),
        baseline or names[0],
        "; ".join(f"{key}: {value}" for key, value in log.get("_meta", {}).items()),
    )
    return calibrated(recording)


def _text(sent: str) -> str:
    asked = json.loads(sent)
    return str(asked["prompt"] if "prompt" in asked else asked["messages"][-1]["content"])


def _generation(sent: str) -> Generation:
    asked = json.loads(sent)
    options = asked.get("options", asked)
    limit = options.get("num_predict", options.get("max_tokens"))
    return Generation(int(limit), float(options["temperature"]), int(options["seed"]))


def _run(name: str, exchanges: Sequence[Exchange], prompts: int) -> RecordedRun | None:
    found = _RUN.fullmatch(name)
    if found is None:
        return None
    answered = [each for each in exchanges if each.answered]
    hosts = tuple(dict.fromkeys(each.host for each in exchanges))
    whole = len({each.prompt for each in answered}) == prompts
    began = min(each.started_ms for each in exchanges)
    ended = max(each.started_ms + each.wall_ms for each in exchanges)
    return RecordedRun(
        name, found["strategy"], None, int(found["round"]), hosts, round(ended - began, 3) if whole else None
    )


def _host(name: str, exchanges: Sequence[Exchange], entries: Sequence[dict[str, Any]]) -> RecordedHost:
    mine = [each for each in exchanges if each.host == name]
    answered = next(each for each in mine if each.answered)
    urls = [entry["request"]["url"] for entry in entries if entry["_host"] == name]
    sweeps: defaultdict[int, list[Exchange]] = defaultdict(list)
    for each in exchanges:
        # Where only one host was swept, the others are taken to be like it.
        if swept := _SWEEP.fullmatch(each.run):
            sweeps[int(swept["in_flight"])].append(each)
    trips = [each.wall_ms for each in mine if each.run == "rtt"]
    levels = [fitted_levels.level(in_flight, swept) for in_flight, swept in sorted(sweeps.items())]
    engine, version = _engine(mine)
    return RecordedHost(
        name,
        re.match(r"https?://[^/]+", urls[0])[0],  # type: ignore[index]
        engine,
        version,
        "ollama" if answered.path == "/api/generate" else "openai",
        json.loads(answered.sent)["model"],
        None,
        round(median(trips), 3) if trips else 0.0,
        max((fitted_levels.slots(swept) for swept in sweeps.values()), default=1),
        tuple(level for level in levels if level is not None),
    )


def _engine(mine: Sequence[Exchange]) -> tuple[str, str | None]:
    """Engine and version, as its own answers tell them."""
    said = {each.path: each.body for each in mine if each.prompt is None and each.status == 200}
    if "/api/version" in said:
        return "ollama", json.loads(said["/api/version"])["version"]
    if "/props" in said or any(b'"timings"' in each.body for each in mine):
        return "llama-server", None
    return "vllm", json.loads(said["/version"])["version"] if "/version" in said else None


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(prog="outpace.recording.importer", description=__doc__)
    parser.add_argument("har", type=Path, help="the HAR to read")
    parser.add_argument("recording", type=Path, help="the recording to write")
    parser.add_argument("--baseline", help="name of the fastest host (default: the first)")
    options = parser.parse_args()
    try:
        har.write(options.recording, import_har(read_plain(options.har, "HAR"), options.baseline))
    except OutpaceError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
