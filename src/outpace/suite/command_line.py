"""What a command line asks for, read and checked before anything starts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from outpace.dispatch import RULES, STRATEGIES, Limits, adopted
from outpace.engines import PROTOCOLS, embedded
from outpace.ground.errors import UsageError
from outpace.ground.hosts import EmbeddedHosts, Host, ReplayHosts, parse, parse_routers
from outpace.judge import capacity
from outpace.judge.capacity import Capacity
from outpace.judge.gate import NOT_ENFORCED
from outpace.measure.load import Load
from outpace.measure.rate_search import RateAsked
from outpace.measure.stopping import MOST_ROUNDS, WITHIN
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.simulation.altered_recording import altered_in_words, parse_alteration
from outpace.simulation.fault_schedule import parse_all
from outpace.suite import arriving
from outpace.workload import prompts

DEFAULT_ROUNDS = 5
DEFAULT_STRATEGIES = ("sequential", "serial-per-side", "all-parallel")
MOST_IN_FLIGHT = 1024


class Budget(NamedTuple):
    """How long a session may take, as it was written and in seconds."""

    text: str
    seconds: float


@dataclass(frozen=True)
class CommandLine:
    """What the command line asks for; ``enforced`` are the strategies whose gate fails the session.

    ``rounds`` are made of each strategy, or as many as fit into ``budget`` where there is one; fewer once the interval
    lies ``within`` that share of the ratio, if that is a number. ``replayed`` are those that recordings are replayed
    under, whatever is measured; ``pages`` is whether people get something to read beside the reports.
    """

    settings: Settings
    strategies: tuple[str, ...]
    rounds: int
    within: float | None
    budget: Budget | None
    threshold: float
    least_gain: float | None
    enforced: frozenset[str]
    report_dir: Path
    keep_answers: bool
    recordings: tuple[Path, ...]
    replayed: tuple[str, ...]
    pages: bool
    load: Load | None
    loaded: tuple[str, ...]
    """What ``load`` is measured under, where requests arrive."""
    rate: RateAsked | None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts."""
        hosts, recording = self.settings.hosts, self.settings.recording
        if isinstance(hosts, EmbeddedHosts):
            return embedded.names(hosts.count)
        named = recording.hosts if recording else hosts if isinstance(hosts, list) else ()
        return tuple(host.name for host in named)


def read_options(config: pytest.Config) -> CommandLine:
    """What the command line asks for; raises ``UsageError`` that says which option is wrong and how to write it."""
    option = config.option
    routers = parse_routers(option.router)
    _require_own_names(routers)
    names = [router.name for router in routers]
    measured = (
        strategies_named(option.strategies, "--strategies") if option.strategies is not None else DEFAULT_STRATEGIES
    )
    strategies = (*measured, *names)
    if option.max_tokens is not None and option.max_tokens < 1:
        raise UsageError(f"--max-tokens={option.max_tokens}: it must be 1 or more.")
    for name in ("threshold", "timeout", "least_gain"):
        value = getattr(option, name)
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"--{name.replace('_', '-')}={value:g}: it must be a number above 0.")
    if option.temperature is not None and not 0 <= option.temperature < float("inf"):
        raise UsageError(f"--temperature={option.temperature:g}: it must be 0 or more.")
    settings = _settings(option, routers)
    rounds, within = _rounds(option.rounds, settings)
    return CommandLine(
        settings,
        strategies,
        rounds,
        within,
        read_budget(option, settings),
        option.threshold,
        option.least_gain,
        _enforced(option.gate, strategies, names),
        option.report_dir,
        option.keep_answers,
        _recordings(option.recordings, settings),
        measured if option.strategies is not None else tuple(STRATEGIES),
        not option.no_pages,
        arriving.read(option, settings),
        arriving.strategies_of(measured if option.strategies is not None else None),
        arriving.read_search(option, settings),
    )


def _settings(option: argparse.Namespace, routers: tuple[Host, ...]) -> Settings:
    hosts = parse(option.hosts)
    recording, what_if = _recording(hosts) if isinstance(hosts, ReplayHosts) else (None, ())
    fixed = ("prompts", "max_tokens", "temperature", "seed", "model", "protocol")
    given = [f"--{name.replace('_', '-')}" for name in fixed if getattr(option, name) is not None]
    if recording is not None and given:
        raise UsageError(f"A replay answers what was recorded: {', '.join(given)} cannot be changed in it.")
    asked = {
        name: value for name in ("max_tokens", "temperature", "seed") if (value := getattr(option, name)) is not None
    }
    if recording is not None and option.record is not None:
        raise UsageError("--record keeps live sessions: a replay has nothing new to record.")
    if recording is not None and routers:
        raise UsageError("--router measures a router that runs: there is none in a recording.")
    if option.redact_text and option.record is None:
        raise UsageError("--redact-text is about the recording of --record=FILE, which is not given.")
    if option.record is not None and option.protocol not in (None, *PROTOCOLS):
        raise UsageError(f"--record keeps what is said in the protocols {' and '.join(PROTOCOLS)} alone.")
    texts = prompts.load(option.prompts) if option.prompts else prompts.DEFAULT_PROMPTS
    return Settings(
        hosts=hosts,
        recording=recording,
        what_if=what_if,
        workload=recording.workload if recording else prompts.workload(texts, prompts.Generation(**asked)),
        model=",".join(option.model) if option.model else None,
        protocol=option.protocol,
        baseline=option.baseline or (recording.baseline if recording else None),
        timeout_s=option.timeout,
        allow_public=option.allow_public,
        record=option.record,
        redact_text=option.redact_text,
        faults=parse_all(option.fault),
        limits=_limits(option.limits),
        capacities=_capacities(option.capacity) if option.capacity else {},
        know_lengths=not option.unknown_lengths,
        routers=routers,
    )


