"""Two sessions of one experiment side by side: what was the same, what was not, and why as far as the figures tell.

Hosts are paired by their part, since names and machines differ: the baseline's host with the baseline's host, the
others in the order in which the reports name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from outpace.report.blocks import NUMBER, TEXT, Block, Items, Paragraph, Table
from outpace.report.words import NOT_TOLD, Foreign, Words, ms, ratio, share, times

Report = Mapping[str, Any]

ALIKE = 0.1
"""Latencies that differ by no more are called the same."""
EVEN_SPLIT = "serial-per-side"
"""Its requests have a host to themselves, so that its figures tell the hosts apart from the queues."""


def blocks(before: Mapping[str, Report], after: Mapping[str, Report], kinds: Mapping[str, str]) -> list[Block]:
    """The strategies that both sessions have, by their reports; ``kinds`` is what concurrency does to hosts after."""
    both = [name for name in before if name in after]
    rows = [row for name in both for row in _rows(name, before[name], after[name])]
    table = Table("Side by side", {"": TEXT, "before": NUMBER, "after": NUMBER}, rows)
    same, other = _verdicts(both, before, after, kinds)
    found: list[Block] = [table]
    for head, items in (("The same:", same), ("Not the same:", other)):
        found += [Paragraph((head,)), Items(items or [("nothing.",)])]
    return found


def _rows(name: str, before: Report, after: Report) -> Iterator[Sequence[str | Words]]:
    both = (before, after)
    label = Foreign(name)
    yield ((label, ", overhead ratio"), *(_interval(each["summary"]["overhead_ratio"]) for each in both))
    yield ((label, ", set gain"), *(_interval(each["summary"]["set_gain"]) for each in both))
    yield ((label, ", gate"), *(f"{each['gate']['verdict']} (< {each['gate']['threshold']:g})" for each in both))
    for which, what in (("run", "the set"), ("baseline", "the baseline")):
        yield ((label, f", makespan of {what}"), *(ms(_makespan(each, which)) for each in both))
    if name == EVEN_SPLIT:
        for part, pair in _pairs(before, after):
            yield ((label, f", added latency of {part}"), *(_added(each) for each in pair))
            yield ((label, f", network share of {part}"), *(share(each.get("network_share")) for each in pair))
            yield ((label, f", a token on {part}"), *(ms(each.get("ms_per_token")) for each in pair))


def _interval(found: Mapping[str, float | None] | None) -> str:
    if found is None:
        return NOT_TOLD
    told = ratio(found["median"])
    return told if found["low"] is None else f"{told} ({found['low']:.3f} to {found['high']:.3f})"


def _makespan(report: Report, which: str) -> float | None:
    told = [each[which]["makespan_ms"] for each in report["rounds"] if each[which]["makespan_ms"] is not None]
    return median(told) if told else None


def _added(figures: Mapping[str, Any]) -> str:
    added = figures.get("added_latency_ms")
    return f"{ms(added['mean'])} ({added['min']:.0f} to {added['max']:.0f})" if added else NOT_TOLD


def _pairs(before: Report, after: Report) -> Iterator[tuple[str, tuple[Mapping[str, Any], Mapping[str, Any]]]]:
    """The hosts' figures by the part that they have: the baseline's host, then each other one."""
    ordered = []
    for report in (before, after):
        hosts = report["summary"]["hosts"]
        baseline = report["rounds"][0]["baseline"]["hosts"][0] if report["rounds"] else None
        ordered.append([hosts[name] for name in sorted(hosts, key=lambda name: name != baseline)])
    for place, pair in enumerate(zip(*ordered, strict=False)):
        yield "the baseline's host" if place == 0 else f"host {place + 1}", pair


def _verdicts(
    both: Sequence[str], before: Mapping[str, Report], after: Mapping[str, Report], kinds: Mapping[str, str]
) -> tuple[list[Words], list[Words]]:
    """What was the same and what was not, each with its reason where the figures give one."""
    same: list[Words] = []
    other: list[Words] = []
    for name in both:
        gates = [report[name]["gate"]["verdict"] for report in (before, after)]
        label = Foreign(name)
        if gates[0] == gates[1]:
            same.append((label, f"'s gate: {gates[1]}."))
        else:
            other.append((label, f"'s gate: {gates[0]} before, {gates[1]} after."))
        was, now = (_median(report[name]) for report in (before, after))
        if was is None or now is None:
            continue
        held = _within(was, after[name])
        said = f"'s overhead ratio: {ratio(was)} before, {ratio(now)} after"
        (same if held else other).append((label, f"{said}.", *([] if held else _why(name, before, after, kinds))))
    if EVEN_SPLIT in both:
        for part, pair in _pairs(before[EVEN_SPLIT], after[EVEN_SPLIT]):
            was, now = (_mean_added(each) for each in pair)
            if was is not None and now is not None:
                held = abs(now - was) <= ALIKE * was
                said = f"Added latency of {part}: {ms(was)} before, {ms(now)} after."
                (same if held else other).append((said, *(_why_longer(after[EVEN_SPLIT]) if now > was else ())))
    return same, other


def _median(report: Report) -> float | None:
    found: float | None = report["summary"]["overhead_ratio"]["median"]
    return found


def _mean_added(figures: Mapping[str, Any]) -> float | None:
    added = figures.get("added_latency_ms")
    return float(added["mean"]) if added else None


def _within(figure: float, report: Report) -> bool:
    """Whether the figure lies where the rounds of the report were, or their interval."""
    found = report["summary"]["overhead_ratio"]
    seen = [each["overhead_ratio"] for each in report["rounds"] if each["overhead_ratio"] is not None]
    low, high = (found["low"], found["high"]) if found["low"] is not None else (min(seen), max(seen))
    return bool(low <= figure <= high)


def _why(
    name: str, before: Mapping[str, Report], after: Mapping[str, Report], kinds: Mapping[str, str]
) -> Iterator[str]:
    if name == EVEN_SPLIT:
        was, now = (_slower(report[name]) for report in (before, after))
        if was is not None and now is not None:
            yield f" The slower host took {times(was)} as long a token as the faster, and takes {times(now)} as long "
            yield "now: an even split ends with the slower one."
    elif name == "all-parallel":
        yield " What requests at once do to a host decides it"
        for place, (host, kind) in enumerate(kinds.items()):
            yield ", " if place else ": now "
            yield Foreign(host)
            yield f" {kind}"
        yield "." if kinds else "; bench/test_capacity.py measures that."


def _slower(report: Report) -> float | None:
    told: list[float] = [each["ms_per_token"] for each in report["summary"]["hosts"].values() if each["ms_per_token"]]
    return max(told) / min(told) if len(told) > 1 else None


def _why_longer(after: Report) -> Iterator[str]:
    engines = {host["engine"] for host in after["hosts"]}
    if "llama-server" in engines:
        yield (
            " llama-server closes the connection after each streamed answer, so that a request to it pays two round "
            "trips, where an engine that keeps it pays one."
        )
