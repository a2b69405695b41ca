"""What loads tell a person: one sentence on the set beside the best single host, then a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outpace.judge.slo import Objective
from outpace.report import load_document
from outpace.report.answer import noun_of
from outpace.report.blocks import NUMBER, Block, Items, Table
from outpace.report.words import Foreign, Words, counted_in_words, ms

Document = Mapping[str, Any]

HEAD = "Requests that arrive"
VERBS = {
    "keeps": ("keeps", "keep"),
    "breaks": ("does not keep", "do not keep"),
    "open": ("does not yet show", "do not yet show"),
}
"""Of one machine, and of several."""
STATES = {"steady": "steady", "overload": "overload: the queue grows", "unsettled": "no steady state"}
SHOWN = (("TTFT p50", "ttft_ms", "p50"), ("TTFT p95", "ttft_ms", "p95"), ("TPOT p95", "tpot_ms", "p95"))
ENDS = (("E2E p50", "e2e_ms", "p50"), ("E2E p95", "e2e_ms", "p95"), ("E2E p99", "e2e_ms", "p99"))


def read_all(folder: Path) -> list[dict[str, Any]]:
    """The loads in ``folder`` that were measured with the newest, none where there is none.

    A replay has the date of its recording, so of several replays it is the one that was written last. Raises
    ``DocumentInvalid``.
    """
    paths = sorted(folder.glob("load-*.json"))
    found = [(load_document.read(path), path.stat().st_mtime) for path in paths]
    if not found:
        return []
    newest = max(found, key=lambda each: (each[0]["created"], each[1]))[0]
    return [each for each, _ in found if _session(each) == _session(newest)]


def _session(document: Document) -> tuple[Any, ...]:
    """What loads of one session have in common."""
    return document["created"], document["hosts"], document["arrivals"], document["workload"]["sha256"]


def sentence(documents: Sequence[Document]) -> Words:
    """How the set does beside the best single host, at one rate of arrivals, under the best of its strategies."""
    alone = next((each for each in documents if each["best_alone"] is not None), None)
    sets = [each for each in documents if each["best_alone"] is None]
    if not sets:
        return ("The best single host was measured, and no set of hosts.",)
    best = min(sets, key=_rank)
    hosts = best["hosts"]
    who = counted_in_words(len(hosts), noun_of(each["url"] for each in hosts))
    rate = f"{60 * best['summary']['rate']:,.1f} requests a minute"
    said: Words = (f"At {rate}, {who} under ", Foreign(best["strategy"]), f" {_does(best, many=len(hosts) > 1)}")
    if alone is not None:
        said = (*said, ", ", Foreign(alone["best_alone"]["host"]), f" alone {_does(alone, many=False)}")
    return (*said, ".")


def _does(document: Document, *, many: bool) -> str:
    """What whoever was measured does with its objectives, or where there are none, how soon it begins to answer."""
    summary, slo = document["summary"], document["slo"]
    if summary["void"] is not None:
        return "cannot be judged, for the run is void"
    if summary["steady"] == "overload":
        return f"{'are' if many else 'is'} overloaded"
    if slo:
        worst = next(each for each in ("breaks", "open", "keeps") if each in [one["kept"] for one in slo])
        found = [Objective(one["figure"], one["quantile"], one["limit_ms"]) for one in slo if one["kept"] == worst]
        return f"{VERBS[worst][many]} {' and '.join(each.in_words() for each in found)}"
    name = next((name for name in ("ttft_ms", "e2e_ms") if summary[name]["p50"]["value"] is not None), None)
    if name is None:
        return f"cannot be told of with {summary['requests']} requests"
    what = "first tokens" if name == "ttft_ms" else "answers"
    return f"{'have' if many else 'has'} half of the {what} within {ms(summary[name]['p50']['value'])}"


def _rank(document: Document) -> tuple[float, ...]:
    """The better, the smaller: more that is good, and then sooner."""
    summary = document["summary"]
    mean_ms = summary["e2e_ms"]["mean"]["value"]
    return (-(summary["goodput"] or 0.0), summary["unanswered"], float("inf") if mean_ms is None else mean_ms)


def verdict(documents: Sequence[Document]) -> str:
    """What the colour of the answer says: of the SLO under the best strategy; nothing where none was promised."""
    sets = [each for each in documents if each["best_alone"] is None and each["gate"] is not None]
    return str(min(sets, key=_rank)["gate"]["verdict"]) if sets else "inconclusive"


def blocks(documents: Sequence[Document]) -> list[Block]:
    """Latencies of each strategy and of the best single host, how they stand to what was promised, and what is odd."""
    asked = documents[0]["arrivals"]
    bound = "" if asked["queue"] is None else f", {asked['queue']} of them may wait"
    columns = {"": "", **{name: NUMBER for name, *_ in (*SHOWN, *ENDS)}, "good a minute": NUMBER, "state": ""}
    table = Table(f"Latency from the due time, arrivals {asked['asked']}{bound}", columns, [*map(_row, documents)])
    return [table, *([Items(items)] if (items := [item for each in documents for item in _items(each)]) else [])]


def _row(document: Document) -> list[str | Words]:
    summary = document["summary"]
    good = "" if summary["goodput"] is None else f"{60 * summary['goodput']:,.1f}"
    cells = [_estimate(summary[figure][quantile]) for _, figure, quantile in (*SHOWN, *ENDS)]
    return [name_of(document), *cells, good, STATES[summary["steady"]]]


def name_of(document: Document) -> Words:
    """Whose run it is."""
    alone = document["best_alone"]
    return (Foreign(document["strategy"]),) if alone is None else (Foreign(alone["host"]), " alone")


def _estimate(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return f"takes {found['requests_needed']:,} requests"
    return f"{ms(found['value'])} ({ms(found['low'])} to {ms(found['high'])})"


def _items(document: Document) -> list[Words]:
    summary, gate = document["summary"], document["gate"]
    said = [] if gate is None else [f"{gate['verdict']}. {gate['reason']}"]
    if gate is None and summary["void"] is not None:
        said.append(summary["void"])
    if document["ended"] is not None:
        said.append(
            f"The run was ended early, after {len(document['requests']):,} requests had come: {document['ended']}."
        )
    if summary["unanswered"]:
        said.append(f"{summary['unanswered']} of {summary['requests']} requests were refused or failed.")
    if summary["warm_up"]:
        said.append(f"The first {summary['warm_up']} requests are left out as warm-up.")
    return [(*name_of(document), ": ", each) for each in said]
