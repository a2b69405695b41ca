"""A host that loses its model in the middle of a run: it is put to rest, and drains no queue with refusals."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any

import pytest

from field_hosts import openai_host
from harness import ThreadedHosts
from outpace.dispatch.attempts import ATTEMPTS_A_HOST
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.recording.recording import Scene
from outpace.workload.prompts import workload

pytestmark = pytest.mark.waits
PROMPTS = workload([f"Question {number}" for number in range(24)])
UNLOADED = "No models loaded. Please load a model in the developer page or use the 'lms load' command."


def loses_its_model(after: int, until: int, *, cut: bool) -> type[BaseHTTPRequestHandler]:
    """An LM Studio whose whole answers from one number on to another are refused, the first of them perhaps ``cut``."""
    numbers = count()

    class Handler(openai_host(200, {}, wait_s=0.01, owner="organization_owner")):  # type: ignore[misc]
        def answer(self, asked: dict[str, Any]) -> None:
            number = next(numbers) if asked["max_tokens"] > 1 else -1
            if cut and number == after:  # somebody else's load puts the model out that is at work
                part = b'data: {"choices": [{"index": 0, "delta": {"content": "Ye"}, "finish_reason": null}]}\n\n'
                self.say(part, content_length=str(len(part) + 100), content_type="text/event-stream")
                self.close_connection = True
            elif after <= number < until:
                error = {"message": UNLOADED, "type": "invalid_request_error"}
                self.say(json.dumps({"error": error}).encode(), 404)
            else:
                super().answer(asked)

    return Handler


@pytest.mark.parametrize("strategy", ["pull", "serial-per-side", "all-parallel", "hedged"])
@pytest.mark.parametrize("cut", [False, True], ids=["refuses", "cuts an answer"])
def test_a_model_that_is_put_out_in_the_middle_of_a_session_costs_no_prompt(strategy: str, cut: bool) -> None:
    """github.com/lmstudio-ai/lmstudio-bug-tracker/issues/1796: report 31."""
    warm_up = 3
    gone = loses_its_model(warm_up + 2, 1_000, cut=cut)
    with ThreadedHosts(openai_host(200, {}, wait_s=0.02, owner="organization_owner"), gone) as hosts:  # noqa: SIM117
        with Session(Settings(hosts=hosts.hosts, workload=PROMPTS, baseline="a")) as session:
            run = session.run(Scene(strategy, strategy)).run
    assert not run.failed
    assert {request.host for request in run.requests} == {"a", "b"}
    kinds = [attempt.kind for attempt in run.failed_attempts if attempt.host == "b" and attempt.kind != "spent"]
    assert set(kinds) <= {"model", "cut"}
    assert ("cut" in kinds) is cut
    assert any("No models loaded" in attempt.error for attempt in run.failed_attempts)
    in_flight_at_once = len(PROMPTS.prompts) // 2 if strategy == "all-parallel" else 1
    assert len(kinds) <= ATTEMPTS_A_HOST * in_flight_at_once + 3, "it drains no queue"


def test_a_host_that_has_its_model_again_is_used_again() -> None:
    """report 31."""
    other = openai_host(200, {}, wait_s=0.05, owner="organization_owner")
    with ThreadedHosts(other, loses_its_model(5, 6, cut=False)) as hosts:  # noqa: SIM117
        with Session(Settings(hosts=hosts.hosts, workload=PROMPTS, baseline="a")) as session:
            run = session.run(Scene("pull", "pull")).run
    (refused,) = run.failed_attempts
    assert (refused.host, refused.kind) == ("b", "model")
    later = [each for each in run.requests if each.host == "b" and each.start_ms > refused.start_ms + refused.wall_ms]
    assert later
