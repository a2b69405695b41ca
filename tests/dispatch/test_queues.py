"""What is meant for a host is in order however it came, and what a choice costs does not grow with what waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.dispatch.expectation import Expectation, HostKnowledge
from outpace.dispatch.plan import MOVES, MOVES_A_CHOICE, Plan
from outpace.dispatch.queues import Queue
from outpace.engines import Completion
from outpace.workload.prompts import Generation, Prompt, Workload

Step = tuple[str, float, float]
steps = st.lists(
    st.tuples(st.sampled_from(["put", "put", "take", "last", "any"]), st.integers(0, 3), st.integers(1, 9)),
    max_size=300,
)


@given(st.lists(st.integers(1, 9), max_size=80), steps)
def test_a_queue_is_a_list_that_is_kept_in_order(works: list[int], steps: list[Step]) -> None:
    longest_first = [(float(work), Prompt(n, str(n))) for n, work in enumerate(sorted(works, reverse=True))]
    queue, model = Queue(longest_first), list(longest_first)
    for number, (what, due, work) in enumerate(steps):
        if what == "put":
            meant = float(work), Prompt(1000 + number, "", due_ms=float(due))
            queue.put(meant)
            model.append(meant)
            model.sort(key=lambda each: (each[1].due_ms, -each[0]))
        elif model and what == "take":
            assert queue.take() is model.pop(0)
        elif model:
            meant = queue.last if what == "last" else model[work % len(model)]
            assert what != "last" or meant is model[-1]
            queue.remove(meant)
            model.remove(meant)
        assert len(queue) == len(model)
        assert list(queue) == model


@pytest.mark.parametrize("prompts", [10_000, 40_000])
def test_what_is_learned_moves_no_more_at_once_however_much_waits(prompts: int) -> None:
    """Half of what was meant for a host that turns out slow should go: later choices go on with it."""
    work = Workload(tuple(Prompt(number, "") for number in range(prompts)), Generation(max_tokens=32))
    expect = Expectation(work, ["a", "b"], dict.fromkeys("ab", HostKnowledge(32.0)))
    plan = Plan(work.prompts, ["a", "b"], expect, set())
    for number in range(1, 60):
        expect.learn("a", work.prompts[0], Completion("", output_tokens=32), 1.0 * number)
        expect.learn("b", work.prompts[1], Completion("", output_tokens=32), 10.0 * number)

    def meant_for_a() -> int:
        return len(plan._queues.by_host["a"])

    before = meant_for_a()
    plan.improve(0.0)
    assert meant_for_a() - before == MOVES
    plan.improve(0.0)
    assert meant_for_a() - before == MOVES + MOVES_A_CHOICE
    for _ in range(prompts // MOVES_A_CHOICE):
        plan.improve(0.0)
    rates = expect.rate("a"), expect.rate("b")
    assert meant_for_a() / prompts == pytest.approx(rates[0] / sum(rates), abs=0.001)
