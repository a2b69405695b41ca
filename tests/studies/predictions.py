"""What ``outpace what-if`` foretells, held against what is then measured: ``tox -e study -- predictions.py``.

Two reference engines are recorded; each change is first foretold from that recording alone, then made, and measured
on engines that are so. ``--embedded`` does it with real engines: two are recorded, three are foretold and measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from accuracy import measured
from outpace.command import what_if
from outpace.ground.hosts import EmbeddedHosts, Host
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from reference_engine import Truth, running

TEXTS = [f"{text} ({turn})" for turn in range(2) for text in DEFAULT_PROMPTS]
TOKENS = {text: (20, 14, 26, 18, 22, 10, 24, 16)[index % 8] for index, text in enumerate(TEXTS)}
DESKTOP = Truth(tokens_per_s=150.0, prompt_ms=10.0, tokens=TOKENS)
LAPTOP = Truth(tokens_per_s=100.0, prompt_ms=15.0, tokens=TOKENS, delay_to_ms=11.0, delay_from_ms=11.0)
SERVER = replace(DESKTOP, slots=4, batching={2: 1.7, 4: 2.6})
STRATEGIES = ("serial-per-side", "pull", "earliest-finish")

CASES: dict[str, tuple[Sequence[str], dict[str, Truth]]] = {
    "one more laptop": (["add=laptop"], {"desktop": DESKTOP, "laptop": LAPTOP, "laptop-2": LAPTOP}),
    "three more desktops": (
        ["add=desktop*3"],
        {"desktop": DESKTOP, "laptop": LAPTOP, **{f"desktop-{number}": DESKTOP for number in (2, 3, 4)}},
    ),
    "the laptop gone": (["remove=laptop", "add=desktop"], {"desktop": DESKTOP, "desktop-2": DESKTOP}),
    "the laptop twice as fast": (
        ["speed=laptop:2x"],
        {"desktop": DESKTOP, "laptop": replace(LAPTOP, tokens_per_s=200.0, prompt_ms=7.5)},
    ),
    "a link of 2 ms": (
        ["rtt=laptop:2ms"],
        {"desktop": DESKTOP, "laptop": replace(LAPTOP, delay_to_ms=1.0, delay_from_ms=1.0)},
    ),
}
OF_A_SERVER: dict[str, tuple[Sequence[str], dict[str, Truth]]] = {
    "another server": (["add=server"], {"server": SERVER, "laptop": LAPTOP, "server-2": SERVER}),
    "two slots in place of four": (["slots=server:2"], {"server": replace(SERVER, slots=2), "laptop": LAPTOP}),
}


@contextmanager
def measuring(hosts: list[Host] | EmbeddedHosts, record: Path | None = None) -> Iterator[Session]:
    """A session over ``hosts``, recorded if asked for."""
    texts = DEFAULT_PROMPTS if isinstance(hosts, EmbeddedHosts) else TEXTS
    work = workload(texts, Generation(max_tokens=32))
    with Session(Settings(hosts=hosts, workload=work, record=record)) as session:
        yield session


def played(session: Session, strategies: Sequence[str], rounds: int) -> dict[str, what_if.Played]:
    """What each strategy came to over so many rounds."""
    return {strategy: what_if.Played.of(measured(session, rounds, strategy)) for strategy in strategies}


def recorded(hosts: list[Host] | EmbeddedHosts, strategies: Sequence[str], rounds: int) -> Recording:
    """A session of ``hosts``, measured under ``strategies``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.json"
        with measuring(hosts, file) as session:
            played(session, strategies, rounds)
        return har.read(file)


@contextmanager
def engines(truths: Mapping[str, Truth]) -> Iterator[list[Host]]:
    """Reference engines that these are true of."""
    with running(*truths.values()) as urls:
        yield [Host(name, url) for name, url in zip(truths, urls, strict=True)]


def rows_of(
    case: str, recording: Recording, changes: Sequence[str], found: Mapping[str, what_if.Played]
) -> Iterator[str]:
    """A line of the table for each strategy."""
    parsed = [what_if.parse_alteration(change) for change in changes]
    for outcome in what_if.what_if(recording, parsed, list(found)):
        is_ms, foretold_ms = found[outcome.strategy].makespan_ms, outcome.after.makespan_ms
        ratio, foretold = found[outcome.strategy].overhead_ratio, outcome.after.overhead_ratio
        error = f"{outcome.error:.1%}" if outcome.error is not None else "-"
        yield (
            f"| {case}: `{' '.join(changes)}` | {outcome.strategy} | {foretold_ms:.0f} ms | {is_ms:.0f} ms "
            f"| {foretold_ms / is_ms - 1:+.1%} | {foretold:.3f} | {ratio:.3f} | {error} |"
        )


HEAD = (
    "| change | strategy | foretold | measured | error | foretold ratio | measured ratio | shown by replays |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What what-if foretells, and what is then measured.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement (5)")
    parser.add_argument("--embedded", action="store_true", help="real engines in place of reference engines")
    asked = parser.parse_args()
    print(HEAD, flush=True)  # noqa: T201
    if asked.embedded:
        recording = recorded(EmbeddedHosts(2, rtt_ms=22.0), STRATEGIES, asked.rounds)
        with measuring(EmbeddedHosts(3, rtt_ms=22.0)) as session:
            found = played(session, STRATEGIES, asked.rounds)
        for row in rows_of("one more engine", recording, ["add=embedded-2"], found):
            print(row, flush=True)  # noqa: T201
    else:
        one_slot: dict[str, Truth] = {"desktop": DESKTOP, "laptop": LAPTOP}
        for before, strategies, cases in (
            (one_slot, STRATEGIES, CASES),
            ({"server": SERVER, "laptop": LAPTOP}, ("serial-per-side", "all-parallel"), OF_A_SERVER),
        ):
            with engines(before) as hosts:
                recording = recorded(hosts, strategies, asked.rounds)
            for case, (changes, truths) in cases.items():
                with engines(truths) as hosts, measuring(hosts) as session:
                    found = played(session, strategies, asked.rounds)
                for row in rows_of(case, recording, changes, found):
                    print(row, flush=True)  # noqa: T201
    print(f"\n{asked.rounds} rounds on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end.")  # noqa: T201


if __name__ == "__main__":
    main()
