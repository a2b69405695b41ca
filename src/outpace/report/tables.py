"""The tables of a report, in cells of words: the same for every markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outpace.judge.capacity import HostCapacity
from outpace.report.shape import PARTS, Failure, HostLine, Latency, Part, Row, Story, Unanswered
from outpace.report.words import NOT_TOLD, Foreign, Words, joined, limit, ms, ratio, share, times

MOST_UNANSWERED = 20


@dataclass(frozen=True)
class Column:
    """One column; numbers are set to the right."""

    head: str
    number: bool = False
    long: bool = False
    """Whether its cells hold sentences, which need a line of their own on a narrow screen."""


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell of a row is its head."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Words, ...], ...]


def strategies(rows: Sequence[Row]) -> Table:
    """A row a strategy, the fastest first."""
    columns = (
        Column("strategy"),
        Column("ratio", True),
        Column("interval"),
        Column("speedup", True),
        Column("efficiency", True),
        Column("best split", True),
        Column("rounds", True),
        Column("gate"),
    )
    return Table(
        "Strategies, the fastest first",
        columns,
        tuple(
            (
                (row.strategy,),
                (ratio(row.median),),
                (_interval(row),),
                (times(row.speedup),),
                (NOT_TOLD if row.efficiency is None else f"{row.efficiency:.2f}",),
                (times(1 / row.bound if row.bound else None),),
                (f"{row.rounds:,}",),
                (f"{row.verdict}" + ("" if row.ranked else ", not compared"),),
            )
            for row in rows
        ),
    )


def _interval(row: Row) -> str:
    if row.ratio is not None and row.ratio.low is not None and row.ratio.high is not None:
        return f"{row.ratio.low:.3f} to {row.ratio.high:.3f}"
    if row.seen is None or row.rounds < 2:
        return "none: one round" if row.rounds == 1 else "none"
    return f"none; rounds {row.seen[0]:.3f} to {row.seen[1]:.3f}"


def reasons(rows: Sequence[Row]) -> tuple[tuple[Foreign, tuple[Words, ...]], ...]:
    """For each strategy, what the gate says and what bears on its ratio."""
    return tuple((row.strategy, (*_reasons(row),)) for row in rows)


def _reasons(row: Row) -> Iterable[Words]:
    yield (f"Gate < {limit(row.threshold)}, {row.verdict}: ", Foreign(row.reason.removeprefix(f"{row.strategy}: ")))
    if row.per_token is not None:
        yield (f"Ratio a token: {ratio(row.per_token)}.",)
    yield from ((note,) for note in row.notes)


def latency(found: Latency) -> Table:
    """Where the time of one strategy's answers went, host by host: medians, and shares of all wall time."""
    hosts = [(host, (host.host,)) for host in found.hosts]
    rows: list[tuple[Words, ...]] = []
    for host, name in [*hosts, *([(found.baseline, (found.baseline.host, " alone"))] if found.baseline else [])]:
        added = "not told" if host.added_ms is None else f"{ms(host.added_ms[0])} ({host.added_source or NOT_TOLD})"
        rows.append(
            (
                name,
                (f"{host.answers:,}",),
                (ms(host.wall_ms),),
                *((_part(host.part(part)),) for part in PARTS),
                (added if host is not found.baseline else NOT_TOLD,),
            )
        )
    columns = (
        Column("host"),
        Column("answers", True),
        Column("wall", True),
        *(Column(PARTS[part], True) for part in PARTS),
        Column("added latency, mean", True),
    )
    return _without_silent(f"Medians under {found.strategy}, and shares of all wall time", columns, rows)


def _part(part: Part) -> str:
    if not part.told:
        return NOT_TOLD
    return f"{ms(part.median_ms)}, {share(part.share)}" + (" (inferred)" if part.inferred else "")


def _without_silent(caption: str, columns: Sequence[Column], rows: Sequence[tuple[Words, ...]]) -> Table:
    """The table without the parts that no engine told: its caption names them instead."""
    silent = [
        place
        for place, column in enumerate(columns)
        if column.head in PARTS.values() and all(row[place] == (NOT_TOLD,) for row in rows)
    ]
    names = [columns[place].head for place in silent if columns[place].head != PARTS["working"]]
    if names:
        caption += f". {NOT_TOLD.capitalize()} by any engine here: {', '.join(names)}"
    kept = [place for place in range(len(columns)) if place not in silent]
    return Table(
        caption,
        tuple(columns[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
    )


def failures(found: Sequence[Failure]) -> Table:
    """Kinds of failed attempts by host."""
    columns = (
        Column("host"),
        Column("kind"),
        Column("attempts", True),
        Column("under"),
        Column("what it is", long=True),
    )
    return Table(
        "Attempts that gave no answer, in all rounds",
        columns,
        tuple(
            (
                (each.host,),
                (each.kind, " (harmless)" if each.harmless else ""),
                (f"{each.count:,}",),
                joined(each.strategies, ", "),
                (f"{each.meaning} For example: ", each.example),
            )
            for each in found
        ),
    )


def unanswered(found: Sequence[Unanswered]) -> Table:
    """Prompts that no host answered, the first of them."""
    columns = (
        Column("prompt", True),
        Column("strategy"),
        Column("round", True),
        Column("in"),
        Column("reason", long=True),
    )
    left_out = len(found) - MOST_UNANSWERED
    return Table(
        "Prompts that no host answered" + (f", the first {MOST_UNANSWERED} of {len(found):,}" if left_out > 0 else ""),
        columns,
        tuple(
            ((f"{each.prompt}",), (each.strategy,), (f"{each.round}",), (f"the {each.run}",), (each.error,))
            for each in found[:MOST_UNANSWERED]
        ),
    )


def capacities(found: Sequence[HostCapacity]) -> Table:
    """What concurrency does to each host."""
    columns = (Column("host"), Column("kind"), Column("limit", True), Column("gain", True), Column("why", long=True))
    return Table(
        "Capacity by host",
        columns,
        tuple(
            (
                (Foreign(host.name),),
                (host.capacity.kind + ("" if host.capacity.settled else " (not settled)"),),
                (_limit(host),),
                (times(host.capacity.gain),),
                (Foreign(host.capacity.reason),),
            )
            for host in found
        ),
    )


def _limit(host: HostCapacity) -> str:
    low, high = host.capacity.limit_low, host.capacity.limit_high
    return f"{host.capacity.limit}" + (f" ({low} to {high})" if low < high else "")


def hosts(found: Sequence[HostLine]) -> Table:
    """The hosts and what they run."""
    columns = (
        *map(Column, ("host", "engine", "version", "model")),
        Column("digest", long=True),
        Column("URL", long=True),
    )
    return Table(
        "Hosts",
        columns,
        tuple(
            tuple(
                (NOT_TOLD,) if told is None else (told,)
                for told in (each.name, each.engine, each.version, each.model, each.digest, each.url)
            )
            for each in found
        ),
    )


def conditions(story: Story) -> tuple[tuple[str, Words], ...]:
    """Whether each condition holds, in a word, and what it is."""
    words = {True: "holds", False: "does not hold", None: "open"}
    return tuple((words[each.holds], each.text) for each in story.conditions)
