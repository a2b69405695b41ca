"""What each rule comes to on the recorded machines: ``tox -e study -- rules_table.py`` writes it into docs/rules.md.

Everything is replayed from the recordings of this repository, so the tables are the same wherever they are made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from outpace.command.rules import OURS, rank
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.report.rules import Rule, Told
from outpace.simulation.altered_recording import Alteration, altered
from outpace.suite.command_line import strategies_named
from outpace.workload.prompts import workload

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "rules.md"
RECORDINGS = ("phase-0", "ollama-np1", "llama-server-np4", "vllm", "embedded")
SLOWER = 0.25
"""How fast the second machine is in the table of unequal ones, against what it was."""
MANY = 8
"""There the eight prompts are asked so many times over, so that even a slow machine gets some in time."""


def read(name: str) -> Recording:
    """One of the repository's recordings."""
    return har.read(REPOSITORY / "bench" / "recordings" / f"{name}.json")


def as_recorded(recording: Recording) -> Told:
    """The rules over the machines as they were, the prompts all at once."""
    return rank(recording, strategies_named(f"rules,{OURS}", "rules"), recording.workload)


def unequal(recording: Recording) -> Told:
    """The same where the machine named last is ``SLOWER``, and the prompts are asked ``MANY`` times over."""
    slow = altered(recording, [Alteration("speed", recording.hosts[-1].name, SLOWER)])
    texts = [prompt.text for prompt in recording.workload.prompts] * MANY
    return rank(slow, strategies_named(f"rules,{OURS}", "rules"), workload(texts, recording.workload.generation))


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
    """Make the tables and put them into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, ranked in (("as-recorded", as_recorded), ("unequal", unequal)):
        made = table([(each, ranked(read(each))) for each in RECORDINGS])
        print(f"{name}\n\n{made}", flush=True)  # noqa: T201
        page = put(page, name, made)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
