"""The coordinator's own lag: how much later than due its event loop comes round while a run is under way."""

from __future__ import annotations

import sys
from typing import Self

import anyio
from anyio.abc import TaskGroup

TICK_S = 0.02
TOOLS = range(6)
"""What may watch a program through ``sys.monitoring``."""


def traced_by() -> str | None:
    """What follows every step that Python takes here, as a coverage tool or a debugger does; None for nothing."""
    if sys.gettrace() or sys.getprofile():
        return "a tracer such as that of a coverage tool, a debugger or a profiler"
    if sys.version_info >= (3, 12):
        return next((name for tool in TOOLS if (name := sys.monitoring.get_tool(tool))), None)
    return None


class LagWatch:
    """Measures, while its block runs, the longest that the event loop was late; ``worst_ms`` is that in ms."""

    def __init__(self) -> None:
        self.worst_ms = 0.0

    async def __aenter__(self) -> Self:
        self._tasks: TaskGroup = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._tick)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _tick(self) -> None:
        while True:
            due = anyio.current_time() + TICK_S
            await anyio.sleep(TICK_S)
            self.worst_ms = max(self.worst_ms, (anyio.current_time() - due) * 1000)
