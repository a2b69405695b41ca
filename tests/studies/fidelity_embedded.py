"""How far our rules are from the routers over real engines: ``tox -e study -- fidelity_embedded.py [--rounds N]``.

The two embedded engines, one session: each round runs every router's rule, as ``--router``, and beside them our rule of
the same definition. The session is recorded, and our rule is simulated over the recording as well. The processor time
of the engines tells how a router shared the work out. Prints a table in Markdown; ``--only nginx,haproxy`` names the
routers.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import psutil

from accuracy import table
from fidelity import distance, installed, makespan_ms
from outpace.dispatch.strategies.rules import send_by
from outpace.engines import embedded
from outpace.ground.hosts import Host
from outpace.ground.records import Run
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Recording, Scene
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from proxies import NEEDS_OLLAMA, RULES, Rule, running

WORK = workload(DEFAULT_PROMPTS, Generation(max_tokens=16))


@dataclass(frozen=True)
class Took:
    """A run, and of its eight prompts how many went to the first engine, by the processor time of the two."""

    makespan_ms: float
    to_first: int


def rules_of(routers: Sequence[str]) -> Mapping[str, tuple[str, str, Rule]]:
    """By a name for this session, each router's rules; engines that are alike have no weights."""
    found = [
        (router, rule, asked)
        for router in routers
        for rule, asked in RULES[router].items()
        if not asked.weighted and not asked.weight
    ]
    return {f"router-{number}": each for number, each in enumerate(found)}


def rounds_of(
    session: Session, engines: Sequence[embedded.EmbeddedEngine], turns: Sequence[str], rounds: int
) -> Mapping[str, list[Took]]:
    """So many rounds of all ``turns``, every other one backwards."""
    processes, found = [psutil.Process(engine.pid) for engine in engines], defaultdict(list)

    def used_s() -> list[float]:
        return [times.user + times.system for times in (process.cpu_times() for process in processes)]

    for number in range(rounds):
        for name in turns if number % 2 == 0 else turns[::-1]:
            session.knock()
            before = used_s()
            run = session.run(Scene(name, name, number)).run
            first, second = (after - earlier for after, earlier in zip(used_s(), before, strict=True))
            found[name].append(Took(makespan_ms(run), round(len(WORK.prompts) * first / (first + second))))
    return found


def simulated(recording: Recording, ours: str, rounds: int) -> list[float]:
    """Makespans of the rule in replays of the rounds."""
    with Session(Settings(recording=recording, baseline=recording.baseline)) as session:
        return [makespan_ms(session.run(Scene(ours, ours, number)).run) for number in range(rounds)]


def shared_out(recording: Recording, ours: str, to_first: Sequence[int]) -> list[float]:
    """Makespans in replays of the rounds of ``ours`` where so many prompts go to the first engine."""

    def split(session: Session, number: int, count: int) -> Run:
        first, second = (host.name for host in recording.hosts)
        how = send_by(lambda _: lambda prompt: first if prompt.index < count else second)
        session.world.begin(Scene(ours, ours, number))
        return session.runs.execute(ours, how, session.hosts_of(ours)).run

    with Session(Settings(recording=recording, baseline=recording.baseline)) as session:
        return [makespan_ms(split(session, number, count)) for number, count in enumerate(to_first)]


def rows(routers: Sequence[str], rounds: int) -> Iterator[list[object]]:
    """A row a rule."""
    asked = rules_of(routers)
    with ExitStack() as stack:
        engines = stack.enter_context(embedded.running(2))
        urls = [engine.url for engine in engines]
        fronts = {
            name: Host(name, stack.enter_context(running(router, rule, urls, (1, 1))))
            for name, (router, rule, _) in asked.items()
        }
        record = Path(stack.enter_context(TemporaryDirectory())) / "recording.json"
        hosts = [Host(engine.name, engine.url) for engine in engines]
        by_ours: dict[str, list[str]] = defaultdict(list)
        for name, (_, _, rule) in asked.items():
            by_ours[rule.ours].append(name)
        turns = [name for ours, theirs in by_ours.items() for name in (ours, *theirs)]
        with Session(Settings(hosts=hosts, routers=tuple(fronts.values()), workload=WORK, record=record)) as session:
            found = rounds_of(session, engines, turns, rounds)
        recording = har.read(record)
    for name, (router, rule, our) in asked.items():
        their, beside = ([took.makespan_ms for took in found[each]] for each in (name, our.ours))
        if our.chance:
            replayed = shared_out(recording, our.ours, [took.to_first for took in found[name]])
            called = [f"{router}: {rule} (chance)", "as it chose", ""]
        else:
            replayed = simulated(recording, our.ours, rounds)
            called = [f"{router}: {rule}", f"`{our.ours}`", distance(their, beside)]
        shares = " ".join(str(took.to_first) for took in found[name])
        yield [*called[:2], f"{fmean(their):,.0f} ms", called[2], distance(their, replayed), shares]


def main() -> None:
    """Compare the rules of all routers that are installed."""
    parser = argparse.ArgumentParser(description="Our rules beside the routers that they stand for, on real engines.")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--only", default=",".join(RULES), help="routers (%(default)s)")
    options = parser.parse_args()
    routers = [router for router in installed(options.only) if router not in NEEDS_OLLAMA]
    head = ["router: its rule", "ours", "its makespan", "from ours beside it", "from the simulated one", "to the first"]
    table(f"Eight prompts at once, {options.rounds} rounds", head, rows(routers, options.rounds))


if __name__ == "__main__":
    main()
