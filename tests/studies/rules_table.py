"""What each rule comes to on the recorded machines: ``tox -e study -- rules_table.py`` writes it into docs/rules.md.

Everything is replayed from the recordings of this repository, so the tables are the same wherever they are made.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from outpace.command.rules import OURS, RATE_REQUESTS, RATE_WITHIN, borne, rank
from outpace.judge.slo import parse_slo
from outpace.measure.rate_search import RateAsked
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.report.rules import Rule, Told
from outpace.simulation.altered_recording import Alteration, altered
from outpace.suite.command_line import strategies_named
from outpace.workload.arrivals import parse_kind
from outpace.workload.prompts import workload

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "rules.md"
RECORDINGS = ("phase-0", "ollama-np1", "llama-server-np4", "vllm", "embedded")
SLOWER = 0.25
"""How fast the second machine is in the table of unequal ones, against what it was."""
MANY = 8
"""There the eight prompts are asked so many times over, so that even a slow machine gets some in time."""


SLO = "e2e:p95<5s"
"""What is promised where a rate is searched for."""


def read(name: str) -> Recording:
    """One of the repository's recordings."""
    return har.read(REPOSITORY / "bench" / "recordings" / f"{name}.json")


def as_recorded(recording: Recording) -> Told:
    """The rules over the machines as they were, the prompts all at once."""
    return rank(recording, strategies_named(f"rules,{OURS}", "rules"), recording.workload)


def unequal(recording: Recording) -> Told:
    """The same where the machine named last is ``SLOWER``, and the prompts are asked ``MANY`` times over."""
    texts = [prompt.text for prompt in recording.workload.prompts] * MANY
    return rank(
        slowed(recording), strategies_named(f"rules,{OURS}", "rules"), workload(texts, recording.workload.generation)
    )


def slowed(recording: Recording) -> Recording:
    """The machines with the one named last ``SLOWER``."""
    return altered(recording, [Alteration("speed", recording.hosts[-1].name, SLOWER)])


def rates(recordings: Sequence[tuple[str, Recording]]) -> str:
    """A row a rule, a column a recording: requests a minute, bold where no other bears more as far as can be told."""
    asked = RateAsked(parse_kind("poisson", RATE_REQUESTS), "poisson", parse_slo(SLO), RATE_REQUESTS, RATE_WITHIN)
    strategies = strategies_named(f"rules,{OURS}", "rules")
    columns = []
    for _, recording in recordings:
        found = borne(recording, strategies, asked)["found"]
        columns.append({each["strategy"]: each["rate_per_s"] for each in found})
    most = [max(rate["low"] for rate in column.values()) for column in columns]
    names = sorted(columns[0], key=lambda name: sum(column[name]["value"] for column in columns), reverse=True)
    rows = [["rule", *(name for name, _ in recordings)], ["---", *("---:" for _ in recordings)]]
    for name in names:
        shown = []
        for column, least in zip(columns, most, strict=True):
            rate = column[name]
            text = f"{60 * rate['value']:.3g}"
            shown.append(f"**{text}**" if rate["high"] is None or rate["high"] >= least else text)
        rows.append([f"`{name}`", *shown])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def table(columns: Sequence[tuple[str, Told]]) -> str:
    """A row a rule, a column a recording: the set gain, bold where it is the best or cannot be told from it."""
    names = [rule.name for rule in sorted(columns[0][1].rules, key=_gain, reverse=True)]
    rows = [["rule", *(name for name, _ in columns)], ["---", *("---:" for _ in columns)]]
    rows += [[f"`{name}`", *(cell(told, name) for _, told in columns)] for name in names]
    rows.append(
        ["best alone", *(told.alone.replace(" with ", ", ").replace(" in flight", " at once") for _, told in columns)]
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def cell(told: Told, name: str) -> str:
    """The set gain of one rule."""
    (rule,) = [each for each in told.rules if each.name == name]
    gain = f"{_gain(rule):.2f}"
    best = told.best
    return f"**{gain}**" if best and name in (best.winner, *best.tied) else gain


def _gain(rule: Rule) -> float:
    return rule.gain.median if rule.gain else 0.0


def put(page: str, name: str, made: str) -> str:
    """The ``page`` with ``made`` between its marks called ``name``; raises ``ValueError`` where there are none."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marks.search(page):
        raise ValueError(f"the page has no marks called {name}")
    return marks.sub(lambda found: found[1] + made + found[2], page)


def main() -> None:
    """Make the tables, or those that are named, and put them into the page."""
    make = {
        "as-recorded": lambda: table([(each, as_recorded(read(each))) for each in RECORDINGS]),
        "unequal": lambda: table([(each, unequal(read(each))) for each in RECORDINGS]),
        "rates": lambda: rates([(each, read(each)) for each in RECORDINGS]),
        "rates-unequal": lambda: rates([(each, slowed(read(each))) for each in RECORDINGS]),
    }
    for name in sys.argv[1:] or make:
        made = make[name]()
        print(f"{name}\n\n{made}", flush=True)  # noqa: T201
        PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), name, made), encoding="utf-8")


if __name__ == "__main__":
    main()
