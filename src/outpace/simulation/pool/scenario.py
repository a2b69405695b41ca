"""A scenario: who contributes, when they are there, what arrives, what is promised, and who decides by which rule."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from outpace.ground.errors import ArrivalsError, DocumentInvalid, UsageError, refused
from outpace.ground.schemas import validate
from outpace.judge.slo import Objective, parse_slo
from outpace.recording import har
from outpace.simulation.pool.draws import Draw, constant, draw_of
from outpace.simulation.pool.machine import Kind, like
from outpace.simulation.pool.presence import Churn, Day, Outages, Sessions, Trace
from outpace.workload import traces
from outpace.workload.arrivals import MOST_REQUESTS, Arrivals, parse, parse_period_s

Knows = Literal["measured", "claimed", "nothing"]
"""What the coordinator knows of machines: what a sweep would find, what their owners claim, or nothing at first."""
CLAIMS = Draw("lognormal", (1.5, 0.5))
"""How many times as fast as it is an owner claims his machine to be, unless a scenario says so."""


@dataclass(frozen=True)
class Group:
    """So many contributors of one kind, called by ``name`` and a number."""

    name: str
    count: int
    kind: Kind
    churn: Churn


@dataclass(frozen=True)
class Scenario:
    """What is simulated; ``told`` is the document that it was read from, ``name`` what its file is called.

    Requests come as ``arrivals`` say within ``for_s``, of lengths that are drawn; ``timeout_s`` is what one attempt
    may take, and so many as ``queue`` may wait. ``claims`` is how many times as fast as they are owners claim theirs
    to be. Several ``coordinators`` have a share of the contributors and of the requests each. Where the requests are
    ``traced`` ones, they come as those did, with their lengths.
    """

    name: str
    title: str
    rule: str
    knows: Knows
    claims: Draw
    timeout_s: float
    queue: int | None
    slo: tuple[Objective, ...]
    arrivals: Arrivals
    for_s: float
    prompt_tokens: Draw
    output_tokens: Draw
    groups: tuple[Group, ...]
    outages: Outages | None
    told: dict[str, Any]
    coordinators: int = 1
    traced: tuple[traces.TracedRequest, ...] = ()

    @property
    def hosts(self) -> int:
        """How many contribute."""
        return sum(group.count for group in self.groups)

    @property
    def away(self) -> float:
        """The share of their time in which they are away, without outages."""
        return sum(group.count * group.churn.away for group in self.groups) / self.hosts


def find(text: str, bench: Path) -> Scenario:
    """The scenario of a file, or the one of that name in the folder ``bench``, as is shipped; raises ``UsageError``."""
    path = Path(text)
    if not path.suffix and not path.exists():
        if text not in (names := shipped(bench)):
            raise UsageError(
                f"There is no scenario {text}; write the path of a TOML file, or one of {', '.join(names)}."
            )
        path = bench / "scenarios" / f"{text}.toml"
    return read(path, [bench / "recordings"])


def shipped(bench: Path) -> list[str]:
    """The names of the scenarios in the folder ``bench``."""
    return sorted(each.stem for each in (bench / "scenarios").glob("*.toml"))


def read(path: Path, recordings: Sequence[Path] = ()) -> Scenario:
    """Read a scenario; recordings that it names are looked for beside it, then in the folders ``recordings``.

    Raises ``DocumentInvalid`` or ``UsageError`` that say what is wrong and where.
    """
    where = f"The scenario {path}"
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refused(f"{where} is not TOML: {error}.") from error
    validate(told, "scenario", where)
    return _scenario(path.stem, told, where, [path.parent, *recordings])


def _scenario(name: str, told: dict[str, Any], where: str, folders: Sequence[Path]) -> Scenario:
    coming, lengths = told["arrivals"], told.get("lengths")
    arrivals = _at(f"{where}: arrivals.requests", parse, coming["requests"])
    traced = () if arrivals.trace is None else _traced(folders[0] / arrivals.trace, f"{where}: arrivals.requests")
    if bool(traced) == (lengths is not None):
        raise UsageError(f"{where}: lengths: write how long requests are, or let a trace tell it, and not both.")
    begins_h = float(told.get("begins_h", 12.0))
    names = [each["name"] for each in told["hosts"]]
    if len(set(names)) < len(names):
        raise UsageError(f"{where}: hosts: two groups have one name; give each its own.")
    groups = [
        Group(
            each["name"],
            each["count"],
            _kind(each, f"{where}: hosts {each['name']}", folders),
            _churn(each.get("churn", {}), begins_h, f"{where}: hosts {each['name']}: churn"),
        )
        for each in told["hosts"]
    ]
    together = told.get("together")
    return Scenario(
        name=name,
        title=told["title"],
        rule=told["rule"],
        knows=told.get("knows", "measured"),
        claims=draw_of(told["claims"]) if "claims" in told else CLAIMS,
        timeout_s=float(told.get("timeout_s", 120.0)),
        queue=told.get("queue"),
        slo=_at(f"{where}: slo", parse_slo, told["slo"]),
        arrivals=arrivals,
        for_s=_at(f"{where}: arrivals.for", parse_period_s, coming["for"]),
        prompt_tokens=draw_of(lengths["prompt_tokens"]) if lengths else _of(traced, "prompt_tokens"),
        output_tokens=draw_of(lengths["output_tokens"]) if lengths else _of(traced, "output_tokens"),
        groups=tuple(groups),
        outages=Outages(**{key: float(value) for key, value in together.items()}) if together else None,
        told=told,
        coordinators=told.get("coordinators", 1),
        traced=traced,
    )


def _traced(path: Path, where: str) -> tuple[traces.TracedRequest, ...]:
    """All of a trace, so that whoever plays it needs no file."""
    try:
        found = tuple(islice(traces.read(path), MOST_REQUESTS))
    except ArrivalsError as error:
        raise UsageError(f"{where}: {error}") from error
    if not found:
        raise UsageError(f"{where}: the trace {path} has no request.")
    return found


def _of(traced: Sequence[traces.TracedRequest], name: str) -> Draw:
    tokens = [float(getattr(each, name)) for each in traced]
    return Draw("empirical", tuple(tokens), most=max(tokens))


def _at(where: str, how: Any, text: str) -> Any:
    """What ``how`` reads out of ``text``; what is wrong with it is told with where it stands, not with an option."""
    try:
        return how(text)
    except (ArrivalsError, UsageError) as error:
        raise UsageError(f"{where}: {str(error).partition(': ')[2] or error}") from error


def _kind(told: dict[str, Any], where: str, folders: Sequence[Path]) -> Kind:
    kind = _like(told["like"], where, folders) if "like" in told else None
    given: dict[str, Any] = {
        name: draw_of(told[name])
        for name in ("tokens_per_s", "prompt_tokens_per_s", "round_trip_ms", "speed")
        if name in told
    }
    if "slots" in told:
        given["slots"] = told["slots"]
    if "throughput" in told:
        given["throughput"] = _throughput(told["throughput"], where)
    if kind is not None:
        return replace(kind, **given)
    return Kind(**{"prompt_tokens_per_s": None, "round_trip_ms": constant(20.0), **given})


def _throughput(told: dict[str, float], where: str) -> tuple[tuple[int, float], ...]:
    points = sorted((int(in_flight), float(gain)) for in_flight, gain in told.items())
    if points[0] != (1, 1.0):
        raise UsageError(f"{where}: throughput: it is told against that of one request; begin with 1 = 1.0.")
    return tuple(points)


def _like(text: str, where: str, folders: Sequence[Path]) -> Kind:
    name, _, host = text.rpartition(":")
    tried = [folder / f"{name}{ending}" for folder in folders for ending in ("", ".json")]
    path = next((each for each in tried if each.is_file()), None)
    if path is None:
        raise UsageError(f"{where}: like: there is no recording {name}; tried {', '.join(map(str, tried))}.")
    try:
        return like(har.read(path), host)
    except DocumentInvalid:
        raise
    except UsageError as error:
        raise UsageError(f"{where}: like: the recording {path}: {error}") from error


def _churn(told: dict[str, Any], begins_h: float, where: str) -> Churn:
    sessions: Sessions | Trace | None = None
    if "on_s" in told:
        sessions = Sessions(draw_of(told["on_s"]), draw_of(told["off_s"]))
    elif "trace" in told:
        sessions = Trace(tuple((float(on), float(off)) for on, off in told["trace"]), float(told["every_s"]))
        ends = [0.0, *(at_s for span in sessions.on for at_s in span), sessions.every_s]
        if ends != sorted(ends) or any(on == off for on, off in sessions.on):
            raise UsageError(f"{where}: trace: write spans of time, each after the one before, within every_s.")
    day = None
    if "day" in told:
        from_h, until_h = map(float, told["day"]["hours"])
        day = Day(from_h, until_h, tuple(map(float, told["day"]["zones"])), begins_h)
        if (day.until_h - day.from_h) % 24 == 0:
            raise UsageError(f"{where}: day: from one hour to the same, nobody is ever there; leave it out for always.")
    leaving = told.get("leaving")
    if leaving is None:
        return Churn(sessions, day)
    if not sum(leaving.values()):
        raise UsageError(f"{where}: leaving: no way of leaving has a share; write, for example, cuts = 1.")
    return Churn(sessions, day, tuple((way, float(weight)) for way, weight in leaving.items()))
