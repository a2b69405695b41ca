"""What a search for sustainable rates tells a person: one sentence with the gain, then a row for each trial."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outpace.judge.gate import WORST_FIRST
from outpace.judge.slo import Objective
from outpace.report import rate_document
from outpace.report.answer import noun_of
from outpace.report.blocks import NUMBER, Block, Folded, Items, Table
from outpace.report.words import Foreign, Words, capital, counted, counted_in_words, ms

Document = Mapping[str, Any]

HEAD = "What rate they bear"
ANSWERS = {"keeps": "kept", "breaks": "broken", "open": "cannot be told"}


def read(folder: Path) -> dict[str, Any] | None:
    """The rates in ``folder``, None where there are none; raises ``DocumentInvalid``."""
    path = folder / rate_document.FILE
    return rate_document.read(path) if path.is_file() else None


def sentence(document: Document) -> Words:
    """What the set bears under the best of its strategies, what the best single host does, and the gain."""
    alone = _alone(document)
    sets = [each for each in document["found"] if each["best_alone"] is None]
    promised = " and ".join(each.in_words() for each in _objectives(document))
    best = max(sets or document["found"], key=lambda each: each["rate_per_s"]["value"])
    who, bear = _who(document, best), "bears" if len(best["hosts"]) == 1 else "bear"
    told = _number(best["rate_per_s"])
    said: Words = (*who, f" {bear} {told} requests a minute{as_fast(document, best)} with {promised}")
    if alone is not None and sets:
        host = Foreign(alone["best_alone"]["host"])
        said = (*said, ", ", host, f" alone {_number(alone['rate_per_s'])}{as_fast(document, alone)}")
    if best["rate_gain"] is not None:
        said = (*said, f": {_gain(best['rate_gain'])}")
    return capital((*said, "."))


def verdict(document: Document) -> str:
    """What the colour of the answer says: of the gates, or where none was asked for, whether the set bears more."""
    if judged := _judged(document):
        return min((str(each["gate"]["verdict"]) for each in judged), key=WORST_FIRST.index)
    gains = [each["rate_gain"] for each in document["found"] if each["rate_gain"] is not None]
    if any(each["low"] > 1 for each in gains):
        return "pass"
    return "fail" if gains and all(each["high"] is not None and each["high"] <= 1 for each in gains) else "inconclusive"


def blocks(document: Document) -> list[Block]:
    """The rates and gains, what the gates say, and every trial."""
    asked = document["arrivals"]
    rates = Table(
        f"Highest rate that keeps {' and '.join(each.in_words() for each in _objectives(document))}, requests a "
        f"minute, arrivals {asked['asked']}",
        {"": "", "requests a minute": NUMBER, "rate gain": NUMBER, "requests sent": NUMBER, "it took": NUMBER},
        [
            [
                name_of(each),
                f"{a_minute(each['rate_per_s'])}{as_fast(document, each)}",
                "" if each["rate_gain"] is None else _gain(each["rate_gain"]),
                f"{sum(trial['requests'] for trial in each['trials']):,}",
                ms(sum(trial["makespan_ms"] for trial in each["trials"])),
            ]
            for each in document["found"]
        ],
    )
    trials = [Folded(_runs(each), [_trials(document, each)]) for each in document["found"]]
    said = [(*name_of(each), f": {each['gate']['verdict']}. {each['gate']['reason']}") for each in _judged(document)]
    said += replays_off(document)
    return [rates, *([Items(said)] if said else []), *trials]


def replays_off(document: Document) -> list[Words]:
    """How far replays of the recording were off where requests arrived, or that it cannot tell; nothing where live."""
    if document["source"] != "replay":
        return []
    error = document.get("replay_error")
    if error is None:
        unknown = "How far off replays of this recording are where requests arrive is not known"
        return [(f"{unknown}: it holds no load to tell it.",)]
    figure = error["figure"].upper().replace(" P", " p")
    how_far = (
        f"Of requests that arrive, replays of this recording were off by up to {error['share']:.1%} ({figure}, under "
    )
    return [(how_far, Foreign(error["strategy"]), "): of the second half of its loads, knowing the first.")]


def _runs(found: Mapping[str, Any]) -> str:
    return "".join((*name_of(found), f", {counted(len(found['trials']), 'run')}"))


def _judged(document: Document) -> list[Mapping[str, Any]]:
    return [each for each in document["found"] if each["gate"] is not None]


def _trials(document: Document, found: Mapping[str, Any]) -> Table:
    named = {f"{each.figure.upper()} p{100 * each.quantile:g}": NUMBER for each in _objectives(document)}
    columns = {"requests a minute": NUMBER, "SLO": "", **named, "kept by": NUMBER, "requests": NUMBER, "ended": ""}
    rows = []
    for each in sorted(found["trials"], key=lambda each: each["rate_per_s"]):
        answer = "overload" if each["overload"] else ANSWERS[each["answer"]]
        latencies = [ms(value) for value in each["slo_ms"]]
        ended = each["void"] or each["ended"] or "with its requests"
        kept = f"{each['share_kept']:.1%}"
        rows.append([f"{60 * each['rate_per_s']:,.4g}", answer, *latencies, kept, f"{each['requests']:,}", ended])
    return Table("Each run", columns, rows)


def _objectives(document: Document) -> list[Objective]:
    return [Objective(one["figure"], one["quantile"], one["limit_ms"]) for one in document["slo"]]


def _alone(document: Document) -> Mapping[str, Any] | None:
    return next((each for each in document["found"] if each["best_alone"] is not None), None)


def _who(document: Document, found: Mapping[str, Any]) -> Words:
    if found["best_alone"] is not None:
        return name_of(found)
    urls = [each["url"] for each in document["hosts"] if each["name"] in found["hosts"]]
    return (counted_in_words(len(found["hosts"]), noun_of(urls)), " under ", Foreign(found["strategy"]))


def name_of(found: Mapping[str, Any]) -> Words:
    """Whose rate it is."""
    alone = found["best_alone"]
    return (Foreign(found["strategy"]),) if alone is None else (Foreign(alone["host"]), " alone")


def as_fast(document: Document, found: Mapping[str, Any]) -> str:
    """How many times as fast as it came a trace is played at the rate that was found; nothing where there is none."""
    own = document["arrivals"].get("trace_rate_per_s")
    return "" if own is None else f" (the trace {found['rate_per_s']['value'] / own:.3g} times as fast as it came)"


def a_minute(rate: Mapping[str, Any]) -> str:
    """A rate with its interval, in requests a minute."""
    high = None if rate["high"] is None else 60 * rate["high"]
    return f"{_number(rate)} {_span({'low': 60 * rate['low'], 'high': high})}"


def _gain(gain: Mapping[str, Any]) -> str:
    span = f"{gain['low']:.2f} or more" if gain["high"] is None else f"{gain['low']:.2f} to {gain['high']:.2f}"
    return f"{gain['value']:.2f} times ({span})"


def _number(rate: Mapping[str, Any]) -> str:
    return f"{60 * rate['value']:,.3g}" if rate["value"] < 15 else f"{60 * rate['value']:,.0f}"


def _span(found: Mapping[str, Any]) -> str:
    low = f"{found['low']:,.3g}" if found["low"] < 1000 else f"{found['low']:,.0f}"
    if found["high"] is None:
        return f"({low} or more)"
    high = f"{found['high']:,.3g}" if found["high"] < 1000 else f"{found['high']:,.0f}"
    return f"({low} to {high})"
