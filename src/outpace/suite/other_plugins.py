"""What other pytest plugins do to a session that measures: they reorder its tests, or run them in other processes.

Each is met at the point that no plugin comes behind, not by the plugin's name: there are more of them than names here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from outpace.ground.errors import UsageError

SWEEPS, MEASURES, JUDGES, LOADS, RATES = "sweep_host", "measurement", "measured", "loaded_run", "rate_search"
"""The fixtures of what measures a host's capacity, a strategy, what judges it, what lets requests arrive, and what
searches for the rate of that."""

POOLS = "pool"
"""The fixture of what plays a pool, and measures no host."""
STAGES = (SWEEPS, MEASURES, LOADS, RATES, JUDGES)

REFUSAL = (
    "This session shares its tests out among processes (pytest-xdist: -n or --dist, here, in PYTEST_ADDOPTS or in an "
    "ini file), and each of them would measure the same hosts at the same time. Add -n0 to measure in one."
)
_REFUSED = "outpace_refused"


def measures(items: Sequence[pytest.Item]) -> bool:
    """Whether any of ``items`` measures hosts."""
    return any({SWEEPS, MEASURES, LOADS, RATES} & _fixtures(item) for item in items)


def using(fixture: str, items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Those of ``items`` that use ``fixture``."""
    return [item for item in items if fixture in _fixtures(item)]


def asked_of(items: Sequence[pytest.Item], fixture: str, of: str) -> list[str]:
    """Each ``of`` ("strategy", "host") that one of ``items`` with ``fixture`` is about, once."""
    return list(dict.fromkeys(_params(item)[of] for item in items if fixture in _fixtures(item)))


def put_in_order(items: list[pytest.Item], hosts: Sequence[str], strategies: Sequence[str]) -> None:
    """Put capacity before strategies, loads and what judges strategies, each in the order in which it was asked for.

    The places that they take among other tests stay what they are.
    """
    order = [*hosts, *strategies]
    stages: dict[int, tuple[int, int]] = {}
    for place, item in enumerate(items):
        fixtures = _fixtures(item)
        last = item.get_closest_marker("outpace_last") is not None
        if last or set(STAGES) & fixtures:
            stage = len(STAGES) if last else next(at for at, each in enumerate(STAGES) if each in fixtures)
            params = _params(item)
            of = params.get("strategy", params.get("host"))
            stages[place] = stage, order.index(of) if of in order else len(order)
    ordered = [items[place] for place in sorted(stages, key=lambda place: stages[place])]
    for place, item in zip(stages, ordered, strict=True):
        items[place] = item


def refuse_in_a_worker(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where this is one of several processes, run none of ``items`` and let the process that started it say why."""
    if hasattr(config, "workerinput"):
        config.workeroutput[_REFUSED] = True  # type: ignore[attr-defined]
        items.clear()


def require_no_refusal(worker: Any) -> None:
    """Raise ``UsageError`` where ``worker``, which is done, refused to measure."""
    if getattr(worker, "workeroutput", {}).get(_REFUSED):
        raise UsageError(REFUSAL)


def _params(item: pytest.Item) -> dict[str, Any]:
    return getattr(getattr(item, "callspec", None), "params", {})


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))
