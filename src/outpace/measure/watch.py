"""Brakes of loads: a run ends as soon as it has told what it was made for, or as its queue is seen to grow."""

from __future__ import annotations

from collections.abc import Sequence

from outpace.dispatch.ledger import Ledger
from outpace.judge import under_way
from outpace.judge.slo import Objective
from outpace.judge.under_way import FIRST_LOOK, LOOKS_APART, OVERLOAD, Look

LIMITS = 20
"""A run lasts for so many times what is promised before it has kept that: in a shorter one not even an overload makes
anybody wait for long."""
KEPT, BROKEN = "the SLO was seen to be kept", "the SLO was seen to be broken"


def long_enough_ms(objectives: Sequence[Objective]) -> float:
    """How long a run lasts at the least that keeps ``objectives``."""
    return LIMITS * max(each.limit_ms for each in objectives)


class OverloadWatch:
    """Ends a run in which requests pile up: no latency is that of its rate, and what waits would only wait longer."""

    def __init__(self) -> None:
        self._next = FIRST_LOOK

    def __call__(self, ledger: Ledger) -> str | None:
        """The brake of a run; it looks less and less often, so that looking takes no time to speak of."""
        if ledger.come < self._next:
            return None
        self._next = int(ledger.come * LOOKS_APART) + 1
        return self._seen(ledger)

    def _seen(self, ledger: Ledger) -> str | None:
        return OVERLOAD if under_way.grows(ledger.finished, ledger.waiting, ledger.now_ms) else None


class Watch(OverloadWatch):
    """Ends a run as soon as it has shown whether ``objectives`` are kept, too; ``latest`` is what it has shown."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        super().__init__()
        self._objectives = objectives
        self.latest = Look("open", 0, 0.0)

    def _seen(self, ledger: Ledger) -> str | None:
        self.latest = under_way.look(self._objectives, ledger.finished, ledger.waiting, ledger.now_ms)
        if self.latest.overload:
            return OVERLOAD
        if self.latest.answer == "keeps" and ledger.now_ms < long_enough_ms(self._objectives):
            return None
        return {"keeps": KEPT, "breaks": BROKEN, "open": None}[self.latest.answer]
