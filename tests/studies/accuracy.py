"""How near outpace comes to a truth that is known: ``tox -e study -- accuracy.py [--rounds N]`` prints Markdown tables.

The hosts are reference engines on this machine, and all that outpace itself measures goes its usual way: a session,
rounds of a strategy, a sweep. It ends with status 1 where a host clear of the borders is taken for what it is not.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median

from outpace.dispatch.strategies.published import split_evenly
from outpace.ground.hosts import Host
from outpace.ground.records import Run
from outpace.judge.capacity import BATCHES_ABOVE, THRASHES_BELOW, TOLERANCE
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.sweep import sweep
from outpace.measure.worlds import Settings
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from reference_engine import Truth, running

ROUND_TRIPS_MS = (1.0, 5.0, 22.0, 60.0, 200.0)
SPEEDS = (400.0, 310.0, 250.0, 200.0, 170.0, 145.0, 125.0, 110.0)
DELAYS_MS = (0.0, 3.0, 4.0, 1.0, 7.0, 2.0, 5.0, 11.0)
"""Of the hosts of unequal speed, in each direction."""
SLOWER = 6.0
"""So much slower the same hosts are measured again: what the coordinator takes weighs less."""
LENGTHS = (20, 14, 26, 18, 22, 10, 24, 16)
GAINS = (0.3, 0.5, 0.65, 0.72, 0.76, 0.79, 0.81, 0.84, 0.9, 1.0, 1.1, 1.14, 1.19, 1.21, 1.26, 1.35, 1.6, 2.5)
GRID_SLOTS = 8
QUEUED = 4


@contextmanager
def open_session(truths: Mapping[str, Truth], texts: Sequence[str] = DEFAULT_PROMPTS) -> Iterator[Session]:
    """A session over engines that these are true of, by name."""
    with running(*truths.values()) as urls:
        hosts = [Host(name, url) for name, url in zip(truths, urls, strict=True)]
        with Session(Settings(hosts=hosts, workload=workload(texts, Generation(max_tokens=64)))) as session:
            yield session


def measured(session: Session, rounds: int, strategy: str = "serial-per-side") -> Measurement:
    """So many rounds of a strategy."""
    with tempfile.TemporaryDirectory() as folder:
        measurement = Measurement(session, strategy, report_dir=Path(folder))
        measurement.measure(rounds)
    return measurement


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    print(f"\n### {title}\n")  # noqa: T201
    for line in lines:
        print("| " + " | ".join(map(str, line)) + " |", flush=True)  # noqa: T201


def overheads_ms(runs: Iterable[Run], host: str) -> list[float]:
    """Added latency of each request that ``host`` answered, as the records tell it."""
    found = [request.overhead_ms for run in runs for request in run.requests if request.host == host]
    return [overhead for overhead in found if overhead is not None]


def added_latency(rounds: int) -> None:
    """Delays put between, and found again."""
    rows = []
    near = Truth(tokens_per_s=400.0, prompt_ms=5.0, tokens=10)
    for round_trip_ms in ROUND_TRIPS_MS:
        far = Truth(
            tokens_per_s=400.0,
            prompt_ms=5.0,
            tokens=10,
            delay_to_ms=round_trip_ms / 2,
            delay_from_ms=round_trip_ms / 2,
        )
        with open_session({"near": near, "far": far}) as session:
            runs = [each.run for each in measured(session, rounds).rounds]
        nothing_ms = fmean(overheads_ms(runs, "near"))
        found_ms = [overhead - nothing_ms for overhead in overheads_ms(runs, "far")]
        errors_ms = [found - round_trip_ms for found in found_ms]
        rows.append(
            (
                f"{round_trip_ms:g} ms",
                f"{fmean(found_ms):.2f} ms",
                f"{fmean(errors_ms):+.2f} ms",
                f"{median(errors_ms):+.2f} ms",
                f"{max(errors_ms, key=abs):+.2f} ms",
                f"{nothing_ms:.2f} ms",
                len(errors_ms),
            )
        )
    head = ("round trip put between", "added latency", "mean error", "median error", "worst of all requests")
    table("Added latency, less what a host without delay shows", (*head, "without delay", "requests"), rows)


def true_makespans_ms(truths: Mapping[str, Truth], session: Session) -> tuple[float, float, bool]:
    """What sequential on the fastest host, and serial-per-side, take where nothing but the hosts takes time.

    Also whether the session has found the order of the hosts' speed, which decides who gets which prompts.
    """
    prompts = session.settings.workload.prompts
    took_ms = {name: sum(truth.wall_ms(prompt.text) for prompt in prompts) for name, truth in truths.items()}
    ordered = sorted(truths, key=lambda name: took_ms[name])
    sides = split_evenly(prompts, ordered)
    together_ms = max(sum(truths[name].wall_ms(each.text) for each in share) for name, share in sides)
    return took_ms[ordered[0]], together_ms, tuple(ordered) == session.ordered


def overhead_ratio(rounds: int) -> None:
    """Serial-per-side over hosts of unequal speed against what it must be."""
    rows, paces = [], []
    texts = [f"{text} ({turn})" for turn in range(2) for text in DEFAULT_PROMPTS]
    tokens = {text: LENGTHS[index % len(LENGTHS)] for index, text in enumerate(texts)}
    for count, slower in itertools.product((2, 4, 8), (1.0, SLOWER)):
        known = zip(SPEEDS[:count], DELAYS_MS, strict=False)
        truths = {
            f"host-{index}": Truth(
                speed / slower, 5.0 * slower, delay_to_ms=delay_ms, delay_from_ms=delay_ms, tokens=tokens
            )
            for index, (speed, delay_ms) in enumerate(known, start=1)
        }
        with open_session(truths, texts) as session:
            measurement = measured(session, rounds)
            alone_ms, together_ms, in_order = true_makespans_ms(truths, session)
        true, found = together_ms / alone_ms, measurement.comparison()
        assert found.ratio is not None
        off = [each.run.makespan_ms - together_ms for each in measurement.rounds]
        rows.append(
            (
                count,
                f"{alone_ms / len(texts):.0f} ms",
                f"{true:.3f}",
                f"{found.ratio.median:.3f}",
                f"{found.ratio.median / true - 1:+.1%}",
                f"{max((ratio / true - 1 for ratio in found.ratios), key=abs):+.1%}",
                f"{median(off):+.1f} ms of {together_ms:.0f} ms",
                "right" if in_order else "wrong",
            )
        )
        for name, truth in truths.items():
            answered = [request for each in measurement.rounds for request in each.run.requests if request.host == name]
            works_ms = [truth.work_ms(session.settings.workload.prompts[each.prompt].text) for each in answered]
            is_ms = sum(works_ms) / sum(request.output_tokens or 0 for request in answered)
            paces.append((found.hosts[name].ms_per_token or 0.0) / is_ms - 1)
    head = (
        "hosts",
        "an answer takes",
        "true ratio",
        "measured",
        "error of the median",
        "worst round",
        "makespan too long by",
        "order found",
    )
    table("Overhead ratio of serial-per-side", head, rows)
    ms_per_token(rounds, paces)


def ms_per_token(rounds: int, paces: Sequence[float]) -> None:
    """Pace of a host, by what its engine tells and by the wall where it tells nothing."""
    rows = [(f"Ollama, the {len(paces)} hosts above", "", "", f"{max(paces, key=abs):+.4%}")]
    vllm = Truth(400.0, 5.0, tokens=20, engine="vllm", version="0.32.0", delay_to_ms=2.0, delay_from_ms=2.0)
    silent = Truth(400.0, 5.0, tokens=20, engine="vllm", version="0.32.0", metrics=False)
    truths = {"vLLM that tells its metrics": vllm, "vLLM that does not: by the wall": silent}
    with open_session({"told": vllm, "untold": silent}) as session:
        found = measured(session, rounds).comparison()
    for (name, truth), figures in zip(truths.items(), (found.hosts["told"], found.hosts["untold"]), strict=True):
        is_ms = truth.work_ms("") / 20
        rows.append(
            (
                name,
                f"{is_ms:.3f} ms",
                f"{figures.ms_per_token:.3f} ms",
                f"{(figures.ms_per_token or 0.0) / is_ms - 1:+.4%}",
            )
        )
    table("Milliseconds a token", ("engine", "true", "measured", "error (worst)"), rows)


def queue_wait(rounds: int) -> None:
    """Several at once at one slot: each waits for all before it, less the time by which it was sent later."""
    truth = Truth(tokens_per_s=400.0, prompt_ms=5.0, tokens=20)
    errors: dict[int, list[float]] = {turn: [] for turn in range(QUEUED)}
    with open_session({"one": truth}) as session:
        for turn in range(rounds * 2):
            run = session.load("one", QUEUED, first=turn)
            inside = sorted(run.requests, key=lambda request: request.queue_ms or 0.0)
            began_ms = inside[0].start_ms or 0.0
            for place, request in enumerate(inside):
                is_ms = place * truth.work_ms("") - ((request.start_ms or 0.0) - began_ms)
                errors[place].append((request.queue_ms or 0.0) - (is_ms if place else 0.0))
    rows = [
        (
            place + 1,
            f"{place * truth.work_ms(''):.0f} ms",
            f"{fmean(found):+.2f} ms",
            f"{max(found, key=abs):+.2f} ms",
            len(found),
        )
        for place, found in errors.items()
    ]
    head = ("place in the queue", "true wait", "mean error", "worst error", "requests")
    table(f"Queue wait, {QUEUED} at once at one slot", head, rows)


def kind_of(gain: float) -> str:
    """What a host is whose throughput has this gain with two or more in work."""
    return "batches" if gain > BATCHES_ABOVE else "thrashes" if gain < THRASHES_BELOW else "queues"


def classification() -> int:
    """A grid of engines, swept; gives how many that are clear of the borders were taken for what they are not."""
    base = Truth(tokens_per_s=400.0, prompt_ms=5.0, tokens=20)
    grid = {
        f"gain {gain:g}": (Truth(400.0, 5.0, GRID_SLOTS, tokens=20, batching={2: gain}), kind_of(gain), gain)
        for gain in GAINS
    }
    grid["one slot"] = (base, "queues", 1.0)
    rising = {2: 1.6, 4: 2.4, 8: 3.0}
    grid["rises to 3 at 8"] = (Truth(400.0, 5.0, 8, tokens=20, batching=rising), "batches", 3.0)
    falling = {2: 1.5, 4: 1.8, 8: 0.6}
    grid["1.8 at 4, 0.6 at 8"] = (Truth(400.0, 5.0, 8, tokens=20, batching=falling), "batches", 1.8)
    wrong, rows = 0, []
    with open_session({f"g{index}": truth for index, (truth, _, _) in enumerate(grid.values())}) as session:
        for index, (name, (_, kind, gain)) in enumerate(grid.items()):
            found = sweep(session, f"g{index}")
            near = any(border / TOLERANCE <= gain <= border * TOLERANCE for border in (THRASHES_BELOW, BATCHES_ABOVE))
            missed = found.kind != kind
            wrong += missed and not near
            verdict = "right" if not missed else "wrong, at the border" if near else "**wrong**"
            low = {level.in_flight: median(level.gains) for level in found.levels if level.gains}
            gains = ", ".join(f"{in_flight}: {each:.2f}" for in_flight, each in low.items())
            rows.append((name, kind, found.kind, verdict, "yes" if found.settled else "open", gains, found.limit))
    head = ("engine", "is", "taken for", "", "settled", "median gain by requests in flight", "limit")
    table("What concurrency does", head, rows)
    borders = f"{THRASHES_BELOW:g} and {BATCHES_ABOVE:g}"
    print(f"\nWrong and more than {TOLERANCE - 1:.0%} away from the borders, {borders}: {wrong} of {len(rows)}.")  # noqa: T201
    return wrong


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="How near outpace comes to a truth that is known.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement (5)")
    rounds = parser.parse_args().rounds
    began_s = time.monotonic()
    added_latency(rounds)
    overhead_ratio(rounds)
    queue_wait(rounds)
    wrong = classification()
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""  # not on Windows
    print(f"\n{time.monotonic() - began_s:.0f} s on {os.cpu_count()} cores{load}; {rounds} rounds.")  # noqa: T201
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
