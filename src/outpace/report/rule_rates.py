"""What rate each rule bears, of a search's report, for a person: a sentence, then a row each, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outpace.judge.slo import Objective
from outpace.report.blocks import LONG, NUMBER, TEXT, Table
from outpace.report.rate_page import a_minute, name_of, replays_off
from outpace.report.rules import WHOSE, is_of_routers
from outpace.report.words import Foreign, Words, joined, times

Found = Mapping[str, Any]


def sentence(document: Mapping[str, Any]) -> Words:
    """What the best and the worst of the routers' rules bear, the best that is none of theirs, and the best host."""
    ranked = _ranked(document)
    routers = [each for each in ranked if is_of_routers(each["strategy"])]
    others = [each for each in ranked if each not in routers]
    chosen = (*routers[:1], *routers[-1:], *others[:1])
    shown = [each for each in ranked if each in chosen]
    said: list[str] = ["On these machines "]
    for place, each in enumerate(shown):
        said += [", " if place else "", Foreign(each["strategy"])]
        said += [f" ({WHOSE[each['strategy']]})"] if each["strategy"] in WHOSE else []
        rate = f"{60 * each['rate_per_s']['value']:.3g}"
        said.append(f" {rate}" if place else f" bears {rate} requests a minute with {_promised(document)}")
    alone = (each for each in document["found"] if each["best_alone"] is not None)
    said += [part for each in alone for part in (", ", *name_of(each), f" {60 * each['rate_per_s']['value']:.3g}")]
    return (*said, ".")


def table(document: Mapping[str, Any]) -> Table:
    """A row a rule, and one for the best single host: the rate with its interval, and the gain."""
    rows: list[list[str | Words]] = []
    for each in sorted(document["found"], key=_rate, reverse=True):
        gain = each["rate_gain"]
        spread = "" if gain is None or gain["high"] is None else f" ({gain['low']:.2f} to {gain['high']:.2f})"
        told = "" if gain is None else f"{gain['value']:.2f}{spread}"
        rows.append([name_of(each), WHOSE.get(each["strategy"], ""), a_minute(each["rate_per_s"]), told])
    columns = {"rule": TEXT, "whose": LONG, "requests a minute": NUMBER, "rate gain": NUMBER}
    return Table(f"Highest rate with {_promised(document)}, arrivals {document['arrivals']['asked']}", columns, rows)


def notes(document: Mapping[str, Any]) -> list[Words]:
    """Whether the best can be told from the others, and what a rate gain is."""
    ranked = _ranked(document)
    said: list[Words] = []
    if ranked:
        low = ranked[0]["rate_per_s"]["low"]
        alike = [each["strategy"] for each in ranked[1:] if _high(each) is None or _high(each) >= low]
        best = Foreign(ranked[0]["strategy"])
        if alike:
            said.append(
                ("A tie: ", best, " bears the most, and cannot be told from ", *joined(map(Foreign, alike)), ".")
            )
        elif len(ranked) > 1:
            ahead = times(_rate(ranked[0]) / _rate(ranked[1])) if _rate(ranked[1]) else "many times"
            said.append((best, " bears the most, ", ahead, " as much as ", Foreign(ranked[1]["strategy"]), "."))
    gain: Words = ("A rate gain is what the set bears over what the best single host does.",)
    return [*said, gain, *replays_off(document)]


def _ranked(document: Mapping[str, Any]) -> Sequence[Found]:
    return sorted((each for each in document["found"] if each["best_alone"] is None), key=_rate, reverse=True)


def _rate(found: Found) -> float:
    return float(found["rate_per_s"]["value"])


def _high(found: Found) -> float | None:
    high: float | None = found["rate_per_s"]["high"]
    return high


def _promised(document: Mapping[str, Any]) -> str:
    objectives = (Objective(one["figure"], one["quantile"], one["limit_ms"]) for one in document["slo"])
    return " and ".join(each.in_words() for each in objectives)