def _recording(hosts: ReplayHosts) -> tuple[Recording, tuple[str, ...]]:
    """The recording as it is to be replayed, and what is changed in it, in words."""
    recording, said = altered_in_words(har.read(hosts.path), [parse_alteration(text) for text in hosts.changes])
    return recording, tuple(said)


def _require_own_names(routers: Sequence[Host]) -> None:
    """A report is named after its strategy or router, so no two may have one name."""
    for index, router in enumerate(routers):
        if router.name in {**STRATEGIES, **RULES} or router.name in [other.name for other in routers[:index]]:
            raise UsageError(f"--router={router.name}=…: the name is taken already; give the router one of its own.")


def _rounds(text: str | None, settings: Settings) -> tuple[int, float | None]:
    """How many rounds at most, and within which share of the ratio its interval ends them, if it does."""
    recorded = settings.recording.rounds if settings.recording else None  # what is replayed twice tells nothing new
    if text is None:
        return recorded or DEFAULT_ROUNDS, None
    if text == "auto":
        return recorded or MOST_ROUNDS, WITHIN
    percent = text.removeprefix("auto:").removesuffix("%")
    if text == f"auto:{percent}%" and re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", percent) and float(percent):
        return recorded or MOST_ROUNDS, float(percent) / 100
    if not re.fullmatch(r"[0-9]{1,9}", text) or not int(text):
        raise UsageError(
            f"--rounds={text}: write a number that is 1 or more, or auto, or auto:2% for as many rounds as bring the "
            f"interval within 2 % of the ratio, {MOST_ROUNDS} at most."
        )
    return int(text), None


def read_budget(option: argparse.Namespace, settings: Settings) -> Budget | None:
    """The budget that is asked for, None where there is none; raises ``UsageError``."""
    text = option.budget
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(s|min|h)", text)
    if not found or not float(found[1]):
        raise UsageError(f"--budget={text}: write a time above 0 with its unit, such as 90s, 10min or 1.5h.")
    if option.rounds is not None:
        raise UsageError(f"--budget={text} says how many rounds to make, and so does --rounds: give one of them.")
    if settings.recording is not None:
        raise UsageError(f"--budget={text} is about hosts that take time: a replay takes next to none.")
    return Budget(text, float(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]])


def _limits(text: str) -> Limits:
    if text == "sweep":
        return "sweep"
    if text == "adaptive":
        return "adaptive"
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_IN_FLIGHT:
        raise UsageError(f"--limits={text}: write sweep, adaptive, or a number from 1 to {MOST_IN_FLIGHT}.")
    return int(text)


def _capacities(path: Path) -> dict[str, Capacity]:
    return {host.name: host.capacity for host in capacity.from_document(capacity.read(path))}


def _recordings(folder: Path, settings: Settings) -> tuple[Path, ...]:
    """The recordings that are held against the reports kept of them: the one that is replayed, or all in ``folder``.

    An empty folder stands for itself, so that a gate with nothing to replay fails instead of passing by default.
    """
    if isinstance(settings.hosts, ReplayHosts):
        return (settings.hosts.path,)
    return tuple(sorted(folder.glob("*.json"))) or (folder,)


def _enforced(gate: str | None, strategies: tuple[str, ...], routers: Sequence[str]) -> frozenset[str]:
    if gate is None:
        return frozenset(strategies) - NOT_ENFORCED
    enforced = frozenset(strategies_named(gate, "--gate", routers))
    if unmeasured := sorted(enforced - set(strategies)):
        raise UsageError(
            f"--gate={gate}: {', '.join(unmeasured)} would not be measured; --strategies has {', '.join(strategies)}."
        )
    return enforced


def strategies_named(text: str, where: str, routers: Sequence[str] = ()) -> tuple[str, ...]:
    """The strategies that ``text`` names, and the ``routers``; ``all`` and ``rules`` stand for many."""
    found: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if name == "all":
            found += STRATEGIES
        elif name == "rules":
            found += RULES
        elif name in routers:
            found.append(name)
        elif name:
            found.append(adopted(name, where))
    if not found:
        raise UsageError(f"{where} names no strategy; there are {', '.join(STRATEGIES)}, all, and rules.")
    return tuple(dict.fromkeys(found))
