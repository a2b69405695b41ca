"""How it was measured: all that someone needs who doubts the answer or wants to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outpace.ground.records import BestAlone
from outpace.report.blocks import LONG, TEXT, Table
from outpace.report.words import NOT_TOLD, Foreign, Words, at_once, counted

SOURCES = {
    "live": "live: real engines, spoken to over the network",
    "embedded": "embedded: real engines, started on the coordinator's own machine for this session",
    "replay": "replay: a recording, played under a virtual clock; the same digits on every machine",
    "published": "published: transcribed from an experiment that others ran",
}


def hosts_table(documents: Sequence[Mapping[str, Any]]) -> Table:
    """Every host of the reports once, in their order, and what it runs."""
    keys = ("name", "engine", "engine_version", "model", "model_digest", "url")
    hosts = [host for document in documents for host in document["hosts"]]
    rows = dict.fromkeys(tuple(_told(host[key]) for key in keys) for host in hosts)
    heads = dict.fromkeys(("host", "engine", "version", "model"), TEXT)
    return Table("Hosts", {**heads, "digest": LONG, "URL": LONG}, list(rows))


def method(documents: Sequence[Mapping[str, Any]], newest: Mapping[str, Any]) -> Sequence[tuple[str, Words]]:
    """Pairs of a head and what there is to say, of the reports' common grounds; ``newest`` stands for them all."""
    work = newest["workload"]
    return (
        ("Source", (SOURCES[newest["source"]],)),
        ("Created", (Foreign(newest["created"]),)),
        ("Rounds", (_rounds(documents),)),
        ("Pairing", (_pairing(newest),)),
        ("Best alone", _best_alone(documents)),
        ("Workload", (counted(work["prompts"], "prompt"), ", SHA-256 ", _told(work["sha256"]))),
        ("Settings", (_settings(work),)),
        ("Coordinator", _machine(newest["machine"])),
        ("outpace", (_told(newest["outpace"]),)),
        ("Fairness", _fairness(documents)),
        ("Replay error", _replay_errors(documents)),
    )


def _told(value: Any) -> str:
    return NOT_TOLD if value is None else Foreign(value) if isinstance(value, str) else f"{value:g}"


def _rounds(documents: Sequence[Mapping[str, Any]]) -> str:
    rounds = sorted({each["summary"]["rounds"] for each in documents})
    spread = f"{rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else f"{rounds[0]}"
    return f"{spread} a strategy, of {counted(len(documents), 'strategy', 'strategies')}"


def _pairing(newest: Mapping[str, Any]) -> str:
    if newest["source"] == "published":
        return NOT_TOLD
    return (
        "each round is one run of the baseline, one of the strategy and, where that is another, one of the best alone, "
        "side by side in time, in an order that changes from round to round; each figure is the median of the rounds"
    )


def _best_alone(documents: Sequence[Mapping[str, Any]]) -> Words:
    """Which host it is, with how many requests at once, and how that was found out."""
    told = dict.fromkeys(BestAlone(**alone) for each in documents if (alone := each["summary"]["best_alone"]))
    if not told:
        return ("not measured",)
    said: list[str] = []
    for alone in told:
        said += ["; " if said else "", Foreign(alone.host), f", {at_once(alone.in_flight)}{alone.order}"]
        said += [": ", Foreign(alone.found)] if alone.found else []
    return tuple(filter(None, said))


def _settings(work: Mapping[str, Any]) -> str:
    longest = work["max_tokens"]
    most = f"at most {counted(longest, 'token')}" if longest is not None else f"length {NOT_TOLD}"
    return f"{most} an answer, temperature {_told(work['temperature'])}, seed {_told(work['seed'])}"


def _machine(machine: Mapping[str, Any] | None) -> Words:
    if machine is None:
        return (NOT_TOLD,)
    cpus = machine["cpus"]
    system = (_told(machine["system"]), " ", _told(machine["architecture"]))
    count = "CPUs not told" if cpus is None else counted(cpus, "CPU")
    step_ms = machine.get("clock_resolution_ms")
    clock = () if step_ms is None else (f", a clock with steps of {step_ms:g} ms",)
    return (*system, f", {count}, Python ", _told(machine["python"]), *clock)


def _fairness(documents: Sequence[Mapping[str, Any]]) -> Words:
    """Which conditions held under all strategies, which were broken under one, and which nothing tells."""
    states: dict[str, set[bool | None]] = {}
    for each in documents:
        for found in each.get("fairness", ()):
            states.setdefault(found["name"], set()).add(found["held"])
    if not states:
        return (NOT_TOLD,)
    broken = [name for name, held in states.items() if False in held]
    untold = [name for name, held in states.items() if False not in held and None in held]
    held = [name for name in states if name not in broken and name not in untold]
    parts = [("held", held), ("broken", broken), ("not told", untold)]
    return tuple(
        piece
        for index, (head, names) in enumerate((head, names) for head, names in parts if names)
        for piece in ("; " if index else "", f"{head}: ", Foreign(", ".join(names)))
    )


def _replay_errors(documents: Sequence[Mapping[str, Any]]) -> Words:
    """How far replayed makespans lie from recorded ones, a strategy each, as far as the recording holds its runs."""
    if not any(each["source"] == "replay" for each in documents):
        return ("none: this is no replay",)
    told: list[str] = []
    for each in documents:
        if error := each.get("replay_error"):
            told += ["; " if told else "", Foreign(each["strategy"])]
            told.append(f" {error['mean']:+.2%} (worst {error['worst']:+.2%}, of {counted(error['runs'], 'run')})")
    return tuple(told) or ("not known: the recording holds no run of these strategies",)
