"""Regression: a recording replayed, and its report held against the one that was kept."""

from __future__ import annotations

from pathlib import Path

from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.report import document
from outpace.report.difference import differences
from outpace.workload.prompts import Workload


def replay(recording: Path, strategy: str, report_dir: Path) -> Measurement:
    """Replay all rounds of ``recording`` under ``strategy``; the report is written to ``report_dir``.

    Raises ``DocumentInvalid`` where the recording cannot be read.
    """
    return replayed(har.read(recording), strategy, report_dir)


def replayed(
    recording: Recording, strategy: str, report_dir: Path, *, rounds: int | None = None, work: Workload | None = None
) -> Measurement:
    """Replay ``recording`` under ``strategy``: all its rounds and its own workload, unless said otherwise."""
    settings = Settings(recording=recording, workload=work or recording.workload, baseline=recording.baseline)
    with Session(settings) as session:
        measurement = Measurement(session, strategy, report_dir=report_dir)
        measurement.measure(rounds or recording.rounds)
    return measurement


def unexpected(report: Path, expected: Path, *, accept: bool = False) -> list[str]:
    """How ``report`` differs from the one that is kept at ``expected``, in lines; ``accept`` keeps it instead.

    Raises ``DocumentInvalid`` where one of them cannot be read.
    """
    new = document.read(report)
    if accept:
        document.write(expected, new)
    if not expected.exists():
        return [f"no report is kept at {expected}"]
    return differences(document.read(expected), new)
