"""Arrivals: when each request of a workload is due; ``--arrivals=poisson:30/min --for=2min``.

Due times are drawn once, by a seed: every strategy, and the best machine alone, is asked the same at the same times.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, islice, takewhile
from pathlib import Path

from outpace.ground.errors import ArrivalsError, quoted
from outpace.workload import traces
from outpace.workload.lengths import text_of
from outpace.workload.prompts import Prompt, Workload

MOST_REQUESTS = 1_000_000
"""More would take gigabytes of prompts; nobody waits for them."""
FORMS = "constant:2/s, poisson:30/min, gamma:2/s,cv=3, or trace:FILE[,speed=2x]"
RECORDED = "recorded"
"""In a replay, as they were recorded."""
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_RATE = re.compile(rf"(?P<number>{_NUMBER})/(?P<unit>s|min|h)")
_PERIOD = re.compile(rf"(?P<number>{_NUMBER})(?P<unit>ms|s|min|h)")


@dataclass(frozen=True)
class Arrivals:
    """When requests come: at ``rate_per_s`` on average, with gaps of a ``kind``, or as in the ``trace`` of a file.

    Gaps are all alike ("constant"), exponential ("poisson"), or of a gamma distribution with the coefficient of
    variation ``cv`` ("gamma": 1 is as "poisson", more comes in bursts). A trace is played ``speed`` times as fast; its
    ``rate_per_s`` is its own, 0 where nobody has looked.
    """

    kind: str
    rate_per_s: float = 0.0
    cv: float = 1.0
    trace: Path | None = None
    speed: float = 1.0

    def at(self, rate_per_s: float) -> Arrivals:
        """The same at another rate; a trace whose own is known is played as much faster, or slower."""
        if self.trace is None:
            return replace(self, rate_per_s=rate_per_s)
        return replace(self, speed=rate_per_s / self.rate_per_s)

    def gaps_s(self, seed: int) -> Iterator[float]:
        """The seconds before each request, without an end; the first constant one is due at once."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        mean_s = 1 / self.rate_per_s
        if self.kind == "constant":
            yield 0.0
        shape = self.cv**-2
        while True:
            if self.kind == "constant":
                yield mean_s
            elif self.kind == "poisson":
                yield chance.expovariate(self.rate_per_s)
            else:
                yield chance.gammavariate(shape, mean_s / shape)


def parse(text: str) -> Arrivals:
    """Read ``--arrivals``; raises ``ArrivalsError`` that says what was wrong and what to write."""
    kind, _, rest = text.partition(":")
    if kind == "trace" and rest:
        path, comma, option = rest.rpartition(",speed=")
        speed = re.fullmatch(rf"({_NUMBER})x", option) if comma else None
        if comma and (speed is None or not float(speed[1])):
            raise ArrivalsError(f"--arrivals: {quoted(option)} is no speed; write a factor above 0, such as speed=2x.")
        return Arrivals(kind, trace=Path(path if comma else rest), speed=float(speed[1]) if speed else 1.0)
    rate, comma, option = rest.partition(",")
    found = _RATE.fullmatch(rate)
    if kind not in ("constant", "poisson", "gamma") or found is None or (comma and kind != "gamma"):
        raise ArrivalsError(f"--arrivals: cannot read {quoted(text)}. Write {FORMS}.")
    rate_per_s = float(found["number"]) / _SECONDS[found["unit"]]
    if not rate_per_s:
        raise ArrivalsError(f"--arrivals: at {rate} no request would ever come; write a rate above 0.")
    cv = re.fullmatch(rf"cv=({_NUMBER})", option)
    if kind == "gamma" and (cv is None or not 0.05 <= float(cv[1]) <= 20):
        raise ArrivalsError(
            f"--arrivals: {quoted(text)} needs the coefficient of variation of its gaps, from 0.05 to 20, such as "
            "gamma:2/s,cv=3: 1 is as poisson, more comes in bursts."
        )
    return Arrivals(kind, rate_per_s, float(cv[1]) if cv else 1.0)


def parse_kind(text: str, requests: int) -> Arrivals:
    """Read ``--arrivals`` without a rate, where that is searched for: constant, poisson, gamma:cv=3, or trace:FILE.

    A trace has the rate at which the first so many ``requests`` of it came. Raises ``ArrivalsError``.
    """
    kind, _, option = text.partition(":")
    if kind == "trace":
        found = parse(text)
        if found.trace is None or found.speed != 1:
            raise ArrivalsError(
                f"--arrivals: beside --rate=find, which looks for the speed, write trace:{found.trace}."
            )
        return replace(found, rate_per_s=_own_rate_per_s(found.trace, requests))
    if kind not in ("constant", "poisson", "gamma") or (option and kind != "gamma"):
        raise ArrivalsError(
            f"--arrivals: cannot read {quoted(text)} beside --rate=find, which looks for the rate: write constant, "
            "poisson, gamma:cv=3, or trace:FILE."
        )
    return parse(f"{kind}:1/s" + (f",{option}" if option else ""))


