"""What a pool comes to, for a person: one sentence a variation, then a row each."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from outpace.judge.slo import Objective
from outpace.report import markdown
from outpace.report.blocks import LONG, NUMBER, TEXT, Block, Items, Paragraph, Table
from outpace.report.columns import columns, plain
from outpace.report.words import Foreign, Words, ms, share

Document = Mapping[str, Any]

LEAST_SHARE = 0.001
HEAD = "What a pool of contributors bears"
NOTES: tuple[Words, ...] = (
    (
        "Figures are medians over seeds, with the interval of the median where there are five seeds or more. A promise "
        "is kept where every seed keeps it, and broken where more than half break it.",
    ),
    (
        "Twice is attempts a request; lost is the share of the hosts' work that went with those who left, in vain that "
        "for which nobody waited any more. Even is Jain's index of the time for which contributors were busy, of the "
        "time for which they were there. Open is what a coordinator that is killed had in memory, and loses.",
    ),
    (
        "The coordinator's share of a core is an upper bound, as the simulated contributors are in it; what HTTP costs "
        "is not. Uplinks that contributors share, and machines that slow down as they grow hot, are not modelled.",
    ),
)


def sentence(document: Document) -> Words:
    """What the best variation bears, or what the first does not."""
    variations = document["variations"]
    best = max(variations, key=_rank)
    slo = " and ".join(Objective(**each).in_words() for each in best["slo"])
    rate = best["figures"].get("rate_per_s")
    verb = {"pass": "bear", "fail": "do not bear", "inconclusive": "may or may not bear"}[best["gate"]["verdict"]]
    contributors = f"{best['hosts']:,} contributors" if best["hosts"] > 1 else "One contributor"
    away = f", away {share(best['away'])} of the time," if best["away"] else ""
    asked = "what was asked" if rate is None else f"{_shown('rate_per_s', rate['median'])} requests a second"
    who = "the coordinator" if best["coordinators"] == 1 else f"each of {best['coordinators']} coordinators"
    core = best["cost"].get("core_share")
    busy = "" if core is None else f"; {who} is busy {_shown('core_share', core['median'])} of one core at most"
    title = Foreign(str(document["scenario"]["title"]))
    return (title, f": {contributors}{away} {verb} {asked} with {slo} under ", Foreign(best["rule"]), f"{busy}.")


def _rank(variation: Mapping[str, Any]) -> tuple[float, ...]:
    """The better, the larger: a promise that is kept, more that is good by far, and then sooner."""
    figures = variation["figures"]
    goodput, end_ms = (figures.get(name) or {"median": 0.0} for name in ("goodput_per_s", "e2e_p95_ms"))
    kept = ["fail", "inconclusive", "pass"].index(variation["gate"]["verdict"])
    return kept, float(f"{goodput['median']:.1e}"), -end_ms["median"]


def blocks(document: Document) -> list[Block]:
    """How far to trust it, the tables, why a promise is not kept, what failed, and what is to be known of figures."""
    return [*map(Paragraph, trust(document)), promised(document), spent(document), Items([*_remarks(document), *NOTES])]


def trust(document: Document) -> list[Words]:
    """How far simulation was from what was measured live, in what is promised: a sentence for each that was."""
    found: dict[tuple[str, ...], Words] = {}
    for variation in document["variations"]:
        for each in variation["trust"]:
            figure, _, quantile = each["figure"].removesuffix("_ms").partition("_")
            tried = any(other["rule"] == each["rule"] for other in document["variations"])
            under = each["rule"] if tried else f"{each['rule']}, the farthest off"
            off = f"{each['error']:+.1%} off what was measured live, {each['worst']:+.1%} at the worst"
            where = (f"{each['measured']} under ", Foreign(under), f" ({each['created'][:10]}, {each['command']}).")
            told = (f"Simulated, {figure.upper()} {quantile} was {off}: ", *where)
            found[each["measured"], each["rule"], each["figure"]] = told
    return list(found.values()) or [("Nothing of what is promised here has been held against live runs.",)]


def promised(document: Document) -> Table:
    """A row a variation: whether the promise is kept, and what requests met."""
    names = {"goodput a second": "goodput_per_s", "TTFT p50": "ttft_p50_ms", "TTFT p95": "ttft_p95_ms"}
    names |= {"E2E p95": "e2e_p95_ms", "E2E p99": "e2e_p99_ms", "unanswered": "unanswered"}
    heads = {"": TEXT, "promise": LONG, "requests a second": NUMBER, **dict.fromkeys(names, NUMBER)}
    rows: list[list[str | Words]] = [
        [_name(each), _KEPT[each["gate"]["verdict"]], *(_cell(each, name) for name in ("rate_per_s", *names.values()))]
        for each in document["variations"]
    ]
    return Table("What requests met", heads, rows)


def spent(document: Document) -> Table:
    """A row a variation: what contributors did, and what the coordinator costs."""
    names = {"there": "there", "busy": "utilisation", "even": "fairness", "twice": "attempts_per_request"}
    names |= {"lost": "lost_with_hosts", "in vain": "spent_in_vain", "open": "open", "open at most": "most_open"}
    costs = {"of a core": "core_share", "decisions a second": "decisions_per_s", "a choice takes": "choosing_us"}
    heads = {"": TEXT, **dict.fromkeys([*names, *costs], NUMBER)}
    rows: list[list[str | Words]] = [
        [_name(each), *(_cell(each, name) for name in (*names.values(), *costs.values()))]
        for each in document["variations"]
    ]
    return Table("What contributors did, and what the coordinator costs", heads, rows)


_KEPT = {"pass": "kept", "fail": "broken", "inconclusive": "open"}
_SHARES = {"unanswered", "utilisation", "lost_with_hosts", "spent_in_vain", "core_share"}


def _name(variation: Mapping[str, Any]) -> Words:
    said = ", ".join(f"{name} {value}" for name, value in variation["varied"].items())
    return (Foreign(said or variation["rule"]),)


def _cell(variation: Mapping[str, Any], name: str) -> str:
    found = (variation["figures"] | variation["cost"]).get(name)
    if found is None:
        return ""
    shown = _shown(name, found["median"])
    ends = [shown if found[end] is None else _shown(name, found[end]) for end in ("low", "high")]
    return shown if ends == [shown, shown] else f"{shown} ({ends[0]} to {ends[1]})"


def _shown(name: str, value: float) -> str:
    if name.endswith("_ms"):
        return ms(value)
    if name in _SHARES:
        return f"<{share(LEAST_SHARE)}" if 0 < value < LEAST_SHARE / 2 else share(value)
    if name == "choosing_us":
        return f"{value:,.1f} µs"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _remarks(document: Document) -> list[Words]:
    """Why a promise is not kept, and which seeds failed."""
    found: list[Words] = []
    for each in document["variations"]:
        if each["gate"]["verdict"] != "pass":
            found.append((*_name(each), ": ", each["gate"]["reason"]))
        found += [
            (*_name(each), f": seed {one['seed']} came to nothing: ", Foreign(one["why"])) for one in each["failed"]
        ]
    return found


def in_terminal(document: Document) -> str:
    """The sentence first, then the tables in columns, then what is to be known of them."""
    remarks = [*_remarks(document), *NOTES]
    return "\n\n".join(
        [
            textwrap.fill(plain(sentence(document)), 100),
            "\n".join(textwrap.fill(plain(each), 100, subsequent_indent="  ") for each in trust(document)),
            columns(promised(document)),
            columns(spent(document)),
            "\n".join(textwrap.fill(plain(each), 100, subsequent_indent="  ") for each in remarks),
        ]
    )


def page(document: Document) -> str:
    """The page in Markdown."""
    return markdown.page(sentence(document), HEAD, blocks(document))
