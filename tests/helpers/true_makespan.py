"""What a workload takes where nothing but the engines takes time: the reference engines' own model, and no client."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from outpace.workload.prompts import DEFAULT_PROMPTS
from reference.model import Model, Work
from reference.truth import Truth

Shares = Mapping[str, tuple[Sequence[int], int]]
"""By host, the prompts that are its own to answer, in their order, and how many of them are in flight at once."""


def makespan_ms(truths: Mapping[str, Truth], shares: Shares) -> float:
    """What ``shares`` of the default prompts take on engines that these are true of."""
    ends_ms = []
    for host, (prompts, in_flight) in shares.items():
        truth, waiting = truths[host], deque(prompts)
        model, ends = Model(truth), list[float]()

        def send(at_s: float, truth: Truth = truth, waiting=waiting, model=model, ends=ends) -> None:
            if waiting:
                text = DEFAULT_PROMPTS[waiting.popleft()]
                marks_ms = [truth.prompt_ms, truth.work_ms(text)]
                model.arrive(at_s + truth.delay_to_ms / 1000, Work(marks_ms, arrived()))

        def arrived(send=send, truth: Truth = truth, ends=ends):
            marks: list[float] = []

            def tell(at_s: float | None) -> None:
                marks.append(at_s or math.nan)
                if len(marks) == 2:
                    ends.append(at_s + truth.delay_from_ms / 1000)
                    send(ends[-1])

            return tell

        for _ in range(in_flight):
            send(0.0)
        while (next_s := model.next_s()) is not None:
            model.advance(next_s)
        ends_ms.append(max(ends, default=0.0) * 1000)
    return max(ends_ms)


def dealt(hosts: Sequence[str], in_flight: int) -> Shares:
    """All of the default prompts, dealt out to ``hosts`` in turn."""
    return {host: (range(index, 8, len(hosts)), in_flight) for index, host in enumerate(hosts)}
