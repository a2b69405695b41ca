"""What one run is made of: the work, the hosts, and where what becomes of it is kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from anyio.abc import TaskGroup

from outpace.dispatch.expectation import Expectation
from outpace.dispatch.ledger import Ledger
from outpace.dispatch.limits import Limit
from outpace.engines import Engine
from outpace.workload.prompts import Workload


@dataclass(frozen=True)
class Setup:
    """One run: ``workload`` over the hosts of ``engines``, fastest first, each within its limit of ``limits``.

    ``timeout_s`` is what one attempt may take. Runs with different ``cache_key`` share no engine's cache. At most
    ``queue`` prompts may wait to be sent, where that is not None. Hosts that are ``away`` get nothing until they answer
    a ping. ``memory`` is what the strategy has kept of its earlier runs. ``tasks`` is where what goes on beside the
    strategy runs.
    """

    workload: Workload
    engines: Mapping[str, Engine]
    limits: Mapping[str, Limit]
    expect: Expectation
    ledger: Ledger
    timeout_s: float
    cache_key: str
    queue: int | None
    away: Collection[str]
    memory: dict[str, Any]
    tasks: TaskGroup

    def share(self, host: str) -> int:
        """How many of the prompts that have come ``host`` would answer if all worked on them at their rates."""
        return math.ceil(self.ledger.open * self.expect.share(host))
