"""The answer in one sentence, and what has to be said before anyone relies on it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL
from outpace.report.story import Story
from outpace.report.strategies import BASELINE, Row
from outpace.report.words import Foreign, Words, capital, counted, in_words, joined, limit

VERDICTS = {"pass": "passed", "fail": "failed", "inconclusive": "is inconclusive"}
WHAT_IF = "What if, "
"""A note that begins so says what was foretold instead of measured."""


def question(story: Story) -> Words:
    """What is asked, which heads the page."""
    row = story.rows[0]
    return (f"Do{'es' if row.hosts == 1 else ''} {_set(story, row)} outpace ", row.baseline_host, " alone?")


def answer(story: Story) -> tuple[Words, ...]:
    """The answer, in one sentence and what belongs to it."""
    best = story.best
    if not any(row.ranked for row in story.rows):
        return (("No strategy finished a round, so it cannot be said whether the set of hosts is faster.",),)
    if best is None:
        host = story.rows[0].baseline_host
        return (("Only the baseline was measured, ", host, " alone: there is nothing to compare."),)
    gate = f"; gate < {limit(best.threshold)} {VERDICTS[best.verdict]}"
    split = f"; the best split would give {1 / best.bound:.2f} times" if best.bound else ""
    sentence = (*capital(_claim(story, best)), *_tie(story, best), gate, split, ".")
    failed = [row.strategy for row in story.rows if row.ranked and row.verdict == "fail"]
    others = [name for name in failed if name not in (best.strategy, BASELINE)]
    return (sentence, ("The gate failed for ", *joined(others), ".")) if others else (sentence,)


def _set(story: Story, row: Row) -> str:
    """How many hosts there are; those that share this machine's loopback need not be machines of their own."""
    urls = [host["url"] for document in story.documents for host in document["hosts"]]
    noun = "host" if all(map(_is_loopback, urls)) else "machine"
    return f"{in_words(row.hosts)} {noun}{'' if row.hosts == 1 else 's'}"


def _is_loopback(url: str | None) -> bool:
    try:
        name = urlsplit(url or "").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _claim(story: Story, best: Row) -> Words:
    task = f"{_set(story, best)} {'answers' if best.hosts == 1 else 'answer'} {in_words(story.prompts)} prompt"
    task += "" if story.prompts == 1 else "s"
    alone = (best.baseline_host, " alone")
    low, high = best.span
    middle = best.median or 0.0
    if high < 1:
        return (f"{task} {1 / middle:.2f} times as fast as ", *alone, " under ", best.strategy)
    if low > 1:
        said = f", takes {middle:.2f} times as long"
        return (f"{task} no faster than ", *alone, ": the best strategy, ", best.strategy, said)
    return (
        f"whether {task} faster than ",
        *alone,
        " cannot be told from these rounds: under the best strategy, ",
        best.strategy,
        f", they take {middle:.2f} times as long ({low:.2f} to {high:.2f})",
    )


def _tie(story: Story, best: Row) -> Words:
    found = story.found
    tied = [name for name in found.tied if name != BASELINE] if found and found.winner == best.strategy else []
    return (", which cannot be told from ", *joined(map(Foreign, tied), " or ")) if tied else ()


def cautions(story: Story) -> Iterator[Words]:
    """What bears on the answer as a whole."""
    sources = {each["source"] for each in story.documents}
    if sources == {"replay"}:
        yield ("A replay: a recording was played under a virtual clock, and no engine ran.",)
    notes = dict.fromkeys(note for row in story.rows for note in row.notes if note.startswith(WHAT_IF))
    yield from ((note,) for note in notes)
    if sources == {"published"}:
        yield ("Transcribed from a published experiment; outpace measured nothing here.",)
    sessions = sorted({each["created"] for each in story.documents})
    if len(sessions) > 1:
        yield (
            f"These reports come from {in_words(len(sessions))} sessions, of ",
            *joined(map(Foreign, sessions)),
            ": only those of the newest are compared, for machines drift from one session to the next.",
        )
    if story.unanswered:
        strategies = dict.fromkeys(each.strategy for each in story.unanswered)
        were = f"{counted(len(story.unanswered), 'prompt')} {'was' if len(story.unanswered) == 1 else 'were'}"
        yield (f"{were} answered by no host under ", *joined(strategies), "; the rounds concerned have no ratio.")
    rounds = [len([ratio for ratio in row.ratios if ratio is not None]) for row in story.rows if row.ranked]
    if rounds and min(rounds) < ROUNDS_FOR_AN_INTERVAL:
        few = f"{in_words(min(rounds))} round{'' if min(rounds) == 1 else 's'}"
        yield (f"Measured in {few} a strategy: too few for an interval, so chance is not ruled out.",)
