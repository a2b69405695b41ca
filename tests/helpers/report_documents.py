"""Report documents made to measure, for what is told of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from outpace.judge import capacity
from outpace.report.answer import answer
from outpace.report.conditions import conditions
from outpace.report.story import tell

SHA = "ab" * 32


def request(
    prompt: int, host: str | None, start_ms: float | None, wall_ms: float | None, **more: Any
) -> dict[str, Any]:
    """A request record of which nothing is told but what is given."""
    untold = ("server_ms", "queue_ms", "load_ms", "first_token_ms", "prompt_tokens", "output_tokens", "error")
    return {
        "prompt": prompt,
        "host": host,
        "start_ms": start_ms,
        "wall_ms": wall_ms,
        **dict.fromkeys(untold),
        "attempts": 1,
        **more,
    }


def run(strategy: str, hosts: list[str], makespan_ms: float | None, requests: list[dict[str, Any]], **more: Any) -> Any:
    """A run without lower bound or failed attempts, unless they are given."""
    given = {"strategy": strategy, "hosts": hosts, "makespan_ms": makespan_ms, "requests": requests}
    return {**given, "lower_bound_ms": None, "failed_attempts": [], **more}


def report(
    ratios: list[float | None],
    strategy: str = "serial-per-side",
    *,
    names: tuple[str, ...] = ("near", "far"),
    prompts: int = 8,
    alone_ms: float = 800.0,
    bound: float | None = None,
    verdict: str = "pass",
    interval: tuple[float, float] | None = None,
    failed_attempts: list[dict[str, Any]] | None = None,
    best_alone: tuple[str, int, float] | None = None,
    gain_interval: tuple[float, float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A report of rounds with these ratios, in which prompts go to the hosts in turn, one at a time.

    ``best_alone`` is a host, how many it had in flight, and what it took for all prompts (ms); where that is the first
    host with one, the baseline is that run.
    """
    each_ms = alone_ms / prompts
    alone = [request(i, names[0], i * each_ms, each_ms, server_ms=each_ms - 4) for i in range(prompts)]
    rounds = []
    for ratio in ratios:
        span_ms = each_ms if ratio is None else alone_ms * ratio / -(-prompts // len(names))
        requests = [
            request(i, names[i % len(names)], i // len(names) * span_ms, span_ms, server_ms=span_ms - 4)
            for i in range(prompts)
        ]
        if ratio is None:
            requests[-1] = request(prompts - 1, names[-1], 0.0, 1.0, error="connect: refused", attempts=3)
        rounds.append(
            {
                "overhead_ratio": ratio,
                "set_gain": best_alone[2] / (alone_ms * ratio) if best_alone and ratio else None,
                "baseline": run("sequential", list(names[:1]), alone_ms, alone),
                "run": run(
                    strategy,
                    list(names),
                    alone_ms * (ratio or 1.0),
                    requests,
                    lower_bound_ms=None if bound is None else bound * alone_ms,
                    failed_attempts=failed_attempts or [],
                ),
                "alone": _run_alone(*best_alone, prompts) if best_alone and best_alone[:2] != (names[0], 1) else None,
            }
        )
    told = sorted(ratio for ratio in ratios if ratio is not None)
    median = told[len(told) // 2] if told else None
    low, high = interval or (None, None)
    figures = {"added_latency_ms": {"mean": 4.0, "min": 4.0, "max": 4.0}, "added_latency_source": "server time"}
    return {
        "schema_version": "1.1",
        "created": "2026-01-31T12:00:00+00:00",
        "outpace": "0.1.0",
        "source": "live",
        "machine": {"system": "Linux", "architecture": "x86_64", "cpus": 2, "python": "3.11.7"},
        "strategy": strategy,
        "hosts": [
            {
                "name": name,
                "url": f"http://10.0.0.{index}:11434",
                "engine": "ollama",
                "engine_version": "0.9.1",
                "model": "tiny",
                "model_digest": None,
            }
            for index, name in enumerate(names, start=1)
        ],
        "workload": {"prompts": prompts, "sha256": SHA, "max_tokens": 64, "temperature": 0.0, "seed": 7},
        "rounds": rounds,
        "summary": {
            "rounds": len(rounds),
            "overhead_ratio": {"median": median, "low": low, "high": high, "confidence": 0.95 if interval else None},
            "set_gain": _gain([each["set_gain"] for each in rounds], gain_interval),
            "best_alone": best_alone and {"host": best_alone[0], "in_flight": best_alone[1], "found": "as it was made"},
            "overhead_ratio_per_token": None,
            "speedup": 1 / median if median else None,
            "dispatch_efficiency": None if bound is None or not median else bound / median,
            "hosts": {name: {"requests": 4, **figures, "network_share": 0.04, "ms_per_token": 9.0} for name in names},
            "notes": [],
        },
        "gate": {"threshold": 2.0, "verdict": verdict, "reason": f"{strategy}: the reason.", "least_gain": None},
        **more,
    }


def _run_alone(host: str, in_flight: int, alone_ms: float, prompts: int) -> dict[str, Any]:
    """The whole workload on one host, so many at once."""
    wave_ms = alone_ms / -(-prompts // in_flight)
    return run("pull", [host], alone_ms, [request(i, host, i // in_flight * wave_ms, wave_ms) for i in range(prompts)])


def _gain(gains: list[float | None], interval: tuple[float, float] | None) -> dict[str, Any] | None:
    told = sorted(gain for gain in gains if gain is not None)
    low, high = interval or (None, None)
    confidence = 0.95 if interval else None
    return {"median": told[len(told) // 2], "low": low, "high": high, "confidence": confidence} if told else None


def attempt(host: str, error: str, prompt: int = 1) -> dict[str, Any]:
    """A failed attempt."""
    return {"prompt": prompt, "host": host, "start_ms": 1.0, "wall_ms": 2.0, "error": error}


def keep(folder: Path, *documents: dict[str, Any]) -> Path:
    """Put reports into a folder, as a session leaves them."""
    for document in documents:
        (folder / f"report-{document['strategy']}.json").write_text(json.dumps(document))
    return folder


def plain(words: tuple[str, ...]) -> str:
    """A sentence as one piece."""
    return "".join(words)


HOSTILE = (
    "<script>alert(1)</script>",
    "</title></svg></style><img src=http://192.0.2.1/x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' style='position:fixed'",
    "<!-- ]]> -->",
    "&lt;b&gt; &amp;",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{0}$ ^_",
    'style="fill: #010203" url(#x)',
    "\x1b[31mred\x1b]8;;http://192.0.2.1\x07link\x1b\\",
    "a\r\nb\tc\x00\x7f\x9b",
    "\u202egnp.exe\u2066\u200f\u061c\ufeff\u2028",
    "\ud800\ufffe",
    "שלום العالم",
    "| a | b |\n|---|---|",
    "[link](http://192.0.2.1) ![i](x) <http://192.0.2.1> www.example.org @someone #1 :tada:",
    "# head\n- list\n1. one\n> quote\n```\ncode\n***\n~~x~~ __y__ `z`",
    "```|``|`",
)


def said(*documents, capacities=None):
    return " ".join(plain(each) for each in answer(tell(documents, capacities)))


def holding(story, beginning):
    return next(each for each in conditions(story) if plain(each.text).startswith(beginning))


def levels(*throughputs):
    return [capacity.Level(n, value, 10.0) for n, value in throughputs]


def swept(*hosts):
    return capacity.to_document(
        "2026-01-31T12:00:00+00:00",
        "live",
        [capacity.HostCapacity(name, None, None, None, None, capacity.classify(found)) for name, found in hosts],
    )
