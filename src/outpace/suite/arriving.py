"""What a command line asks for where requests arrive: ``--arrivals=poisson:30/min --for=2min --slo=ttft:p95<2s``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from typing import Any

from outpace.ground.errors import UsageError
from outpace.judge.slo import parse_slo
from outpace.measure.load import BEST_ALONE, Load
from outpace.measure.rate_search import RUNS, RUNS_ASKED, RateAsked
from outpace.measure.watch import LIMITS
from outpace.measure.worlds import Settings
from outpace.workload import arrivals
from outpace.workload.prompts import Workload

DEFAULT_STRATEGIES = ("pull",)
NEEDS_ARRIVALS = ("for", "requests", "slo", "queue")
NEEDS_SEARCH = ("within", "least_rate", "least_rate_gain")
MOST_REQUESTS = (200, 2000)
"""A run of a search has so many at most, unless that is asked for: live, and in a replay, where they take no time."""
WITHIN = (0.1, 0.02)
"""So near to the rate a search goes: live, and in a replay."""


def add_options(add: Callable[..., None]) -> None:
    """Declare the options, each by ``add``."""
    add(
        "--arrivals",
        metavar="HOW",
        help=f"Let requests arrive instead of being there at the start: {arrivals.FORMS}, or in a replay "
        f"{arrivals.RECORDED}, as in the recording. Latency counts from when each is due, "
        "bench/test_load.py measures it, and load-<strategy>.json tells it.",
    )
    add("--for", metavar="TIME", help="How long requests arrive, such as 30s or 2min.")
    add("--requests", metavar="N", help="How many arrive, where that is not said by --for.")
    add(
        "--slo",
        metavar="SLO",
        help="What latency is promised, such as ttft:p95<2s,e2e:p99<30s,tpot:p90<80ms: bench/test_load.py passes "
        "where the requests show that it is kept.",
    )
    add(
        "--queue",
        metavar="N",
        help="How many requests may wait for a host; whoever comes then is refused. Default: no bound.",
    )
    add(
        "--rate",
        metavar="find",
        help="find: search for the highest rate of --arrivals=poisson (or constant, gamma:cv=3, or trace:FILE, played "
        "faster and slower) that keeps --slo, of the set under each strategy and of the best host alone, and tell the "
        "gain: rate.json. --requests is then "
        f"what a run has at most (default: {MOST_REQUESTS[0]}, {MOST_REQUESTS[1]} in a replay), or as many as come "
        f"within {LIMITS} times what is promised.",
    )
    add(
        "--within",
        metavar="SHARE",
        help=f"Search on until rates are known so well, as 3%, in up to {RUNS_ASKED} runs' requests each. Default: "
        f"{WITHIN[0]:.0%}, {WITHIN[1]:.0%} in a replay, or as near as {RUNS} runs' requests come.".replace("%", "%%"),
    )
    add(
        "--least-rate",
        metavar="RATE",
        help="Ask that the set bear such a rate, as 30/min: passed, failed or inconclusive by its whole interval.",
    )
    add(
        "--least-rate-gain",
        metavar="GAIN",
        help="Ask that the set bear so many times the rate of the best host alone, as 1.2.",
    )


def read(option: argparse.Namespace, settings: Settings) -> Load | None:
    """What is to arrive, None where nothing is; raises ``UsageError`` that says which option is wrong."""
    if option.rate is not None:
        return None
    if given := [f"--{name.replace('_', '-')}" for name in NEEDS_SEARCH if getattr(option, name) is not None]:
        raise UsageError(f"{given[0]} is about the rate that --rate=find --slo=ttft:p95<2s finds; add these.")
    asked = {name: getattr(option, name) for name in NEEDS_ARRIVALS}
    if option.arrivals is None:
        given = [f"--{name}" for name, value in asked.items() if value is not None]
        if given:
            raise UsageError(f"{', '.join(given)}: no request arrives without --arrivals, such as poisson:30/min.")
        return None
    if option.arrivals == arrivals.RECORDED:
        return _as_recorded(asked, settings)
    work = arrivals.arriving(
        settings.workload,
        arrivals.parse(option.arrivals),
        seed=settings.workload.generation.seed,
        for_s=None if asked["for"] is None else arrivals.parse_period_s(asked["for"]),
        requests=_number("--requests", asked["requests"], 1),
        own_prompts=settings.recording is not None or settings.record is not None,
    )
    ends = [f"{name}={asked[name]}" for name in ("for", "requests") if asked[name] is not None]
    return _load(", ".join([option.arrivals, *ends]), work, asked)


def read_search(option: argparse.Namespace, settings: Settings) -> RateAsked | None:
    """What rate is to be searched for, None where none is; raises ``UsageError`` that says which option is wrong."""
    if option.rate is None:
        return None
    replayed = settings.recording is not None
    if option.rate != "find":
        raise UsageError(f"--rate={option.rate}: write find; a rate of your own is --arrivals=poisson:30/min.")
    if option.slo is None:
        raise UsageError("--rate=find looks for the highest rate that keeps a promise: say which by --slo=ttft:p95<2s.")
    if getattr(option, "for") is not None:
        raise UsageError("--for: a run of --rate=find ends when it has told; --requests=N is what it has at most.")
    asked, gain = option.arrivals or "poisson", option.least_rate_gain
    requests = _number("--requests", option.requests, 20) or MOST_REQUESTS[replayed]
    kind = arrivals.parse_kind(asked, requests)
    if gain is not None and not (re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", gain) and float(gain)):
        raise UsageError(f"--least-rate-gain={gain}: it must be a number above 0.")
    return RateAsked(
        kind,
        asked,
        parse_slo(option.slo),
        requests,
        WITHIN[replayed] if option.within is None else _share("--within", option.within),
        _number("--queue", option.queue, 0),
        None if option.least_rate is None else arrivals.parse_rate_per_s(option.least_rate, "--least-rate"),
        None if gain is None else float(gain),
        RUNS if option.within is None else RUNS_ASKED,
        own_prompts=replayed or settings.record is not None,
    )


def _as_recorded(asked: Mapping[str, Any], settings: Settings) -> Load:
    """The arrivals that the recording holds; raises ``UsageError`` where it holds none."""
    recorded = settings.recording and settings.recording.arrivals
    if not recorded:
        raise UsageError(
            "--arrivals=recorded plays the arrivals of a recording, and there are none: name a recording of outpace "
            "load --record=FILE by --hosts=replay:FILE, or say how requests arrive, such as poisson:30/min."
        )
    if given := [f"--{name}" for name in ("for", "requests") if asked[name] is not None]:
        raise UsageError(f"{given[0]}: recorded arrivals end when they ended.")
    return _load(f"as recorded: {recorded.asked}", arrivals.at_times(settings.workload, recorded.due_ms), asked)


def _load(said: str, work: Workload, asked: Mapping[str, Any]) -> Load:
    slo = () if asked["slo"] is None else parse_slo(asked["slo"])
    return Load(said, work, slo, _number("--queue", asked["queue"], 0))


def strategies_of(asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """What a load is measured under: the best single host first, then the strategies that were ``asked`` for."""
    return (BEST_ALONE, *(asked or DEFAULT_STRATEGIES))


def _share(name: str, text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,3})?)%", text)
    if found is None or not 0.1 <= float(found[1]) <= 50:
        raise UsageError(f"{name}={text}: write a share from 0.1% to 50%, such as 3%.")
    return float(found[1]) / 100


def _number(name: str, text: str | None, least: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 7 and int(text) >= least):
        raise UsageError(f"{name}={text}: write a whole number that is {least} or more.")
    return int(text)
