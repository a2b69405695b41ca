"""A session measures where it was opened: a test that a plugin runs in another thread or process is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from outpace.ground.errors import UsageError
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from recorded import recorded


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Measurement]:
    recording = recorded("phase-0")
    with Session(Settings(recording=recording, workload=recording.workload)) as session:
        yield Measurement(session, "serial-per-side", report_dir=tmp_path)


def test_another_thread_does_not_measure_and_the_first_still_does(opened: Measurement) -> None:
    with ThreadPoolExecutor(1) as other, pytest.raises(UsageError, match="in another, as some pytest plugins do"):
        other.submit(opened.measure, 1).result()
    opened.measure(1)
    assert len(opened.rounds) == 1


def test_another_process_does_not_measure(opened: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        with pytest.raises(UsageError, match="-p no:PLUGIN"):
            opened.measure(1)
