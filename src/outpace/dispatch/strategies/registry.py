"""The strategies by their names, and what hosts may have in flight under each."""

from __future__ import annotations

from typing import Literal

from outpace.dispatch.coordinator import MakeLimit, as_known
from outpace.dispatch.job import Strategy
from outpace.dispatch.limits import AdaptiveLimit, FixedLimit
from outpace.dispatch.strategies.planned import earliest_finish, weighted
from outpace.dispatch.strategies.published import all_parallel, sequential, serial_per_side
from outpace.dispatch.strategies.rules import RULES, send_by
from outpace.dispatch.strategies.shared_queue import capacity_aware, hedged, pull
from outpace.ground.errors import StrategyUnknown

Limits = int | Literal["sweep", "adaptive"]
"""What a user may ask for: so many in flight a host, what a sweep found (1 where there was none), or find out."""

STRATEGIES: dict[str, Strategy] = {
    "sequential": sequential,
    "serial-per-side": serial_per_side,
    "all-parallel": all_parallel,
    "weighted": weighted,
    "pull": pull,
    "earliest-finish": earliest_finish,
    "capacity-aware": capacity_aware,
    "hedged": hedged,
}
PUBLISHED = ("sequential", "serial-per-side", "all-parallel")
"""Those of the published experiment: what they have in flight is in their definition, whatever a host's limit is."""
EXPECTING = ("earliest-finish", "hedged")
"""Those that make use of how long answers are expected to be."""


def limit_of(strategy: str, limits: Limits) -> MakeLimit:
    """What hosts may have in flight under ``strategy`` where the user asked for ``limits``."""
    if strategy in PUBLISHED:
        return lambda _: FixedLimit(1)
    if strategy == "capacity-aware" or limits == "adaptive":
        return lambda known: AdaptiveLimit(known.limit)
    return as_known if limits == "sweep" else lambda _: FixedLimit(limits)


def find_strategy(name: str) -> Strategy:
    """The strategy or rule called ``name``; raises ``StrategyUnknown`` naming those there are."""
    if name in RULES:
        return send_by(RULES[name])
    if name not in STRATEGIES:
        raise StrategyUnknown(f"There is no strategy {name!r}; there are {', '.join([*STRATEGIES, *RULES])}.")
    return STRATEGIES[name]
