"""The published experiment as a recording: ``python -m outpace.recording.phase0 REPORT-B OUT``.

A host model is fitted to its figures, and what was not published is left out or follows from what was:

- Four requests a host were published with wall time, server time and tokens. The remote host's are stretched by 0.7 %,
  so that they add up to the published 2,515 ms, which the coordinator's own 16 ms are a part of.
- The baseline, all eight on the local host, was published as 2,903 ms. What is left of that after the local host's
  own four belongs to the other four, in proportion to their tokens.
- All-parallel took 6.47 times the baseline. The throughput with four in flight, the same share of that with one on
  both hosts, is the one under which the slower host takes that long. Between one and four it is taken to fall evenly.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from outpace.ground.documents import read_json
from outpace.judge.capacity import Level
from outpace.recording import har
from outpace.recording.fitted_bursts import gain
from outpace.recording.fitted_pace import Pace
from outpace.recording.recording import Exchange, RecordedHost, RecordedRun, Recording, Scene
from outpace.workload.prompts import Generation, workload

ALL_PARALLEL_RATIO = 6.47
IN_FLIGHT = 4
MODEL = "llama3.2:1b"
CREATED = "2026-04-20T00:00:00+00:00"


def published(report: dict[str, Any]) -> Recording:
    """The recording that replays to the figures of the published serial-per-side ``report``."""
    (only,) = report["rounds"]
    rows = only["run"]["requests"]
    local = [row for row in rows if row["host"] == "local"]
    remote = [row for row in rows if row["host"] == "remote"]
    baseline_ms, makespan_ms = only["baseline"]["makespan_ms"], only["run"]["makespan_ms"]
    stretch = makespan_ms / sum(row["wall_ms"] for row in remote)
    # The strategy deals the prompts out in turn, the fastest host first.
    serial = [
        _exchange("serial-per-side#0", 2 * place + side, row, scale)
        for side, (share, scale) in enumerate(((local, 1.0), (remote, stretch)))
        for place, row in enumerate(share)
    ]
    left_ms = baseline_ms - sum(row["wall_ms"] for row in local)
    tokens = sum(row["output_tokens"] for row in remote)
    unpublished = [{**row, "host": "local", "wall_ms": left_ms * row["output_tokens"] / tokens} for row in remote]
    unpublished = [{**row, "server_ms": row["wall_ms"] - _overhead_ms(local)} for row in unpublished]
    sequential = [
        _exchange("sequential@local#0", prompt, row, 1.0)
        for pair, rows_of_pair in enumerate(zip(local, unpublished, strict=True))
        for prompt, row in enumerate(rows_of_pair, start=2 * pair)
    ]
    recording = Recording(
        CREATED,
        (_host("local", local, 1.0), _host("remote", remote, 1.0)),
        workload([f"{number}: not published" for number in range(1, 9)], Generation(max_tokens=64)),
        (
            RecordedRun("sequential@local#0", "sequential", None, 0, ("local",), baseline_ms),
            RecordedRun("serial-per-side#0", "serial-per-side", None, 0, ("local", "remote"), makespan_ms),
            RecordedRun(
                "all-parallel#0",
                "all-parallel",
                None,
                0,
                ("local", "remote"),
                round(ALL_PARALLEL_RATIO * baseline_ms, 3),
            ),
        ),
        tuple(_in_a_row(sequential) + _in_a_row(serial)),
        "local",
        "Fitted to published figures, not recorded: see outpace.recording.phase0. Texts were not published; the "
        "settings of the generation neither, those here are placeholders.",
    )
    pace, scene = Pace("remote", recording), Scene("all-parallel", "all-parallel", 0)
    works_ms = [
        pace.work_ms(each.prompt, scene) for each in serial if each.host == "remote" and each.prompt is not None
    ]
    thrashing = gain(works_ms, ALL_PARALLEL_RATIO * baseline_ms - _trip_ms(remote))
    return replace(recording, hosts=(_host("local", local, thrashing), _host("remote", remote, thrashing)))


def _overhead_ms(rows: list[dict[str, Any]]) -> float:
    return float(sum(row["wall_ms"] - row["server_ms"] for row in rows) / len(rows))


def _trip_ms(rows: list[dict[str, Any]]) -> float:
    """The round trip can be no more than the least time that a request took beyond its server time."""
    return float(min(row["wall_ms"] - row["server_ms"] for row in rows))


def _host(name: str, rows: list[dict[str, Any]], thrashing: float) -> RecordedHost:
    rate = sum(row["output_tokens"] for row in rows) / sum(row["wall_ms"] for row in rows) * 1000
    mean_ms = sum(row["wall_ms"] for row in rows) / len(rows)
    levels = (
        Level(1, round(rate, 3), round(mean_ms, 3)),
        Level(IN_FLIGHT, round(rate * thrashing, 3), round(mean_ms * IN_FLIGHT / thrashing, 3)),
    )
    url = f"http://{name}:11434"
    return RecordedHost(name, url, "ollama", None, "ollama", MODEL, None, round(_trip_ms(rows), 3), IN_FLIGHT, levels)


def _exchange(run: str, prompt: int, row: dict[str, Any], scale: float) -> Exchange:
    server_ns = round(row["server_ms"] * scale * 1e6)
    said = {"model": MODEL, "created_at": CREATED, "response": "", "done": True, "done_reason": "stop"}
    said |= {"total_duration": server_ns, "eval_duration": server_ns, "eval_count": row["output_tokens"]}
    wall_ms = round(row["wall_ms"] * scale, 3)
    body = json.dumps(said).encode() + b"\n"
    sent = json.dumps({"model": MODEL, "prompt": f"{prompt + 1}: not published", "stream": True})
    return Exchange(
        row["host"],
        run,
        prompt,
        "/api/generate",
        sent,
        0.0,
        wall_ms,
        200,
        "application/x-ndjson",
        ((wall_ms, body),),
    )


def _in_a_row(exchanges: list[Exchange]) -> list[Exchange]:
    """The exchanges one after another on each host."""
    clock: dict[str, float] = {}
    placed = []
    for each in sorted(exchanges, key=lambda each: each.prompt or 0):
        placed.append(replace(each, started_ms=round(clock.get(each.host, 0.0), 3)))
        clock[each.host] = clock.get(each.host, 0.0) + each.wall_ms
    return placed


def main() -> None:
    """Write the recording."""
    parser = argparse.ArgumentParser(prog="outpace.recording.phase0", description=__doc__)
    parser.add_argument("report", type=Path, help="the published serial-per-side report")
    parser.add_argument("recording", type=Path, help="the recording to write")
    options = parser.parse_args()
    har.write(options.recording, published(read_json(options.report, "report")))


if __name__ == "__main__":
    main()
