"""The recordings of the repository by name, changes to them, and a measurement of what came of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness import REPOSITORY
from outpace.command.what_if import Alteration, parse_alteration
from outpace.judge.comparison import Comparison
from outpace.measure.measurement import Measurement
from outpace.recording import har
from outpace.recording.recording import Recording
from outpace.suite.regression import replayed

NAMES = ["embedded", "ollama-np1", "llama-server-np4", "vllm", "phase-0"]


@cache
def recorded(name: str) -> Recording:
    return har.read(REPOSITORY / "bench" / "recordings" / f"{name}.json")


def changes(*texts: str) -> list[Alteration]:
    return [parse_alteration(text) for text in texts]


def measured(recording: Recording, strategy: str, folder: Path) -> tuple[Measurement, Comparison]:
    measurement = replayed(recording, strategy, folder)
    return measurement, measurement.comparison()
