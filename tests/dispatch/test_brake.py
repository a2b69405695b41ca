"""A run that is ended early: what had come and is open is called off, the rest is no part of it, nothing is lost."""

from __future__ import annotations

import pytest

from outpace.dispatch import RULES, STRATEGIES
from outpace.dispatch.ledger import Ledger
from outpace.ground.records import CALLED_OFF
from virtual import NumberEngine, coordinate

DUE_S = [0.5 * number for number in range(20)]


def after(come: int):
    def brake(ledger: Ledger) -> str | None:
        return "enough was seen" if ledger.come >= come else None

    return brake


@pytest.mark.parametrize("strategy", [*STRATEGIES, *RULES])
@pytest.mark.parametrize("come", [1, 7, 20])
def test_whatever_had_come_is_answered_or_called_off(strategy: str, come: int) -> None:
    outcome, took_s = coordinate([NumberEngine("a"), NumberEngine("b")], strategy, due_s=DUE_S, brake=after(come))
    run = outcome.run
    assert [each.prompt for each in run.requests] == list(range(come))
    assert [each.due_ms for each in run.requests] == [1000 * due_s for due_s in DUE_S[:come]]
    assert run.ended == "enough was seen"
    assert took_s == pytest.approx(DUE_S[come - 1])
    for request, answer in zip(run.requests, outcome.answers, strict=True):
        if request.error is None:
            assert answer == f"{request.host} answers {request.prompt}"
            assert request.start_ms + request.wall_ms <= took_s * 1000 + 1e-6
        else:
            assert request.error == f"{CALLED_OFF}enough was seen"


def test_a_run_that_nobody_brakes_is_whole() -> None:
    outcome, _ = coordinate([NumberEngine("a")], "pull", due_s=DUE_S, brake=lambda _: None)
    assert (len(outcome.run.requests), outcome.run.ended, outcome.run.failed) == (20, None, ())


def test_a_brake_sees_who_waits_and_whether_a_host_was_tried() -> None:
    seen: list[list[tuple[float, bool]]] = []

    def brake(ledger: Ledger) -> None:
        seen.append(sorted(ledger.waiting))

    coordinate([NumberEngine("a")], "pull", due_s=[0.0, 0.1, 0.2], brake=brake)
    assert [(0.0, True), (100.0, False), (200.0, False)] in seen
    assert seen[-1] == [(200.0, False)]  # once the last is answered, nobody asks any more
