"""The recordings of the repository by name, changes to them, and a measurement of what came of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness import REPOSITORY
from outpace.compare import Comparison
from outpace.measurement import Measurement
from outpace.regression import replayed
from outpace.replay import Recording, har
from outpace.whatif import Change, parse_change

NAMES = ["embedded", "ollama-np1", "llama-server-np4", "vllm", "phase-0"]


@cache
def recorded(name: str) -> Recording:
    return har.read(REPOSITORY / "bench" / "recordings" / f"{name}.json")


def changes(*texts: str) -> list[Change]:
    return [parse_change(text) for text in texts]


def measured(recording: Recording, strategy: str, folder: Path) -> tuple[Measurement, Comparison]:
    measurement = replayed(recording, strategy, folder)
    return measurement, measurement.comparison()
