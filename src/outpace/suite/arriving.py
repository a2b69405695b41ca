"""What a command line asks for where requests arrive: ``--arrivals=poisson:30/min --for=2min --slo=ttft:p95<2s``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from outpace.ground.errors import UsageError
from outpace.judge.slo import parse_slo
from outpace.measure.load import BEST_ALONE, Load
from outpace.measure.worlds import Settings
from outpace.workload import arrivals
from outpace.workload.prompts import Workload

DEFAULT_STRATEGIES = ("pull",)
NEEDS_ARRIVALS = ("for", "requests", "slo", "queue")


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


def read(option: argparse.Namespace, settings: Settings) -> Load | None:
    """What is to arrive, None where nothing is; raises ``UsageError`` that says which option is wrong."""
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


def _number(name: str, text: str | None, least: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 7 and int(text) >= least):
        raise UsageError(f"{name}={text}: write a whole number that is {least} or more.")
    return int(text)
