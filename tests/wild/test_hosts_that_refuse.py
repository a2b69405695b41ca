"""Hosts that refuse what is more than so many requests at once: that is a limit of theirs, and no failure."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from field_hosts import ollama_host
from harness import ThreadedHosts
from outpace.ground.errors import Unfinished
from outpace.judge import capacity
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.sweep import sweep, write_capacities
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.recording.recording import Scene
from outpace.workload.prompts import DEFAULT_PROMPTS, workload

pytestmark = pytest.mark.waits

WORKS_S = 0.1
PROMPTS = workload(DEFAULT_PROMPTS)


@pytest.mark.parametrize(("admits", "levels"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3])])
def test_a_sweep_ends_with_as_many_as_a_host_admits(tmp_path: Path, admits: int, levels: list[int]) -> None:
    """github.com/mostlygeek/llama-swap/issues/123, whose limit is ten: report 12."""
    batches = ollama_host(works_s=WORKS_S, slots=8, admits=admits)
    with (
        ThreadedHosts(batches, ollama_host()) as hosts,
        Session(Settings(hosts=hosts.hosts, workload=PROMPTS)) as found,
    ):
        swept = sweep(found, "a")
        assert [level.in_flight for level in swept.levels] == levels
        assert swept.limit == swept.limit_high == admits
        assert f"more than {admits} at once it refuses (a is busy (status 429): Too many requests)" in swept.reason
        assert "may be better" not in swept.reason
        write_capacities(found, tmp_path / "capacity.json")
        assert found.knowledge.of_hosts(swept=True)["a"].limit == admits
    (kept,) = capacity.from_document(capacity.read(tmp_path / "capacity.json"))
    assert (kept.capacity.limit, kept.capacity.reason) == (swept.limit, swept.reason)


def test_a_recording_has_no_level_of_more_than_a_host_admits(tmp_path: Path) -> None:
    file = tmp_path / "recording.json"
    with ThreadedHosts(ollama_host(works_s=0.05, slots=8, admits=2), ollama_host(slots=8)) as hosts:  # noqa: SIM117
        with Session(Settings(hosts=hosts.hosts, workload=PROMPTS, record=file)) as found:
            found.run(Scene("pull", "pull"))
    admits, takes_all = har.read(file).hosts
    assert [level.in_flight for level in admits.levels] == [1, 2]
    assert [level.in_flight for level in takes_all.levels] == [1, 2, 4, 8]
    assert admits.slots == 2


def test_a_host_that_has_no_room_for_a_single_request_cannot_be_swept() -> None:
    turns = cycle([True, False])
    full = False

    class Full(ollama_host()):  # type: ignore[misc]
        def work(self, asked: dict[str, Any], load_s: float) -> None:
            if full and next(turns):
                return self.say(b"Too many requests", 503)
            return super().work(asked, load_s)

    with ThreadedHosts(Full, ollama_host()) as hosts, Session(Settings(hosts=hosts.hosts, workload=PROMPTS)) as found:
        full = True
        with pytest.raises(Unfinished, match="a takes not even one request at a time"):
            sweep(found, "a")
        assert found.knowledge.capacities == {}


def test_what_a_host_was_too_busy_for_is_told_apart_from_what_failed(tmp_path: Path) -> None:
    hosts_of = [ollama_host(works_s=0.02, slots=8, admits=2), ollama_host(works_s=0.02, slots=8)]
    with ThreadedHosts(*hosts_of) as hosts:  # noqa: SIM117
        with Session(Settings(hosts=hosts.hosts, workload=PROMPTS, baseline="b")) as found:
            measured = Measurement(found, "all-parallel", report_dir=tmp_path)
            measured.measure(1)
    (busy,) = (note for note in measured.comparison().notes if "too busy" in note)
    assert busy.startswith("2 times a host was too busy to take a request (429 or 503)")
    assert not any("attempts failed" in note for note in measured.comparison().notes)
