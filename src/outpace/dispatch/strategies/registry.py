"""The strategies by their names, and what hosts may have in flight under each."""

from __future__ import annotations

from typing import Literal

from outpace.dispatch.coordinator import MakeLimit, as_known
from outpace.dispatch.job import Strategy
from outpace.dispatch.limits import AdaptiveLimit, FixedLimit
from outpace.dispatch.strategies import by_count, by_time, by_turn
from outpace.dispatch.strategies.own import GROUP, own_strategy
from outpace.dispatch.strategies.planned import earliest_finish, weighted
from outpace.dispatch.strategies.published import all_parallel, sequential, serial_per_side
from outpace.dispatch.strategies.rules import Rule, send_by
from outpace.dispatch.strategies.shared_queue import capacity_aware, hedged, pull
from outpace.ground.errors import StrategyUnknown, UsageError
from outpace.ground.loading import installed

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
RULES: dict[str, Rule] = {
    "round-robin": by_turn.round_robin,
    "random": by_turn.at_random,
    "weighted-random": by_turn.weighted_random,
    "weighted-round-robin": by_turn.weighted_round_robin,
    "least-in-flight": by_count.least_in_flight,
    "least-in-flight-first": by_count.least_in_flight_first,
    "least-busy": by_count.least_busy,
    "weighted-least-in-flight": by_count.weighted_least_in_flight,
    "power-of-two": by_count.power_of_two,
    "power-of-two-draws": by_count.power_of_two_draws,
    "lowest-latency": by_time.lowest_latency,
    "lowest-latency-stuck": by_time.lowest_latency_stuck,
    "shortest-expected-wait": by_time.shortest_expected_wait,
}
"""What routers do, by our names: docs/rules.md tells whose each is."""
_adopted: dict[str, tuple[str, Strategy]] = {}
"""Those of users' own that were asked for in this process: what names each, and itself."""
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
    """The strategy or rule called ``name``, ours or one that was adopted; raises ``StrategyUnknown``."""
    if name in RULES:
        return send_by(RULES[name])
    if name in STRATEGIES:
        return STRATEGIES[name]
    return _adopted[adopted(name, "--strategies")][1]


def adopted(text: str, where: str) -> str:
    """The name by which reports call what ``text`` names: ``mine.py:stickiest`` is adopted as ``stickiest``.

    Raises ``StrategyUnknown`` naming those there are, or ``UsageError`` where it cannot be had or the name is taken.
    """
    name = text.rpartition(":")[2]
    if text == name and (name in STRATEGIES or name in RULES or name in _adopted):
        return name
    known = _adopted.get(name)
    if known is None or known[0] != text:
        found = own_strategy(text, where)
        if found is None:
            there = ", ".join([*STRATEGIES, *RULES, *_adopted, *installed(GROUP)])
            raise StrategyUnknown(f"There is no strategy {name!r}; there are {there}, and mine.py:NAME for your own.")
        if name in STRATEGIES or name in RULES or known is not None:
            raise UsageError(f"{where}={text}: the name {name} is taken already; give the strategy one of its own.")
        _adopted[name] = text, found
    return name
