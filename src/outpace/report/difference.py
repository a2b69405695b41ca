"""What changed between two reports of one strategy, in lines that a person can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outpace.ground.errors import shortened

LINES_SHOWN = 20
_FIELDS = (
    "host",
    "start_ms",
    "wall_ms",
    "server_ms",
    "queue_ms",
    "first_token_ms",
    "output_tokens",
    "attempts",
    "error",
)


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Every difference in what was measured, the most telling first; empty where nothing changed.

    The versions of outpace that wrote the reports are no difference.
    """
    found = list(_differences(old, new))
    if len(found) > LINES_SHOWN:
        found = [*found[:LINES_SHOWN], f"and {len(found) - LINES_SHOWN} more"]
    return found


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    yield from _changed("overhead ratio", old["summary"]["overhead_ratio"], new["summary"]["overhead_ratio"])
    yield from _changed("set gain", old["summary"]["set_gain"], new["summary"]["set_gain"])
    yield from _changed("best alone", old["summary"]["best_alone"], new["summary"]["best_alone"])
    yield from _changed("gate", old["gate"], new["gate"])
    yield from _changed("hosts", old["hosts"], new["hosts"])
    yield from _changed("workload", old["workload"], new["workload"])
    before, after = old["rounds"], new["rounds"]
    if len(before) != len(after):
        yield f"rounds: from {len(before)} to {len(after)}"
    for number, (was, now) in enumerate(zip(before, after, strict=False), start=1):
        for which in ("run", "baseline", "alone"):
            if was[which] is None or now[which] is None:
                yield from _changed(f"round {number}, {which}", *(each[which] and "a run" for each in (was, now)))
            else:
                yield from _run_differences(f"round {number}, {which}", was[which], now[which])
    yield from _changed("summary of the hosts", old["summary"]["hosts"], new["summary"]["hosts"])
    yield from _changed("notes", old["summary"].get("notes"), new["summary"].get("notes"))


def _run_differences(where: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for key in ("makespan_ms", "lower_bound_ms", "hosts"):
        yield from _changed(f"{where}: {key}", old[key], new[key])
    yield from _changed(f"{where}: order of starts", _order(old), _order(new))
    for was, now in zip(old["requests"], new["requests"], strict=False):
        for key in _FIELDS:
            yield from _changed(f"{where}, prompt {was['prompt']}: {key}", was.get(key), now.get(key))
    if len(old["requests"]) != len(new["requests"]):
        yield f"{where}: from {len(old['requests'])} to {len(new['requests'])} prompts"
    yield from _changed(f"{where}: failed attempts", old.get("failed_attempts"), new.get("failed_attempts"))


def _order(run: dict[str, Any]) -> list[int]:
    """The prompts in the order in which they were sent."""
    started = [request for request in run["requests"] if request["start_ms"] is not None]
    return [request["prompt"] for request in sorted(started, key=lambda each: (each["start_ms"], each["prompt"]))]


def _changed(what: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changed(f"{what}, {key}", old.get(key), new.get(key))
    elif old != new:
        yield f"{what}: from {_shown(old)} to {_shown(new)}"


def _shown(value: Any) -> str:
    return shortened("nothing" if value is None else str(value), 120)
