"""The sections of a page in their order: what is said first, and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from outpace.report import capacity, failures, gain, latency, strategies
from outpace.report.blocks import Block, Command, Figure, Folded, Items, Pairs, Paragraph, Section
from outpace.report.conditions import conditions, not_measured
from outpace.report.gain import steps_of
from outpace.report.method import hosts_table, method
from outpace.report.story import Story
from outpace.report.words import Strong

KEY = (
    Strong("set gain"),
    ": makespan of the best single machine, at its best, divided by that of the run in the same round; above 1 the "
    "other machines add something. ",
    Strong("ratio"),
    ": makespan of the run divided by that of its round's baseline, the fastest host alone, one request after another; "
    "below 1 the set is faster. ",
    Strong("efficiency"),
    ": least possible makespan divided by makespan; 1 is the physical limit. ",
    Strong("best split"),
    ": the speedup that no dispatch could exceed.",
)
HOLDS = {True: "holds", False: "does not hold", None: "open"}


def sections(story: Story, invocation: str | None) -> Iterator[Section]:
    """All of them; ``invocation`` is the command that measured it."""
    from outpace.report import figures  # whoever asks for no section need not wait until matplotlib has loaded

    steps = steps_of(story)
    if len(steps) > 1:
        makespans: list[Block] = [Figure(lambda: figures.makespans(steps)), gain.table(steps)]
        yield Section("Makespans", "What each part brings", makespans)
    gains, ratios = Figure(lambda: figures.gains(story.rows)), Figure(lambda: figures.ratios(story.rows))
    key = KEY if any(row.gain for row in story.rows) else KEY[2:]
    compared: list[Block] = [gains, Folded("Overhead ratios", [ratios])] if key is KEY else [ratios]
    yield Section("Strategies", "Strategies", [strategies.table(story.rows), Paragraph(key, quiet=True), *compared])
    first = [row for row in story.rows if row is story.best or row.verdict != "pass"]
    others = [row for row in story.rows if row not in first]
    verdicts: list[Block] = [Pairs(strategies.verdicts(first))] if first else []
    if others:
        verdicts.append(Folded("What the gate says of the others", [Pairs(strategies.verdicts(others))]))
    yield Section("Verdict", "Verdict", verdicts)
    yield Section("Timeline", "What each host did when", list(_timelines(story)))
    yield Section("Where the time went", "Where the time went", list(_latencies(story)))
    yield Section("Failures", "Failure modes met", list(_failures(story)))
    if swept := story.capacities:
        yield Section("Capacity", "Capacity", [Figure(lambda: figures.capacities(swept)), capacity.table(swept)])
    held = [(HOLDS[each.holds], each.text) for each in conditions(story)]
    yield Section("Conditions", "Conditions for going further", [Pairs(held)])
    how: list[Block] = [hosts_table(story.documents), Pairs(method(story.documents, story.newest))]
    yield Section("Method", "How it was measured", how)
    yield Section("Not measured", "What was not measured", [Items(list(not_measured(story)))])
    untold = Paragraph(("The reports do not hold the command that measured them.",))
    yield Section("Run it again", "Run it again", [Command(invocation) if invocation else untold])


def _timelines(story: Story) -> Iterator[Block]:
    from outpace.report import figures

    if not story.timelines:
        yield Paragraph(("The reports do not tell when requests began.",))
    for index, each in enumerate(story.timelines):
        drawn = Figure(partial(figures.timeline, each, f"timeline{index}"))
        yield Folded(each.strategy, [drawn]) if index else drawn


def _latencies(story: Story) -> Iterator[Block]:
    from outpace.report import figures

    told = [each for each in story.latencies if each.hosts]
    if not told:
        yield Paragraph(("The reports do not tell it.",))
        return
    yield Figure(lambda: figures.time_by_host(told[0], "time"))
    yield latency.table(told[0])
    if told[1:]:
        yield Folded("Under the other strategies", [latency.table(each) for each in told[1:]])


def _failures(story: Story) -> Iterator[Block]:
    if story.failures:
        yield failures.failures_table(story.failures)
    if story.unanswered:
        yield failures.unanswered_table(story.unanswered)
    if not story.failures and not story.unanswered:
        yield Paragraph(("None: every attempt gave an answer.",))