def _own_rate_per_s(trace: Path, requests: int) -> float:
    """At which rate the first so many requests of a trace came; raises ``ArrivalsError`` where all came at once."""
    due_ms = [each.due_ms for each in islice(traces.read(trace), requests)]
    if not due_ms or due_ms[-1] == due_ms[0]:
        raise ArrivalsError(f"--arrivals: the requests of {trace} all come at once, and no speed makes that a rate.")
    return (len(due_ms) - 1) / (due_ms[-1] - due_ms[0]) * 1000


def parse_rate_per_s(text: str, where: str) -> float:
    """Read a rate such as 30/min, in requests a second; ``where`` is the option. Raises ``ArrivalsError``."""
    found = _RATE.fullmatch(text)
    if found is None or not float(found["number"]):
        raise ArrivalsError(f"{where}: {quoted(text)} is no rate; write a number above 0 a s, min or h, as 30/min.")
    return float(found["number"]) / _SECONDS[found["unit"]]


def parse_period_s(text: str) -> float:
    """Read ``--for`` in seconds; raises ``ArrivalsError``."""
    found = _PERIOD.fullmatch(text)
    if found is None or not float(found["number"]):
        raise ArrivalsError(
            f"--for: {quoted(text)} is no time; write a number above 0 with its unit, such as 30s or 2min."
        )
    return float(found["number"]) * {"ms": 0.001, **_SECONDS}[found["unit"]]


def arriving(
    work: Workload,
    arrivals: Arrivals,
    *,
    seed: int,
    for_s: float | None = None,
    requests: int | None = None,
    own_prompts: bool = False,
) -> Workload:
    """``work`` as it arrives within ``for_s`` seconds, or until there are so many ``requests``: one of them is given.

    The prompts of ``work`` come in their order, again and again; those of a trace are made to its sizes, and a trace
    may be played to its end. With ``own_prompts`` a trace tells the times alone, as whoever answers knows no others.
    Raises ``ArrivalsError``.
    """
    if for_s is not None and requests is not None:
        raise ArrivalsError("--for and --requests both say when arrivals end; give one of them.")
    if arrivals.trace is not None and not own_prompts:
        prompts = _of_trace(traces.read(arrivals.trace), arrivals.speed, seed)
    elif arrivals.trace is not None:
        prompts = _again_and_again(work, (each.due_ms / arrivals.speed for each in traces.read(arrivals.trace)))
    elif for_s is None and requests is None:
        raise ArrivalsError(
            "--arrivals: say how long requests arrive, such as --for=2min, or how many: --requests=100."
        )
    else:
        prompts = _again_and_again(work, (due_s * 1000 for due_s in accumulate(arrivals.gaps_s(seed))))
    if for_s is not None:
        prompts = takewhile(lambda prompt: prompt.due_ms < for_s * 1000, prompts)
    found = tuple(islice(prompts, MOST_REQUESTS + 1 if requests is None else requests))
    if not found:
        raise ArrivalsError("--arrivals: no request is due in that time; ask for more of it with --for.")
    if len(found) > MOST_REQUESTS:
        raise ArrivalsError(
            f"--arrivals: more than {MOST_REQUESTS} requests would arrive; ask for fewer with --for or --requests."
        )
    return Workload(found, work.generation)


def at_times(work: Workload, due_ms: Iterable[float]) -> Workload:
    """The prompts of ``work`` in their order, again and again, one due at each of ``due_ms``."""
    return Workload(tuple(_again_and_again(work, due_ms)), work.generation)


def _again_and_again(work: Workload, due_ms: Iterable[float]) -> Iterator[Prompt]:
    for index, at_ms in enumerate(due_ms):
        yield replace(work.prompts[index % len(work.prompts)], index=index, due_ms=at_ms)


def _of_trace(requests: Iterable[traces.TracedRequest], speed: float, seed: int) -> Iterator[Prompt]:
    for index, each in enumerate(requests):
        text = text_of(each.prompt_tokens, f"{seed}/{index}")
        yield Prompt(index, text, each.due_ms / speed, each.output_tokens, each.prompt_tokens)
