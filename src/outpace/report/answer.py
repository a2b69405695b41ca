"""The answer in one sentence, and what has to be said before anyone relies on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from outpace.ground.records import BASELINE
from outpace.judge.comparison import Comparison
from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL, rounds_to_choose
from outpace.report.story import Story
from outpace.report.strategies import Row, outpaces, span
from outpace.report.words import Foreign, Words, at_once, capital, counted, counted_in_words, in_words, joined, limit

VERDICTS = {"pass": "passed", "fail": "failed", "inconclusive": "is inconclusive"}
ONE_BY_ONE = "one after another, the published baseline"
WHAT_IF = "What if, "
"""A note that begins so says what was foretold instead of measured."""


def claim(comparison: Comparison, hosts: int, noun: str, prompts: int, baseline_host: str) -> Words:
    """What so many hosts, each a ``noun``, do against the best alone, and against the published baseline.

    Where the best alone was not measured it is the baseline alone. ``comparison`` has a ratio.
    """
    assert comparison.ratio is not None
    task = f"{counted_in_words(hosts, noun)} answer{'s' if hosts == 1 else ''} {counted_in_words(prompts, 'prompt')}"
    one_by_one, best = (Foreign(baseline_host), f" {ONE_BY_ONE}"), comparison.best_alone
    found, values = comparison.ratio.inverse, [1 / each for each in comparison.ratios if each]
    against: Words = one_by_one
    beside: list[str] = []
    more: Words = ()
    if comparison.gain and best:
        found, values = comparison.gain, list(comparison.gains)
        against = (Foreign(best.host), " at its best")
        if (best.host, best.in_flight) == (baseline_host, 1):
            beside.append(ONE_BY_ONE)
        else:
            beside.append(at_once(best.in_flight) + best.order)
            more = (f", and {comparison.ratio.inverse.median:.2f} times as fast as ", *one_by_one)
    low, high = span(found, values)
    if len(values) > 1:
        beside.append(f"{'interval' if found.low is not None else 'rounds'} {low:.2f} to {high:.2f}")
    said = f" ({'; '.join(beside)})" if beside else ""
    faster = f"{found.median:.2f} times as fast"
    comma = "," if against == one_by_one else ""
    if comparison.impossible:
        broken = joined(map(Foreign, comparison.impossible))
        cannot = f"{comma} cannot be told, for what was measured cannot be (not held: "
        return (f"whether {task} faster than ", *against, cannot, *broken, f"): {faster}{said}", *more)
    if low > 1:
        return (f"{task} {faster} as ", *against, said, *more)
    if high <= 1:
        return (f"{task} no faster than ", *against, f": {faster}{said}", *more)
    return (
        f"whether {task} faster than ",
        *against,
        f"{comma} cannot be told from these rounds: {faster}{said}",
        *more,
    )


def verdict(comparison: Comparison) -> Words:
    """The verdict on the set gain in words; nothing where there is none."""
    if comparison.gain is None or comparison.best_alone is None:
        return ()
    host, found = Foreign(comparison.best_alone.host), outpaces(comparison)
    if found is None:
        return ("whether the set outpaces ", host, " cannot be told")
    return ("the set outpaces " if found else "the set does not outpace ", host)


def choice(comparison: Comparison) -> Words:
    """Why the interval of the best is wider than that of the same rounds by themselves; nothing where it is not."""
    found = comparison.gain or comparison.ratio
    if comparison.among < 2 or found is None or found.confidence is None:
        return ()
    said = f"Chosen as the best of {in_words(comparison.among)}, its interval is wider than that of one by itself."
    rounds, enough = len(comparison.gains or comparison.ratios), rounds_to_choose(comparison.among)
    if rounds >= enough:
        return (said,)
    few = f"{capital((counted_in_words(rounds, 'round'),))[0]} bear that for gains that scatter normally"
    return (f"{said} {few} (Student's t), {in_words(enough)} however they scatter (--rounds={enough}).",)


def noun_of(urls: Iterable[str | None]) -> str:
    """What hosts may be called: those that share this machine's loopback need not be machines of their own."""
    return "host" if all(map(_is_loopback, urls)) else "machine"


