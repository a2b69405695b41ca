"""What must hold for going further, each read off the figures; and what no figure here says anything about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outpace.dispatch import STRATEGIES
from outpace.judge.capacity import HostCapacity
from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL
from outpace.report.answer import BASELINE
from outpace.report.shape import Condition, Failure, HostTime, Latency, Row, Timeline
from outpace.report.views import most_in_flight
from outpace.report.words import Foreign, Words, counted, joined, limit, ms, ratio, share

NETWORK_LITTLE = 0.1
QUEUE_LITTLE = 0.2
EFFICIENT = 0.9
"""Borders of this page alone: beyond them a figure is worth a remedy."""


def conditions(
    best: Row | None,
    rows: Sequence[Row],
    latencies: Sequence[Latency],
    capacities: Sequence[HostCapacity],
    failures: Sequence[Failure],
    timelines: Sequence[Timeline],
    prompts: int,
) -> tuple[Condition, ...]:
    """What must hold before more is built on the answer, or more machines are added."""
    if best is None:
        return (Condition(False, ("A strategy finishes its rounds. None did.",)),)
    latency = next((each for each in latencies if each.strategy == best.strategy), None)
    timeline = next((each for each in timelines if each.strategy == best.strategy), None)
    alone = next((each for each in latencies if each.strategy == "serial-per-side"), None)
    found: list[Condition] = [_gate(best), _rounds(best, rows)]
    if latency:
        found += [*_network(latency), *_queue(latency)]
    found.append(_efficiency(best))
    if alone:
        found += _speeds(alone, best.baseline_host)
    found += [_work(best, prompts), *_capacity(capacities, best, timeline), *_failures(failures)]
    return tuple(found)


def _gate(best: Row) -> Condition:
    said = f": the ratio stays below {limit(best.threshold)}. It is {ratio(best.median)}."
    return Condition({"pass": True, "fail": False}.get(best.verdict), ("The gate passes for ", best.strategy, said))


def _rounds(best: Row, rows: Sequence[Row]) -> Condition:
    rounds = sum(each is not None for each in best.ratios)
    sequential = next((row for row in rows if row.strategy == BASELINE and row.ranked), None)
    said = f"There are rounds enough to tell chance from effect: {ROUNDS_FOR_AN_INTERVAL} or more. There "
    said += f"{'is' if rounds == 1 else 'are'} {rounds}."
    if sequential and sequential.seen and sequential.seen[0] < sequential.seen[1]:
        low, high = sequential.seen
        said += f" The baseline against itself ranged from {low:.3f} to {high:.3f}: what is smaller than that is noise."
    return Condition(rounds >= ROUNDS_FOR_AN_INTERVAL, (said,))


def _network(latency: Latency) -> Iterator[Condition]:
    told = [host for host in latency.hosts if host.network_share is not None]
    if not told:
        yield Condition(None, ("The network takes little of a request's time. The reports do not tell it.",))
        return
    worst = max(told, key=lambda host: host.network_share or 0.0)
    taken = worst.network_share or 0.0
    said: list[str] = [f"The network takes less than {NETWORK_LITTLE:.0%} of a request's time. It takes ", share(taken)]
    said += [" on ", worst.host]
    if worst.added_ms:
        said.append(f" ({ms(worst.added_ms[0])} a request)")
    if taken < NETWORK_LITTLE and worst.wall_ms:
        work_ms = worst.wall_ms * (1 - taken)
        room_ms = work_ms * NETWORK_LITTLE / (1 - NETWORK_LITTLE)
        said.append(f"; answers as long as these would bear {ms(room_ms)}")
    elif taken >= NETWORK_LITTLE:
        said.append("; a nearer host, or longer answers, must come before more machines")
    yield Condition(taken < NETWORK_LITTLE, (*said, "."))


def _queue(latency: Latency) -> Iterator[Condition]:
    waits = [(host.part("queue").share or 0.0, host) for host in latency.hosts if host.part("queue").told]
    if not waits:
        yield Condition(None, ("Requests do not wait in the engines' queues. The engines do not tell it.",))
        return
    worst, host = max(waits, key=lambda each: each[0])
    said = f"; send fewer at once to {'it' if len(waits) > 1 else 'the host'}" if worst >= QUEUE_LITTLE else ""
    yield Condition(
        worst < QUEUE_LITTLE,
        (
            f"Requests wait in an engine's queue for less than {QUEUE_LITTLE:.0%} of their time. On ",
            host.host,
            f" it is {share(worst)}{said}.",
        ),
    )


def _efficiency(best: Row) -> Condition:
    if best.efficiency is None:
        return Condition(None, ("Dispatch is near to the physical limit. The lower bound is not known.",))
    said = f"Dispatch uses {EFFICIENT:.0%} or more of what the hosts could give. It uses {best.efficiency:.0%}"
    if best.efficiency >= EFFICIENT:
        said += ": little is left to gain by dispatch, only by more or faster hosts, or by shorter answers."
    else:
        said += f": a better split could save {1 - best.efficiency:.0%} of the makespan at most, and costs no machine."
    return Condition(best.efficiency >= EFFICIENT, (said,))


def _speeds(alone: Latency, baseline_host: str) -> Iterator[Condition]:
    """Of serial-per-side, whose requests have a host to themselves: how fast each host is tells what one more gives."""
    speeds = {host.host: 1 / host.ms_per_token for host in alone.hosts if host.ms_per_token}
    if len(speeds) < 2 or baseline_host not in speeds:
        return
    slowest = min(speeds, key=lambda name: speeds[name])
    together = sum(speeds.values()) / speeds[Foreign(baseline_host)]
    further = together + speeds[slowest] / speeds[Foreign(baseline_host)]
    yield Condition(
        None,
        (
            f"The workload is long enough to fill the hosts. With one request at a time each, they have {together:.2f} "
            "times the speed of ",
            baseline_host,
            " alone; one more such as ",
            slowest,
            f" would make it {further:.2f} times.",
        ),
    )


def _work(best: Row, prompts: int) -> Condition:
    each = prompts / best.hosts if best.hosts else 0.0
    said = f"There is work for every host. {counted(prompts, 'prompt')} on {counted(best.hosts, 'host')} are "
    said += f"{each:.3g} each; from {counted(prompts + 1, 'host')} on one would have nothing to do."
    return Condition(each >= 2, (said,))


def _capacity(capacities: Sequence[HostCapacity], best: Row, timeline: Timeline | None) -> Iterator[Condition]:
    """Whether the best strategy had as many in flight on each host as it is good for."""
    had = most_in_flight(timeline.run) if timeline else {}
    for host in capacities:
        found, most = host.capacity, had.get(host.name)
        name = Foreign(host.name)
        wanted = {
            "batches": f" batches, so it has {_range(found.limit_low, found.limit_high)} in flight.",
            "queues": f" queues, so it has no more than {found.limit} in flight: more would wait, and gain nothing.",
            "thrashes": f" thrashes, so it never has more than {found.limit} in flight.",
        }[found.kind]
        doubt = "" if found.settled else " Noise leaves the kind open: sweep it again."
        if most is None:
            yield Condition(None, (name, f"{wanted}{doubt}"))
            continue
        holds = found.limit_low <= most <= found.limit_high if found.kind == "batches" else most <= found.limit_high
        said = f"{wanted} Under ", best.strategy, f" it had {most} at most.{doubt}"
        yield Condition(holds if found.settled or holds else None, (name, *said))


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _failures(failures: Sequence[Failure]) -> Iterator[Condition]:
    harmful = [each for each in failures if not each.harmless]
    if not harmful:
        yield Condition(True, ("No attempt fails. None did" + (", apart from what is harmless." if failures else "."),))
        return
    hosts = dict.fromkeys(each.host for each in harmful)
    count = sum(each.count for each in harmful)
    yield Condition(False, (f"No attempt fails. {count:,} did, on ", *joined(hosts), "; find out why first."))


def not_measured(
    documents: Sequence[Mapping[str, Any]],
    rows: Sequence[Row],
    latencies: Sequence[Latency],
    capacities: Sequence[HostCapacity],
    prompts: int,
) -> tuple[Words, ...]:
    """What the reports say nothing about, so that nobody reads it into them."""
    said: list[Words] = []
    missing = [name for name in STRATEGIES if name not in {row.strategy for row in rows}]
    if missing:
        said.append(("Strategies: ", *joined(missing), f" {'was' if len(missing) == 1 else 'were'} not measured."))
    if not capacities:
        said.append(("Capacity: what concurrency does to each host was not swept (pytest bench/test_capacity.py).",))
    if not any(row.bound for row in rows):
        said.append(("The physical limit: no lower bound of the makespan is told.",))
    said += _untold(latencies)
    if any(document["source"] == "replay" for document in documents):
        said.append(("The engines of today: a replay answers from a model of the hosts as they were recorded.",))
    said.append((f"Other work: the figures hold for these {prompts:,} prompts, this model and these lengths.",))
    said.append(("Whether it stays so: no host was watched for longer than the rounds took.",))
    said.append(("What the answers are worth, what power they took, and what the machines cost.",))
    return tuple(said)


def _untold(latencies: Sequence[Latency]) -> Iterator[Words]:
    hosts: dict[str, list[HostTime]] = {}
    for latency in latencies:
        for host in latency.hosts:
            hosts.setdefault(host.host, []).append(host)
    for name, what in (
        ("network", "wall - server time, nor a round trip"),
        ("queue", "the wait in its queue, which is within the part that follows it"),
        ("load", "the loading of its model"),
        ("prompt", "the first token, so that prompt and generation cannot be told apart"),
    ):
        silent = [host for host, told in hosts.items() if not any(each.part(name).told for each in told)]
        if silent:
            yield (f"{PART_HEADS[name]}: ", *joined(map(Foreign, silent)), f" did not tell {what}.")


PART_HEADS = {"network": "Network", "queue": "Queue", "load": "Model load", "prompt": "First token"}
