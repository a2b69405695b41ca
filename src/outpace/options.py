"""The command line: outpace's options, and what they ask for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

from outpace import prompts
from outpace.dispatch import STRATEGIES, find_strategy
from outpace.engines import PROTOCOLS
from outpace.errors import UsageError
from outpace.gate import DEFAULT_THRESHOLD, NOT_ENFORCED
from outpace.hosts import ReplayHosts, parse
from outpace.replay import har
from outpace.replay.faults import KINDS, parse_all
from outpace.worlds import Settings

DEFAULT_ROUNDS = 5
DEFAULT_STRATEGIES = ("sequential", "serial-per-side", "all-parallel")


@dataclass(frozen=True)
class Request:
    """What the command line asks for; ``enforced`` are the strategies whose gate fails the session."""

    settings: Settings
    strategies: tuple[str, ...]
    rounds: int
    threshold: float
    enforced: frozenset[str]
    report_dir: Path
    keep_answers: bool
    recordings: tuple[Path, ...]


def add_options(parser: pytest.Parser) -> None:
    """Declare the options in a group of their own; raises ``pytest.UsageError`` where another plugin has taken one."""
    group = parser.getgroup("outpace", "outpace: do these machines outpace the fastest of them alone?")

    def add(name: str, **how: object) -> None:
        try:
            group.addoption(name, **how)
        except ValueError as error:
            raise pytest.UsageError(
                f"outpace's option {name} is taken by another pytest plugin ({error}). Switch that plugin off for "
                "this run (pytest -p no:PLUGIN; for pytest-timeout it is -p no:timeout)."
            ) from error

    generation = prompts.Generation()
    add(
        "--hosts",
        action="append",
        default=[],
        metavar="HOSTS",
        help="The machines: NAME=URL,NAME=URL,... (names optional; may be repeated), or embedded[:N][,rtt=22ms]"
        "[,slots=K] for N real engines that start on this machine, the others than the first behind a round trip of "
        "22 ms, each with K slots, or replay:FILE for a recording. Default: embedded. A bearer token is read from "
        "OUTPACE_TOKEN_<NAME>.",
    )
    add(
        "--strategies",
        default=",".join(DEFAULT_STRATEGIES),
        metavar="NAME,...",
        help=f"Dispatch strategies to measure, of {', '.join(STRATEGIES)}. Default: %(default)s.",
    )
    add(
        "--rounds",
        type=int,
        metavar="N",
        help="Rounds a strategy, each paired with a baseline run; from 5 on the ratio has an interval. "
        f"Default: {DEFAULT_ROUNDS}; in a replay as many as the recording holds.",
    )
    add("--model", metavar="NAME", help="The model, on all hosts. Default: the one that they have in common.")
    add(
        "--protocol",
        metavar="NAME",
        help=f"The hosts' protocol, {' or '.join(PROTOCOLS)}. Default: found from each engine's own answers.",
    )
    add(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="The prompts: UTF-8 text with one a line, or a .json list of strings. Default: eight short ones.",
    )
    add(
        "--max-tokens",
        type=int,
        metavar="N",
        help=f"Tokens an answer may have at most. Default: {generation.max_tokens}.",
    )
    add(
        "--temperature",
        type=float,
        metavar="T",
        help="Sampling temperature; above 0 answers differ in length, and ratios with them. "
        f"Default: {generation.temperature:g}.",
    )
    add("--seed", type=int, metavar="N", help=f"Sampling seed. Default: {generation.seed}.")
    add(
        "--threshold",
        type=float,
        default=DEFAULT_THRESHOLD,
        metavar="RATIO",
        help="The gate: the overhead ratio must be below it. Default: %(default)s.",
    )
    add(
        "--gate",
        metavar="NAME,...",
        help="Strategies whose gate must pass; those of the others is shown only. "
        f"Default: every one measured but {', '.join(sorted(NOT_ENFORCED))}.",
    )
    add("--baseline", metavar="HOST", help="Name of the host of the baseline. Default: the measured fastest.")
    add(
        "--report-dir",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="Where report-<strategy>.json is written, after every round. Default: %(default)s.",
    )
    add(
        "--timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="What one attempt at one prompt may take. A whole run may take that for each prompt, and twice for each "
        "host. "
        "Default: %(default)s.",
    )
    add(
        "--allow-public",
        action="store_true",
        help="Let prompts go to public addresses too. Without it only loopback, private, link-local, CGNAT and unique "
        "local addresses are spoken to.",
    )
    add(
        "--record",
        type=Path,
        metavar="FILE",
        help="Record the session of live or embedded hosts in FILE, to be replayed by --hosts=replay:FILE. Before the "
        "rounds each host's capacity is measured; no header is kept, so no token either.",
    )
    add(
        "--redact-text",
        action="store_true",
        help="Leave what was said out of the recording: lengths and timings stay, prompts and answers go.",
    )
    add(
        "--fault",
        action="append",
        default=[],
        metavar="HOST:KIND@START",
        help="Let a host fail in each of the strategy's runs, for example desktop:dies@2s or desktop:slow(10)@1s-5s; "
        f"may be repeated. The kinds are {', '.join(KINDS)}.",
    )
    add(
        "--recordings",
        type=Path,
        default=Path("bench/recordings"),
        metavar="DIR",
        help="Recordings that bench/test_regression.py replays and holds against the reports in DIR/<recording>/. "
        "Default: %(default)s.",
    )
    add("--accept", action="store_true", help="Keep the figures of those replays as the expected ones.")
    add(
        "--keep-answers",
        action="store_true",
        help="Keep each strategy's latest answers, concatenated in the order of the prompts, as "
        "answers-<strategy>.txt beside its report.",
    )


def read_options(config: pytest.Config) -> Request:
    """What the command line asks for; raises ``UsageError`` that says which option is wrong and how to write it."""
    option = config.option
    strategies = _names(option.strategies, "--strategies")
    for name in ("rounds", "max_tokens"):
        value = getattr(option, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')}={value}: it must be 1 or more.")
    for name in ("threshold", "timeout"):
        if not 0 < getattr(option, name) < float("inf"):
            raise UsageError(f"--{name}={getattr(option, name):g}: it must be a number above 0.")
    if option.temperature is not None and not 0 <= option.temperature < float("inf"):
        raise UsageError(f"--temperature={option.temperature:g}: it must be 0 or more.")
    settings = _settings(option)
    recorded_rounds = settings.recording.rounds if settings.recording else None
    return Request(
        settings,
        strategies,
        option.rounds or recorded_rounds or DEFAULT_ROUNDS,
        option.threshold,
        _enforced(option.gate, strategies),
        option.report_dir,
        option.keep_answers,
        _recordings(option.recordings, settings),
    )


def _settings(option: argparse.Namespace) -> Settings:
    hosts = parse(option.hosts)
    recording = har.read(hosts.path) if isinstance(hosts, ReplayHosts) else None
    fixed = ("prompts", "max_tokens", "temperature", "seed", "model", "protocol")
    given = [f"--{name.replace('_', '-')}" for name in fixed if getattr(option, name) is not None]
    if recording is not None and given:
        raise UsageError(f"A replay answers what was recorded: {', '.join(given)} cannot be changed in it.")
    asked = {
        name: value for name in ("max_tokens", "temperature", "seed") if (value := getattr(option, name)) is not None
    }
    if recording is not None and option.record is not None:
        raise UsageError("--record keeps live sessions: a replay has nothing new to record.")
    if option.redact_text and option.record is None:
        raise UsageError("--redact-text is about the recording of --record=FILE, which is not given.")
    texts = prompts.load(option.prompts) if option.prompts else prompts.DEFAULT_PROMPTS
    return Settings(
        hosts=hosts,
        recording=recording,
        workload=recording.workload if recording else prompts.workload(texts, prompts.Generation(**asked)),
        model=option.model,
        protocol=option.protocol,
        baseline=option.baseline or (recording.baseline if recording else None),
        timeout_s=option.timeout,
        allow_public=option.allow_public,
        record=option.record,
        redact_text=option.redact_text,
        faults=parse_all(option.fault),
    )


def _recordings(folder: Path, settings: Settings) -> tuple[Path, ...]:
    """The recordings that are held against the reports kept of them: the one that is replayed, or all in ``folder``.

    An empty folder stands for itself, so that a gate with nothing to replay fails instead of passing by default.
    """
    if isinstance(settings.hosts, ReplayHosts):
        return (settings.hosts.path,)
    return tuple(sorted(folder.glob("*.json"))) or (folder,)


def _enforced(gate: str | None, strategies: tuple[str, ...]) -> frozenset[str]:
    if gate is None:
        return frozenset(strategies) - NOT_ENFORCED
    enforced = frozenset(_names(gate, "--gate"))
    if unmeasured := sorted(enforced - set(strategies)):
        raise UsageError(
            f"--gate={gate}: {', '.join(unmeasured)} would not be measured; --strategies has {', '.join(strategies)}."
        )
    return enforced


def _names(text: str, where: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UsageError(f"{where} names no strategy; there are {', '.join(STRATEGIES)}.")
    for name in names:
        find_strategy(name)
    return names