def _is_loopback(url: str | None) -> bool:
    try:
        name = urlsplit(url or "").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def question(story: Story) -> Words:
    """What is asked, which heads the page."""
    row, noun = story.rows[0], _noun(story)
    alone = " at its best?" if row.best_alone else " alone?"
    return (f"Do{'es' if row.hosts == 1 else ''} {counted_in_words(row.hosts, noun)} outpace ", row.reference, alone)


def _noun(story: Story) -> str:
    return noun_of(host["url"] for document in story.documents for host in document["hosts"])


def answer(story: Story) -> tuple[Words, ...]:
    """The answer: what the set does against one host, then the verdict on it, under which strategy, and the gate's."""
    best = story.best
    if not any(row.ranked for row in story.rows):
        return (("No strategy finished a round, so it cannot be said whether the set of hosts is faster.",),)
    if best is None:
        host = story.rows[0].baseline_host
        return (("Only the baseline was measured, ", host, " alone: there is nothing to compare."),)
    first = claim(best.comparison, best.hosts, _noun(story), story.prompts, best.baseline_host)
    said = verdict(best.comparison)
    gate = f"; gate < {limit(best.threshold)} {VERDICTS[best.verdict]}"
    split = best.split if said else best.bound and 1 / best.bound
    under = "it was measured under " if best.comparison.impossible else "the best strategy is "
    told = (*said, "; " if said else "", under, best.strategy, *_tie(story, best), gate)
    most = f"; the best split would give {split:.2f} times" if split else ""
    sentences = [(*capital(first), "."), (*capital(tuple(filter(None, told))), most, ".")]
    failed = [row.strategy for row in story.rows if row.ranked and row.verdict == "fail"]
    if others := [name for name in failed if name not in (best.strategy, BASELINE)]:
        sentences.append(("The gate failed for ", *joined(others), "."))
    return tuple(sentences)


def _tie(story: Story, best: Row) -> Words:
    found = story.found
    tied = [name for name in found.tied if name != BASELINE] if found and found.winner == best.strategy else []
    return (", which cannot be told from ", *joined(map(Foreign, tied), " or ")) if tied else ()


def cautions(story: Story) -> Iterator[Words]:
    """What bears on the answer as a whole."""
    sources = {each["source"] for each in story.documents}
    if sources == {"replay"}:
        yield ("A replay: a recording was played under a virtual clock, and no engine ran.",)
    notes = dict.fromkeys(note for row in story.rows for note in row.comparison.notes if note.startswith(WHAT_IF))
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
    for row in story.rows:
        if row.ranked and row is not story.best and row.comparison.impossible:
            broken = joined(row.comparison.impossible)
            yield ("What was measured of ", row.strategy, " cannot be, and is not compared (not held: ", *broken, ").")
    if story.best and not story.best.best_alone:
        yield from _not_alone(story, story.best)
    if story.unanswered:
        strategies = dict.fromkeys(each.strategy for each in story.unanswered)
        were = f"{counted(len(story.unanswered), 'prompt')} {'was' if len(story.unanswered) == 1 else 'were'}"
        yield (f"{were} answered by no host under ", *joined(strategies), "; the rounds concerned have no ratio.")
    if story.best and (chosen := choice(story.best.comparison)):
        yield chosen
    rounds = [len([ratio for ratio in row.ratios if ratio is not None]) for row in story.rows if row.ranked]
    if rounds and min(rounds) < ROUNDS_FOR_AN_INTERVAL:
        few = counted_in_words(min(rounds), "round")
        yield (f"Measured in {few} a strategy: too few for an interval, so chance is not ruled out.",)


def _not_alone(story: Story, best: Row) -> Iterator[Words]:
    """What can be said of the set gain where it was not measured: as much as a sweep of the baseline's host tells."""
    host, speedup = best.baseline_host, best.comparison.speedup
    yield ("What ", host, " does at its best was not measured, so these reports do not tell what the others add.")
    swept = next((each.capacity for each in story.capacities if each.name == host), None)
    if swept is None or swept.limit > story.prompts or not speedup:
        return
    if swept.limit == 1 or swept.gain <= 1:
        yield ("By its sweep ", host, " is at its best one at a time, as in the baseline: then all of it is theirs.")
    else:
        said = f" alone is {swept.gain:.2f} times as fast with {at_once(swept.limit)}: against that the set would be "
        yield ("By its sweep ", host, f"{said}{speedup / swept.gain:.2f} times as fast.")
