"""What each strategy comes to on the recorded machines: ``tox -e study -- recordings.py`` writes it into a page.

It is docs/strategies.md. Everything is replayed from the recordings of this repository, so the tables are the same
wherever they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from outpace.dispatch import STRATEGIES
from outpace.ground.records import BASELINE, BestAlone, overhead_ratios, set_gains
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.prompts import workload
from rules_table import RECORDINGS, REPOSITORY, put, read

PAGE = REPOSITORY / "docs" / "strategies.md"
TIMES = (1, 8)
"""The eight prompts are asked so many times over."""
RATIOS = (("serial-per-side", True), ("all-parallel", True), ("pull", True), ("capacity-aware", False))
"""Strategies in the table of ratios, and whether they begin with what a sweep found."""


def measured(name: str, strategy: str, times: int, *, swept: bool = True) -> tuple[float, float, BestAlone]:
    """The overhead ratio and the set gain of a replay, and the best alone of it."""
    recording = read(name)
    texts = [prompt.text for prompt in recording.workload.prompts] * times
    work = workload(texts, recording.workload.generation)
    with (
        Session(Settings(recording=recording, workload=work, baseline=recording.baseline)) as session,
        TemporaryDirectory() as folder,
    ):
        if not swept:
            session.knowledge.capacities.clear()
        measurement = Measurement(session, strategy, report_dir=Path(folder))
        measurement.measure(recording.rounds)
        assert session.best_alone is not None
        rounds = measurement.rounds
        return median(overhead_ratios(rounds)), median(set_gains(rounds)), session.best_alone


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [["recording", "prompts", *head], ["---"] * (2 + len(head)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Make the tables and put them into the page."""
    ours = [each for each in STRATEGIES if each != BASELINE]
    ratios, gains = [], []
    for name in RECORDINGS:
        for times in TIMES:
            found = {each: measured(name, each, times) for each in ours}
            plain = [f"{(found[each] if swept else measured(name, each, times, swept=False))[0]:.2f}"
                     for each, swept in RATIOS]  # fmt: skip
            head = [f"`{name}`", str(times * len(read(name).workload.prompts))]
            ratios.append([*head, *plain, f"{found['capacity-aware'][0]:.2f}"])
            alone = found["pull"][2]
            best = max(gain for _, gain, _ in found.values())
            told = [f"**{gain:.2f}**" if gain > 0.99 * best else f"{gain:.2f}" for _, gain, _ in found.values()]
            gains.append([*head, f"{alone.host}, {alone.in_flight} at once{alone.order}", *told])
            print(*ratios[-1], *gains[-1][2:], flush=True)  # noqa: T201
    page = PAGE.read_text(encoding="utf-8")
    named = ["serial-per-side", "all-parallel", "pull, with a sweep", "capacity-aware", "with a sweep"]
    page = put(page, "ratios", table(named, ratios))
    PAGE.write_text(put(page, "gains", table(["best alone", *ours], gains)), encoding="utf-8")


if __name__ == "__main__":
    main()
