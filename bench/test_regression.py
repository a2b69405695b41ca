"""Recorded sessions, replayed and held against the reports that are kept of them: what CI runs on every change.

A difference fails and says what changed. ``pytest bench/test_regression.py --accept`` keeps the new figures.
"""

from pathlib import Path

import pytest

from outpace.judge.gate import NOT_ENFORCED
from outpace.measure.measurement import Measurement
from outpace.suite.regression import replay, unexpected

HOW_TO_ACCEPT = "To keep the new figures: pytest bench/test_regression.py --accept"


@pytest.fixture(scope="session")
def replayed(recording: Path, replayed_strategy: str, tmp_path_factory) -> Measurement:
    if not recording.is_file():
        pytest.fail(f"There is no recording in {recording}: a gate without one does not pass.", pytrace=False)
    return replay(recording, replayed_strategy, tmp_path_factory.mktemp(recording.stem))


@pytest.mark.outpace_replays
def test_regression(recording: Path, replayed_strategy: str, replayed: Measurement, accept: bool):
    expected = recording.with_suffix("") / replayed.path.name
    changes = unexpected(replayed.path, expected, accept=accept)
    assert not changes, "\n".join([f"{recording.name}, {replayed_strategy}:", *changes, HOW_TO_ACCEPT])


@pytest.mark.outpace_replays
def test_recorded_gate(recording: Path, replayed_strategy: str, replayed: Measurement):
    verdict = replayed.verdict()
    if verdict.verdict != "pass" and replayed_strategy in NOT_ENFORCED:
        pytest.xfail(f"{verdict.reason} Not enforced.")
    assert verdict.verdict == "pass", verdict.reason
