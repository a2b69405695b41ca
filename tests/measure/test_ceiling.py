"""What this machine's coordinator keeps up with, and who is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

import forked
from harness import ThreadedHosts, ollama
from outpace.measure import ceiling
from outpace.measure.ceiling import NEAR, SHARE, Ceiling
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.prompts import Generation, workload

FOUND = Ceiling(request_ms=0.4, token_ms=0.02)


def test_a_ceiling_is_a_share_of_what_the_processor_could_do() -> None:
    assert FOUND.requests_per_s(30) == pytest.approx(SHARE * 1000)
    assert FOUND.requests_per_s(80) == pytest.approx(SHARE * 500)
    assert FOUND.in_words(30).startswith("this machine keeps up with about 600 requests or 18,000 tokens a second")


def test_whoever_comes_near_it_is_told_and_nobody_else() -> None:
    near = NEAR * 30 * FOUND.requests_per_s(30)
    assert FOUND.warning(30, near - 1) is None
    said = FOUND.warning(30, near + 1)
    assert said is not None
    assert said.startswith("these hosts make up to 13,000 tokens a second, and this machine keeps up with about 600 ")
    assert "Measure from a quicker machine" in said


def test_it_is_found_in_the_processors_time() -> None:
    found = anyio.run(ceiling.measured)
    assert found is not None
    assert found.token_ms >= 0  # on a machine that is busy it may be lost in the noise
    assert 0 < found.requests_per_s(64) < 1000 / found.request_ms


@pytest.mark.parametrize(("times", "told"), [(1, False), (10_000, True)])
def test_a_session_is_told_before_it_measures(times: int, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts as these, and hosts that make so many times as many tokens in that time."""
    measured: list[bool] = []

    async def found() -> Ceiling:
        measured.append(True)
        return FOUND

    monkeypatch.setattr(ceiling, "measured", found)
    work = workload(["Why?", "How?"], Generation(max_tokens=12))
    with (
        ThreadedHosts(ollama("m", pause_s=0.05), ollama("m", pause_s=0.05)) as hosts,
        Session(Settings(hosts=hosts.hosts, workload=work)) as session,
    ):
        for answers in session.knowledge.first.values():
            answers[:] = [each._replace(output_tokens=12 * times) for each in answers]
        said = ceiling.told_of(session)
    assert bool(said) is told
    assert measured == [True] * told


def test_it_is_said_while_a_session_begins(tmp_path: Path) -> None:
    class Torrent(ollama("m")):  # type: ignore[misc]
        def _say(self, status: int, *objects: dict[str, Any]) -> None:
            super()._say(status, *(each | {"eval_count": 4000} if "eval_count" in each else each for each in objects))

    with ThreadedHosts(Torrent, Torrent) as hosts:
        options = [hosts.option, "--strategies=serial-per-side", "--rounds=1", "--no-pages", "--benchmark-disable"]
        said = forked.outpace("run", *options, folder=tmp_path).stdout
    told = said.index("outpace: these hosts make up to")
    assert told < said.index("serial-per-side")
    assert said.count("these hosts make up to") == 1
