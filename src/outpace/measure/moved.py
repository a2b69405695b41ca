"""Hosts that could not be reached, and whose name leads elsewhere by now: they are told of, and nothing is sent there.

The address was checked when the session began, and whose engine answers at another one nobody has looked.
"""

from __future__ import annotations

from collections.abc import Mapping

from outpace.engines import Engine
from outpace.ground.errors import ConnectFailed, PathLost
from outpace.ground.hosts import moved_to
from outpace.ground.records import Run

UNREACHED = (ConnectFailed.kind, PathLost.kind)


def moved(engines: Mapping[str, Engine], run: Run) -> dict[str, str]:
    """What is to be said, by host, after a live ``run``; looks up the names of hosts that were not reached in it."""
    unreached = {attempt.host for attempt in run.failed_attempts if attempt.kind in UNREACHED}
    return {
        name: f"The name of {name} leads to {', '.join(found)} now, and led to {engine.host.addresses[0]} when the "
        "session began: prompts go to the address that was checked then, and to no other. Begin the session again."
        for name, engine in engines.items()
        if name in unreached and (found := moved_to(engine.host))
    }
