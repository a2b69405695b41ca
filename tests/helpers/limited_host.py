"""A host of known capacity, in plain numbers, that works under a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from outpace.dispatch.limits import Flight, Limit

TOKENS = 32
DELIVERIES = ["token by token", "in one piece", "with a late end", "unheard"]
"""How answers arrive: also with a last text and then an end that is a moment later, and without being heard at all."""


@dataclass
class Simulated:
    """A host that works on up to ``slots`` requests, ``total(k)`` tokens a second with k of them in work."""

    total: Callable[[int], float]
    slots: int
    delivery: str = "token by token"
    tokens: int = TOKENS
    refills_late: bool = False
    """Whether the next request comes only after all texts of the moment in which one ended."""
    now_s: float = 0.0
    seen: list[int] = field(default_factory=list)
    """What the limit was, whenever it was looked at."""
    most_in_flight: int = 0

    def work(
        self, limit: Limit, prompts: int = 400, share: Callable[[int], int] = lambda unanswered: unanswered
    ) -> int:
        """Have ``prompts`` prompts answered, with as many in flight as ``limit`` allows; gives the limit at the end."""
        waiting = unanswered = prompts
        under_way: list[tuple[Flight, list[float]]] = []

        def refill() -> None:
            nonlocal waiting
            self.seen.append(limit.now)
            while waiting and len(under_way) < limit.now:
                under_way.append((limit.began(self.now_s), [0.0]))
                waiting -= 1
            self.most_in_flight = max(self.most_in_flight, len(under_way))

        while unanswered:
            refill()
            in_work = under_way[: self.slots]
            rate = self.total(len(in_work)) / len(in_work)
            step = min(int(said[0] + 1 + 1e-9) - said[0] for _, said in in_work)
            self.now_s += step / rate
            for each in in_work:
                flight, said = each
                said[0] += step
                spoke, over = abs(said[0] - round(said[0])) < 1e-9, said[0] > self.tokens - 1e-9
                told = min(share(unanswered), unanswered)
                if spoke and (self.delivery in DELIVERIES[::2] or (over and self.delivery == "in one piece")):
                    limit.heard(flight, self.now_s, told)
                if over:
                    under_way.remove(each)
                    late_s = 1e-6 if self.delivery == "with a late end" else 0.0
                    limit.ended(flight, self.now_s + late_s, self.tokens, told)
                    unanswered -= 1
                    if not self.refills_late:
                        refill()
        return limit.now


def batching(slots: int, delivery: str = "token by token") -> Simulated:
    return Simulated(lambda k: 20.0 * min(k, slots), slots, delivery)
