"""What if, the changes: how they are read, those that cannot be made, and the recordings that they lead to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.command.what_if import Alteration, altered, parse_alteration
from outpace.ground.errors import UsageError
from outpace.recording import har
from outpace.recording.fitted_pace import alone
from outpace.recording.recording import Recording
from recorded import NAMES, changes, measured, recorded


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("add=desktop", Alteration("add", "desktop", 1)),
        ("add=desktop*3", Alteration("add", "desktop", 3)),
        ("add=10.0.0.7:11434", Alteration("add", "10.0.0.7:11434", 1)),
        ("speed=10.0.0.7:11434:0.5x", Alteration("speed", "10.0.0.7:11434", 0.5)),
        ("rtt=desktop:5ms", Alteration("rtt", "desktop", 5)),
        ("rtt=desktop:0.25s", Alteration("rtt", "desktop", 250)),
        ("slots=desktop:4", Alteration("slots", "desktop", 4)),
        ("remove=laptop", Alteration("remove", "laptop")),
    ],
)
def test_a_change_is_read(text: str, change: Alteration) -> None:
    assert parse_alteration(text) == change


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Write add=HOST or add=HOST*3"),
        ("desktop", "slots=HOST:4"),
        ("add=", "cannot read 'add='"),
        ("buy=desktop", "cannot read 'buy=desktop'"),
        ("x" * 999, "…"),
        ("add=desktop*0", "Write add=HOST or add=HOST*3"),
        ("add=desktop*65", "up to 64"),
        ("add=desktop*", "up to 64"),
        ("add=*3", "up to 64"),
        ("speed=desktop", "speed=HOST:2x"),
        ("speed=desktop:2", "speed=HOST:2x"),
        ("speed=desktop:0x", "from 0.1x to 100x"),
        ("speed=desktop:101x", "from 0.1x to 100x"),
        ("speed=desktop:nanx", "from 0.1x to 100x"),
        ("speed=:2x", "speed=HOST:2x"),
        ("rtt=desktop", "rtt=HOST:5ms"),
        ("rtt=desktop:5", "such as 22ms or 0.5s"),
        ("rtt=desktop:-5ms", "such as 22ms or 0.5s"),
        ("slots=desktop:0", "1 or more"),
        ("slots=desktop:1.5", "1 or more"),
        ("slots=desktop:9999", "1 or more"),
    ],
)
def test_a_change_that_cannot_be_read_is_told_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_alteration(text)
    told = str(raised.value)
    assert said in told
    assert "what if" in told
    assert "\n" not in told
    assert len(told) < 400


@pytest.mark.parametrize(
    ("name", "texts", "said"),
    [
        ("vllm", ["add=desk"], "add=desk: the hosts are laptop, desktop"),
        ("vllm", ["remove=laptop", "speed=laptop:2x"], "speed=laptop: the hosts are desktop"),
        ("vllm", ["remove=laptop", "remove=desktop"], "leaves no host"),
        ("phase-0", ["remove=local"], "was answered by local alone"),
        ("vllm", ["speed=desktop:100x", "speed=desktop:100x"], "Ask for less speed"),
    ],
)
def test_a_change_that_cannot_be_made_is_told(name: str, texts: list[str], said: str) -> None:
    with pytest.raises(UsageError, match="what if") as raised:
        altered(recorded(name), changes(*texts))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_speed_that_is_not_known_cannot_be_changed() -> None:
    found = recorded("phase-0")
    kept = tuple(each for each in found.exchanges if each.host == "local")
    with pytest.raises(UsageError, match="no recorded request had remote to itself"):
        altered(replace(found, exchanges=kept), changes("speed=remote:2x"))


def test_fewer_slots_cap_what_a_sweep_would_find() -> None:
    laptop, desktop = altered(recorded("vllm"), changes("slots=laptop:3")).hosts
    assert [level.in_flight for level in laptop.levels] == [1, 2, 4, 8]
    between = (24.548 + 41.568) / 2
    assert [level.tokens_per_s for level in laptop.levels[2:]] == pytest.approx([between, between])
    assert desktop == recorded("vllm").hosts[1]


@pytest.mark.parametrize("texts", [["add=desktop*2"], ["speed=laptop:2x"], ["speed=desktop:0.5x"], ["rtt=desktop:9ms"]])
def test_else_the_baseline_stays(texts: list[str]) -> None:
    assert altered(recorded("ollama-np1"), changes(*texts)).baseline == "laptop"


def test_copies_have_names_and_addresses_of_their_own_and_what_their_original_did() -> None:
    found = altered(recorded("embedded"), changes("add=embedded-2*2", "add=embedded-1", "rtt=embedded-4:1ms"))
    assert [host.name for host in found.hosts] == [f"embedded-{number}" for number in range(1, 6)]
    assert len({host.url for host in found.hosts}) == 5
    assert found.hosts[2].url == "http://copy-1.invalid:45425"
    assert replace(found.hosts[2], name="", url="") == replace(found.hosts[1], name="", url="")
    assert alone("embedded-3", found) == alone("embedded-2", found)
    assert [host.round_trip_ms for host in found.hosts] == [1.669, 46.293, 46.293, 1.0, 1.669]


def test_a_name_that_was_given_up_is_not_given_again() -> None:
    found = altered(recorded("vllm"), changes("add=laptop", "remove=laptop", "add=laptop-2"))
    assert [host.name for host in found.hosts] == ["desktop", "laptop-2", "laptop-3"]


def test_nothing_changed_is_the_recording_itself() -> None:
    assert altered(recorded("vllm"), []) == recorded("vllm")


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_recording_is_one_that_can_be_kept(name: str, tmp_path: Path) -> None:
    first, second = (host.name for host in recorded(name).hosts)
    asked = changes(f"add={second}*2", f"speed={first}:1.7x", f"rtt={second}:3.3ms", f"slots={first}:2")
    found = altered(recorded(name), asked)
    assert found == altered(recorded(name), asked)
    assert all(run.makespan_ms is None for run in found.runs)
    har.write(tmp_path / "r.json", found)
    read = har.read(tmp_path / "r.json")
    assert read == found
    assert "1.7x as fast" in read.comment
    assert measured(read, "pull", tmp_path)[0].replay_errors == []


def parts(recording: Recording, host: str) -> list[tuple[str, int]]:
    return [(run.name, prompt) for run, prompt, _ in alone(host, recording)]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(NAMES),
    st.floats(0.1, 8).map(lambda factor: round(factor, 3)),
    st.floats(0, 500).map(lambda ms: round(ms, 2)),
)
def test_who_had_its_host_to_itself_still_has(name: str, factor: float, rtt_ms: float) -> None:
    host = recorded(name).hosts[1].name
    found = altered(recorded(name), [Alteration("speed", host, factor), Alteration("rtt", host, rtt_ms)])
    assert parts(found, host) == parts(recorded(name), host)
    works = zip(alone(host, found), alone(host, recorded(name)), strict=True)
    assert all(new == pytest.approx(old / factor, abs=0.01) for (_, _, new), (_, _, old) in works)
