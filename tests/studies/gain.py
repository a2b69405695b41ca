"""How near the set gain comes to a truth that is known: ``tox -e study -- gain.py [--rounds N] [--virtual]``.

Reference engines on this machine, over sockets and then in virtual time, where nothing but they takes any; what they
come to alone at their best, and together, is reckoned from their own model. It ends with status 1 where a set gain in
virtual time is further than a hundredth from the truth.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from outpace.ground.hosts import Host
from outpace.ground.records import Round, Run
from outpace.judge import capacity
from outpace.judge.capacity import Level
from outpace.judge.comparison import Comparison
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.sweep import sweep
from outpace.measure.worlds import Settings
from outpace.report.answer import answer
from outpace.report.story import read
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from reference.truth import Truth
from reference_engine import running
from reference_session import virtual_session
from true_makespan import Shares, dealt, makespan_ms

LENGTHS = (40, 28, 52, 36, 44, 20, 48, 32)
"""Tokens: answers of a third of a second, beside which the client's millisecond a request is little."""
TOKENS = dict(zip(DEFAULT_PROMPTS, LENGTHS, strict=True))
EVERYTHING = tuple(range(8))
LONGEST_FIRST = tuple(sorted(EVERYTHING, key=lambda prompt: -LENGTHS[prompt]))
WORK = workload(DEFAULT_PROMPTS, Generation(max_tokens=64))

BATCHING = Truth(1000 / 8, 5.0, 4, batching={4: 4.0}, tokens=TOKENS)
QUEUEING = replace(BATCHING, slots=1, batching={})
FAR = replace(QUEUEING, tokens_per_s=1000 / 14, delay_to_ms=7.5, delay_from_ms=7.5)
ALMOST_NOTHING, NOTHING = 30.0, 10_000.0
"""So many times as long a host takes that adds nothing, over sockets, where it has to be waited for, and in virtual
time."""


@dataclass(frozen=True)
class Known:
    """A set of which the truth is known, and a ``strategy`` of which it is known as well, by what it gives to whom.

    ``shares`` is None where that is decided while running: then each round is held against what its decisions come to.
    ``unswept`` is whether hosts are too slow for a sweep, and what concurrency does to them is taken as known.
    """

    name: str
    truths: Mapping[str, Truth]
    strategy: str
    shares: Callable[[Sequence[str]], Shares] | None
    unswept: bool = False

    def gain(self, ordered: Sequence[str], rounds: Sequence[Round]) -> float:
        """The true set gain of ``rounds``, over hosts in the order of their speed."""
        alone_ms = (
            makespan_ms(self.truths, {host: (order, in_flight)})
            for host in self.truths
            for in_flight in range(1, 9)
            for order in (EVERYTHING, LONGEST_FIRST)
        )
        shares = [self.shares(ordered)] if self.shares else [self._decided(each.run) for each in rounds]
        return min(alone_ms) / median(makespan_ms(self.truths, each) for each in shares)

    def _decided(self, run: Run) -> Shares:
        """What ``run`` has sent to whom, in its order, with as many in flight as the engine has slots."""
        sent = sorted(run.requests, key=lambda each: each.start_ms or 0.0)
        return {
            host: ([each.prompt for each in sent if each.host == host], truth.slots)
            for host, truth in self.truths.items()
        }


def sets(slower: float) -> list[Known]:
    """The sets; the host that adds nothing takes so many times as long as the other one."""
    nothing = replace(QUEUEING, tokens_per_s=QUEUEING.tokens_per_s / slower)
    near = replace(BATCHING, tokens_per_s=90.0)
    return [
        Known("a batches, b is far and slow", {"a": BATCHING, "b": FAR}, "earliest-finish", None),
        Known("the same", {"a": BATCHING, "b": FAR}, "all-parallel", lambda hosts: dealt(hosts, 4)),
        Known("two equal that queue", {"a": QUEUEING, "b": QUEUEING}, "serial-per-side", lambda hosts: dealt(hosts, 1)),
        Known("two equal that batch", {"a": BATCHING, "b": BATCHING}, "all-parallel", lambda hosts: dealt(hosts, 4)),
        Known(
            f"b adds nothing, {slower:,.0f} times as slow",
            {"a": BATCHING, "b": nothing},
            "earliest-finish",
            lambda _: {"a": (LONGEST_FIRST, 4)},
            unswept=True,
        ),
        Known("b slower alone, best at its best", {"a": QUEUEING, "b": near}, "all-parallel", lambda h: dealt(h, 4)),
    ]


@contextmanager
def live_session(truths: Mapping[str, Truth], **asked: Any) -> Iterator[Session]:
    """A session over engines in a process of their own, and sockets."""
    with running(*truths.values()) as urls:
        hosts = [Host(name, url) for name, url in zip(truths, urls, strict=True)]
        with Session(Settings(hosts=hosts, **asked)) as session:
            yield session


def measured(known: Known, session_over: Any, rounds: int) -> tuple[float, Comparison, str]:
    """The true set gain, what is measured of it, and the first sentence."""
    with tempfile.TemporaryDirectory() as folder:
        with session_over(known.truths, workload=WORK, timeout_s=1e7) as session:
            for host, truth in known.truths.items():
                if known.unswept:
                    gains = [float(min(2**at, truth.slots)) for at in range(4)]
                    levels = [
                        Level(2**at, gain * truth.tokens_per_s, 1.0, (gain,) * 3) for at, gain in enumerate(gains)
                    ]
                    session.knowledge.capacities[host] = capacity.classify(levels)
                else:
                    sweep(session, host)
            measurement = Measurement(session, known.strategy, report_dir=Path(folder))
            measurement.measure(rounds)
            found, true = measurement.comparison(), known.gain(session.ordered, measurement.rounds)
        return true, found, "".join(answer(read(Path(folder)))[0])


def table(title: str, known: Sequence[Known], session_over: Any, rounds: int) -> float:
    """Print a row a set; gives the worst that a set gain was off."""
    print(f"\n### {title}\n")  # noqa: T201
    print("| set | strategy | best alone | true set gain | measured | interval | error |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    said, worst = [], 0.0
    for each in known:
        true, found, sentence = measured(each, session_over, rounds)
        gain, alone = found.gain, found.best_alone
        assert gain is not None
        assert alone is not None
        worst = max(worst, abs(gain.median / true - 1))
        told = f"{true:.3f} | {gain.median:.3f} | {gain.low or 0:.3f} to {gain.high or 0:.3f}"
        best = f"{alone.host}, {alone.in_flight} in flight{alone.order}"
        print(f"| {each.name} | {each.strategy} | {best} | {told} | {gain.median / true - 1:+.1%} |", flush=True)  # noqa: T201
        said.append(f"{each.name}: {sentence}")
    print("", *said, sep="\n- ")  # noqa: T201
    return worst


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="How near the set gain comes to a truth that is known.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement (5)")
    parser.add_argument("--virtual", action="store_true", help="in virtual time alone")
    given = parser.parse_args()
    if not given.virtual:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # not on Windows
        worst = table("Over sockets", sets(ALMOST_NOTHING), live_session, given.rounds)
        print(f"\nOff by {worst:.1%} at most; {os.cpu_count()} processors, load {load:.1f} before.")  # noqa: T201
    worst = table("In virtual time", sets(NOTHING), virtual_session, given.rounds)
    print(f"\nOff by {worst:.2%} at most.")  # noqa: T201
    sys.exit(1 if worst > 0.01 else 0)


if __name__ == "__main__":
    main()
