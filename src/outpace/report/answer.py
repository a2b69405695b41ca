"""The answer in one sentence, and what has to be said before anyone relies on it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from outpace.judge.ranking import Best
from outpace.judge.stats import ROUNDS_FOR_AN_INTERVAL
from outpace.report.shape import HostLine, Row, Unanswered
from outpace.report.words import Foreign, Words, capital, counted, in_words, joined, limit

BASELINE = "sequential"
VERDICTS = {"pass": "passed", "fail": "failed", "inconclusive": "is inconclusive"}
WHAT_IF = "What if, "
"""A note that begins so says what was foretold instead of measured."""


def noun_of(hosts: Sequence[HostLine]) -> str:
    """What the hosts may be called: those that share this machine's loopback need not be machines of their own."""
    return "host" if hosts and all(_is_loopback(each.url) for each in hosts) else "machine"


def _is_loopback(url: str | None) -> bool:
    try:
        name = urlsplit(url or "").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def answer(rows: Sequence[Row], found: Best | None, prompts: int, noun: str) -> tuple[Words, ...]:
    """The answer, in one sentence and what belongs to it; ``rows`` are of one session, the best first."""
    ranked = [row for row in rows if row.ranked]
    others = [row for row in ranked if row.strategy != BASELINE]
    if not ranked:
        return (("No strategy finished a round, so it cannot be said whether the set of hosts is faster.",),)
    if not others:
        return (
            (
                "Only the baseline was measured, ",
                ranked[0].baseline_host,
                " alone: there is nothing to compare.",
            ),
        )
    best = others[0]
    sentence = (*capital(_claim(best, prompts, noun)), *_tie(best, found), *_gate(best), *_best_split(best), ".")
    failed = [row.strategy for row in others[1:] if row.verdict == "fail"]
    return (sentence, ("The gate failed for ", *joined(failed), ".")) if failed else (sentence,)


def _claim(best: Row, prompts: int, noun: str) -> Words:
    task = f"{in_words(best.hosts)} {noun if best.hosts == 1 else noun + 's'} "
    task += f"{'answers' if best.hosts == 1 else 'answer'} {in_words(prompts)} prompt{'' if prompts == 1 else 's'}"
    alone = (best.baseline_host, " alone")
    assert best.ratio is not None
    low, high = _span(best)
    if high < 1:
        return (f"{task} {1 / best.ratio.median:.2f} times as fast as ", *alone, " under ", best.strategy)
    if low > 1:
        return (
            f"{task} no faster than ",
            *alone,
            ": the best strategy, ",
            best.strategy,
            f", takes {best.ratio.median:.2f} times as long",
        )
    return (
        f"whether {task} faster than ",
        *alone,
        " cannot be told from these rounds: under the best strategy, ",
        best.strategy,
        f", they take {best.ratio.median:.2f} times as long ({low:.2f} to {high:.2f})",
    )


def _span(row: Row) -> tuple[float, float]:
    """The interval of the ratio, or what its rounds ranged over where they are too few for one."""
    assert row.ratio is not None
    assert row.seen is not None
    if row.ratio.low is None or row.ratio.high is None:
        return row.seen
    return row.ratio.low, row.ratio.high


def _tie(best: Row, found: Best | None) -> Words:
    if found is None or found.winner != best.strategy:
        return ()
    tied = [name for name in found.tied if name != BASELINE]
    return (", which cannot be told from ", *joined(map(Foreign, tied), " or ")) if tied else ()


def _gate(row: Row) -> Words:
    return (f"; gate < {limit(row.threshold)} {VERDICTS[row.verdict]}",)


def _best_split(row: Row) -> Words:
    if not row.bound:
        return ()
    return (f"; the best split would give {1 / row.bound:.2f} times",)


def question(rows: Sequence[Row], noun: str) -> Words:
    """What is asked, which heads the page."""
    if not rows:
        return ("Does the set of hosts outpace its fastest one?",)
    hosts = f"{in_words(rows[0].hosts)} {noun if rows[0].hosts == 1 else noun + 's'}"
    return (f"Do{'es' if rows[0].hosts == 1 else ''} {hosts} outpace ", rows[0].baseline_host, " alone?")


def cautions(
    rows: Sequence[Row], sources: Sequence[str], sessions: Sequence[str], unanswered: Sequence[Unanswered]
) -> tuple[Words, ...]:
    """What bears on the answer as a whole."""
    said: list[Words] = []
    if sources == ["replay"]:
        said.append(("A replay: a recording was played under a virtual clock, and no engine ran.",))
    said += [(note,) for note in dict.fromkeys(note for row in rows for note in row.notes) if note.startswith(WHAT_IF)]
    if sources == ["published"]:
        said.append(("Transcribed from a published experiment; outpace measured nothing here.",))
    if len(sessions) > 1:
        when = joined(map(Foreign, sessions))
        said.append(
            (
                f"These reports come from {in_words(len(sessions))} sessions, of ",
                *when,
                ": only those of the newest are compared, for machines drift from one session to the next.",
            )
        )
    if unanswered:
        strategies = dict.fromkeys(each.strategy for each in unanswered)
        were = f"{counted(len(unanswered), 'prompt')} {'was' if len(unanswered) == 1 else 'were'}"
        said.append(
            (f"{were} answered by no host under ", *joined(strategies), "; the rounds concerned have no ratio.")
        )
    rounds = [len([ratio for ratio in row.ratios if ratio is not None]) for row in rows if row.ranked]
    if rounds and min(rounds) < ROUNDS_FOR_AN_INTERVAL:
        few = f"{in_words(min(rounds))} round{'' if min(rounds) == 1 else 's'}"
        said.append((f"Measured in {few} a strategy: too few for an interval, so chance is not ruled out.",))
    return tuple(said)
