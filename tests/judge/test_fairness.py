"""What must hold for a ratio to mean what it says: held, broken, or not told."""

from __future__ import annotations

import sys
import time

import anyio
import pytest

from outpace.ground.records import RequestRecord, Round, Run
from outpace.judge.fairness import ServedModel, check
from outpace.measure.lag import TICK_S, LagWatch, traced_by

SAME = [ServedModel("m", "d"), ServedModel("m", "d")]
ANSWER = RequestRecord(
    0, "a", 0.0, 100.0, queue_ms=0.0, load_ms=2.0, prompt_tokens=9, output_tokens=32, cached_tokens=0
)


def run(*requests: RequestRecord, lag_ms: float | None = 0.5) -> Run:
    return Run(
        "pull", ("a", "b"), 200.0, requests or (ANSWER, ANSWER._replace(prompt=1, start_ms=100.0)), lag_ms=lag_ms
    )


def found(
    *rounds: Round,
    served: list[ServedModel] | None = None,
    clock_off_s: float | None = 0.0,
    in_work: int | None = None,
    traced_by: str | None = None,
) -> dict[str, bool | None]:
    checks = check(rounds, served or SAME, clock_off_s=clock_off_s, in_work=in_work, traced_by=traced_by)
    return {each.name: each.held for each in checks}


def broken(*rounds: Round, **more: object) -> list[str]:
    return [name for name, held in found(*rounds, **more).items() if held is False]  # type: ignore[arg-type]


def test_all_hold_in_a_fair_session() -> None:
    assert set(found(Round(run(), run())).values()) == {True}


def test_what_no_engine_tells_is_not_called_held() -> None:
    silent = ANSWER._replace(queue_ms=None, load_ms=None, prompt_tokens=None, output_tokens=None, cached_tokens=None)
    told = found(Round(run(silent, lag_ms=None), run(silent, lag_ms=None)), served=[ServedModel("m", None)] * 2)
    assert [held for name, held in told.items() if "clock" not in name and "traces" not in name] == [None] * 6


@pytest.mark.parametrize(("in_work", "held"), [(0, True), (1, False), (None, None)])
def test_hosts_that_tell_no_wait_may_tell_what_they_are_at(in_work: int | None, held: bool | None) -> None:
    silent = run(ANSWER._replace(queue_ms=None))
    assert found(Round(silent, silent), in_work=in_work)["hosts idle before each run"] is held


def test_a_tracer_that_follows_the_coordinator_is_named() -> None:
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        by = traced_by()
    finally:
        sys.settrace(before)
    (only,) = broken(Round(run(), run()), traced_by=by)
    assert only == "nothing traces the coordinator"
    assert before is not None or traced_by() is None


def test_a_busy_host_breaks_it_though_nothing_waited() -> None:
    (only,) = broken(Round(run(), run()), in_work=2)
    assert "hosts idle" in only


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"output_tokens": 28}, "same output tokens"),
        ({"cached_tokens": 3}, "from a cache"),
        ({"load_ms": 900.0}, "no model loaded"),
        ({"queue_ms": 400.0}, "hosts idle"),
    ],
)
def test_each_of_a_requests_is_found_broken_alone(changed: dict[str, float], name: str) -> None:
    (only,) = broken(Round(run(), run(ANSWER._replace(**changed), ANSWER._replace(prompt=1, start_ms=100.0))))
    assert name in only


def test_a_wait_behind_a_request_of_ours_does_not_say_that_the_host_was_busy() -> None:
    behind = ANSWER._replace(prompt=1, queue_ms=100.0)
    assert broken(Round(run(), run(ANSWER, behind))) == []


@pytest.mark.parametrize(
    "served", [[ServedModel("m", "d"), ServedModel("m", "e")], [ServedModel("m", None), ServedModel("n", None)]]
)
def test_two_models_are_not_one(served: list[ServedModel]) -> None:
    assert broken(Round(run(), run()), served=served) == ["the same model on all hosts"]


def test_a_coordinator_that_lags_is_told() -> None:
    (only,) = broken(Round(run(), run(lag_ms=2.1)))
    assert "coordinator" in only


def test_a_clock_that_jumps_is_told() -> None:
    assert broken(Round(run(), run()), clock_off_s=-3.0) == ["the clock ran evenly"]
    assert found(Round(run(), run()), clock_off_s=None)["the clock ran evenly"] is True


def test_an_event_loop_that_is_held_up_is_seen() -> None:
    async def main() -> float:
        async with LagWatch() as lag:
            await anyio.sleep(2 * TICK_S)
            time.sleep(0.1)  # noqa: ASYNC251 - it is the point
            await anyio.sleep(2 * TICK_S)
        return lag.worst_ms

    assert anyio.run(main) > 50
