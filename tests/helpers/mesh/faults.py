"""A session over a mesh on which something goes wrong in the middle of a run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh.engines import reference
from mesh.network import Mesh
from outpace.ground.errors import Unfinished
from outpace.ground.hosts import Host
from outpace.ground.records import Run
from outpace.judge.comparison import Comparison
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.report import document
from outpace.workload.prompts import Generation, workload
from reference.truth import Truth

TRUTH = Truth(tokens_per_s=40.0, prompt_ms=25.0, tokens=19)
"""Half a second a prompt."""
LIMIT_S = 180.0


@dataclass(frozen=True)
class Told:
    """What a session said afterwards; ``problem`` is why a strategy did not finish."""

    run: Run
    comparison: Comparison
    problem: str | None
    notes: str
    """Those of the report as it stands on disk."""

    @property
    def answered_by(self) -> list[str | None]:
        """The host of each prompt, None where it was answered by none."""
        return [request.host if request.error is None else None for request in self.run.requests]

    @property
    def lost(self) -> dict[str, int]:
        """How many attempts failed, by host and kind."""
        found: dict[str, int] = {}
        for attempt in self.run.failed_attempts:
            key = f"{attempt.host}: {attempt.kind}"
            found[key] = found.get(key, 0) + 1
        return found


@contextlib.contextmanager
def engines(mesh: Mesh) -> Iterator[list[Host]]:
    """An engine of known truth on the laptop and on the desktop."""
    with reference(mesh.laptop, TRUTH) as laptop, reference(mesh.desktop, TRUTH) as desktop:
        yield [Host("laptop", laptop), Host("desktop", desktop)]


def measured(
    mesh: Mesh, hosts: Sequence[Host], happens: Callable[[], None], folder: Path, *, words: int = 0, prompts: int = 8
) -> Told:
    """Measure one round of serial-per-side on ``mesh``; ``happens`` once two prompts of its run are answered.

    ``words`` is how long prompts are, beyond a few.
    """
    now = threading.Event()
    measurement: Measurement | None = None

    def watch(_strategy: str, done: int, _all: int) -> None:
        if measurement is not None and measurement.phase == "run" and done == 2:
            now.set()

    def session() -> Told:
        nonlocal measurement
        texts = [f"{number}: name a river{' and a mountain' * (words // 3)}" for number in range(prompts)]
        settings = Settings(hosts=list(hosts), workload=workload(texts, Generation(max_tokens=64)), baseline="laptop")
        problem = None
        with Session(settings, watch=watch) as opened:
            measurement = Measurement(opened, "serial-per-side", report_dir=folder)
            try:
                measurement.measure(1)
            except Unfinished as error:
                problem = str(error)
            finally:
                now.set()
            written = document.read(measurement.path)
            told = measurement.comparison()
        return Told(measurement.rounds[0].run, told, problem, " ".join(written["summary"]["notes"]))

    running = mesh.coordinator.inside(session)
    if not now.wait(LIMIT_S):
        raise TimeoutError("the run did not get as far")
    happens()
    return running.result(LIMIT_S)
