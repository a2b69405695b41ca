"""What must hold for going further, each read off the figures; and what no figure here says anything about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from outpace.dispatch import STRATEGIES
from outpace.ground.records import BASELINE
from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL
from outpace.report.capacity import up_to
from outpace.report.latency import HostTime, Latency
from outpace.report.story import Story
from outpace.report.strategies import Row, outpaces, spread
from outpace.report.words import Foreign, Words, counted, joined, limit, ms, ratio, share

NETWORK_LITTLE = 0.1
QUEUE_LITTLE = 0.2
EFFICIENT = 0.9
"""Borders of this page alone: beyond them a figure is worth a remedy."""


@dataclass(frozen=True)
class Condition:
    """What must hold for going further; ``holds`` is None where that is not known."""

    holds: bool | None
    text: Words


def conditions(story: Story) -> Iterator[Condition]:
    """What must hold before more is built on the answer, or more machines are added."""
    best = story.best
    if best is None:
        yield Condition(False, ("A strategy finishes its rounds. None did.",))
        return
    yield _gain(best)
    said = f": the ratio stays below {limit(best.threshold)}"
    said += f", and the set gain above {limit(best.least_gain)}" if best.least_gain else ""
    said += f". The ratio is {ratio(best.ratio.median if best.ratio else None)}."
    yield Condition({"pass": True, "fail": False}.get(best.verdict), ("The gate passes for ", best.strategy, said))
    yield _rounds(story, best)
    if latency := story.latency(best.strategy):
        yield _network(latency)
        yield _queue(latency)
    yield _efficiency(best)
    yield from _one_more(story, best)
    yield _work(best, story.prompts)
    yield from _capacity(story, best)
    yield _failures(story)


def _gain(best: Row) -> Condition:
    said = f" at its best: the set gain is above 1. It {'is ' if best.gain else 'was not measured.'}"
    holds = outpaces(best.comparison)
    if best.gain:
        said += f"{best.gain.median:.2f} under {best.strategy}"
        if len(best.comparison.gains) > 1:
            said += f", {spread(best.gain, best.gains).replace('none; ', '')}"
        said += (
            "." if holds else ": what is paid for is one machine's work. More hosts, or longer work, must come first."
        )
    return Condition(holds, ("The set outpaces ", best.reference, said))


def _rounds(story: Story, best: Row) -> Condition:
    rounds = sum(each is not None for each in best.ratios)
    sequential = next((row for row in story.rows if row.strategy == BASELINE and row.ranked), None)
    said = f"There are rounds enough to tell chance from effect: {ROUNDS_FOR_AN_INTERVAL} or more. There "
    said += f"{'is' if rounds == 1 else 'are'} {rounds}."
    seen = sequential.comparison.ratios if sequential else ()
    if seen and min(seen) < max(seen):
        low, high = min(seen), max(seen)
        said += f" The baseline against itself ranged from {low:.3f} to {high:.3f}: what is smaller than that is noise."
    return Condition(rounds >= ROUNDS_FOR_AN_INTERVAL, (said,))


def _network(latency: Latency) -> Condition:
    told = [host for host in latency.hosts if host.network_share is not None]
    if not told:
        return Condition(None, ("The network takes little of a request's time. The reports do not tell it.",))
    worst = max(told, key=lambda host: host.network_share or 0.0)
    taken = worst.network_share or 0.0
    said: list[str] = [f"The network takes less than {NETWORK_LITTLE:.0%} of a request's time. It takes ", share(taken)]
    said += [" on ", worst.host]
    if worst.added_ms is not None:
        said.append(f" ({ms(worst.added_ms)} a request)")
    if taken < NETWORK_LITTLE and worst.wall_ms:
        work_ms = worst.wall_ms * (1 - taken)
        room_ms = work_ms * NETWORK_LITTLE / (1 - NETWORK_LITTLE)
        said.append(f"; answers as long as these would bear {ms(room_ms)}")
    elif taken >= NETWORK_LITTLE:
        said.append("; a nearer host, or longer answers, must come before more machines")
    return Condition(taken < NETWORK_LITTLE, (*said, "."))


def _queue(latency: Latency) -> Condition:
    waits = [(host.parts["queue"].share or 0.0, host) for host in latency.hosts if "queue" in host.parts]
    if not waits:
        return Condition(None, ("Requests do not wait in the engines' queues. The engines do not tell it.",))
    worst, host = max(waits, key=lambda each: each[0])
    said = f"; send fewer at once to {'it' if len(waits) > 1 else 'the host'}" if worst >= QUEUE_LITTLE else ""
    wanted = f"Requests wait in an engine's queue for less than {QUEUE_LITTLE:.0%} of their time. On "
    return Condition(worst < QUEUE_LITTLE, (wanted, host.host, f" it is {share(worst)}{said}."))


def _efficiency(best: Row) -> Condition:
    found = best.comparison.dispatch_efficiency
    if found is None:
        return Condition(None, ("Dispatch is near to the physical limit. The lower bound is not known.",))
    said = f"Dispatch uses {EFFICIENT:.0%} or more of what the hosts could give. It uses {found:.0%}"
    if found >= EFFICIENT:
        said += ": little is left to gain by dispatch, only by more or faster hosts, or by shorter answers."
    else:
        said += f": a better split could save {1 - found:.0%} of the makespan at most, and costs no machine."
    return Condition(found >= EFFICIENT, (said,))


def _one_more(story: Story, best: Row) -> Iterator[Condition]:
    """What one more host such as the slowest would bring: by sweeps, or one at a time where that is as good as it gets.

    Requests of serial-per-side have a host to themselves, and tell how fast each is one at a time.
    """
    if best.best_alone and best.best_alone.in_flight > 1:
        how, at_best = "At their best", " at its best"
        swept = [(Foreign(each.name), each.capacity) for each in story.capacities]
        speeds = {name: found.levels[0].tokens_per_s * found.gain for name, found in swept}
    else:
        how, at_best = "With one request at a time each", " alone"
        alone = story.latency("serial-per-side")
        speeds = {each.host: 1 / each.ms_per_token for each in alone.hosts if each.ms_per_token} if alone else {}
    reference = speeds.get(best.reference)
    if len(speeds) < 2 or not reference:
        return
    slowest = min(speeds, key=lambda name: speeds[name])
    together = sum(speeds.values()) / reference
    further = together + speeds[slowest] / reference
    gain = (
        best.gain and f": a set gain of {best.gain.median:.2f} now, of {best.gain.median * further / together:.2f} then"
    )
    said = f"The workload is long enough to fill the hosts. {how}, they have {together:.2f} times the speed of "
    one_more = (f"{at_best}; one more such as ", slowest, f" would make it {further:.2f} times{gain or ''}.")
    yield Condition(None, (said, best.reference, *one_more))


def _work(best: Row, prompts: int) -> Condition:
    each = prompts / best.hosts if best.hosts else 0.0
    said = f"There is work for every host. {counted(prompts, 'prompt')} on {counted(best.hosts, 'host')} are "
    said += f"{each:.3g} each; from {counted(prompts + 1, 'host')} on one would have nothing to do."
    return Condition(each >= 2, (said,))


def _capacity(story: Story, best: Row) -> Iterator[Condition]:
    """Whether the best strategy had as many in flight on each host as it is good for."""
    timeline = next((each for each in story.timelines if each.strategy == best.strategy), None)
    had = {lane.host: len(lane.rows) for lane in timeline.run.lanes if lane.bars} if timeline else {}
    for host in story.capacities:
        found, name = host.capacity, Foreign(host.name)
        most = had.get(name)
        wanted = {
            "batches": f" batches, so it has {up_to(found.limit_low, found.limit_high)} in flight.",
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


def _failures(story: Story) -> Condition:
    harmful = [each for each in story.failures if not each.harmless]
    if not harmful:
        but = ", apart from what is harmless." if story.failures else "."
        return Condition(True, (f"No attempt fails. None did{but}",))
    hosts = dict.fromkeys(each.host for each in harmful)
    count = sum(each.count for each in harmful)
    return Condition(False, (f"No attempt fails. {count:,} did, on ", *joined(hosts), "; find out why first."))


def not_measured(story: Story) -> Iterator[Words]:
    """What the reports say nothing about, so that nobody reads it into them."""
    missing = [name for name in STRATEGIES if name not in {row.strategy for row in story.rows}]
    if missing:
        yield ("Strategies: ", *joined(missing), f" {'was' if len(missing) == 1 else 'were'} not measured.")
    if not story.capacities:
        yield ("Capacity: what concurrency does to each host was not swept (pytest bench/test_capacity.py).",)
    if not any(row.bound for row in story.rows):
        yield ("The physical limit: no lower bound of the makespan is told.",)
    yield from _untold(story)
    if any(document["source"] == "replay" for document in story.documents):
        yield ("The engines of today: a replay answers from a model of the hosts as they were recorded.",)
    yield (f"Other work: the figures hold for these {story.prompts:,} prompts, this model and these lengths.",)
    yield ("Whether it stays so: no host was watched for longer than the rounds took.",)
    yield ("What the answers are worth, what power they took, and what the machines cost.",)


def _untold(story: Story) -> Iterator[Words]:
    hosts: dict[Foreign, list[HostTime]] = {}
    for latency in story.latencies:
        for host in latency.hosts:
            hosts.setdefault(host.host, []).append(host)
    for name, head, what in (
        ("network", "Network", "wall - server time, nor a round trip"),
        ("queue", "Queue", "the wait in its queue, which is within the part that follows it"),
        ("load", "Model load", "the loading of its model"),
        ("prompt", "First token", "the first token, so that prompt and generation cannot be told apart"),
    ):
        silent = [host for host, told in hosts.items() if not any(name in each.parts for each in told)]
        if silent:
            yield (f"{head}: ", *joined(silent), f" did not tell {what}.")
