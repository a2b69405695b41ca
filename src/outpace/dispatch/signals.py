"""Who waits for what: for a host to have room, for a change anywhere, for a prompt to be due."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Mapping

ANY_CHANGE, ARRIVAL = object(), object()


class Signals:
    """Wakes whoever waits: for a host by its name, for a prompt by its index, for any change or any arrival."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._awaited: defaultdict[Hashable, list[asyncio.Future[None]]] = defaultdict(list)

    async def wait(self, awaited: Hashable = ANY_CHANGE) -> None:
        """Wait until something happens to what is ``awaited``."""
        told: asyncio.Future[None] = self._loop.create_future()
        self._awaited[awaited].append(told)
        try:
            await told
        except asyncio.CancelledError:
            if told in (waiting := self._awaited.get(awaited, [])):
                waiting.remove(told)
            raise

    def awaited(self, places: Mapping[str, int]) -> list[str]:
        """Which of the hosts in ``places`` are waited for, in the order of their places."""
        return sorted(places.keys() & self._awaited.keys(), key=places.__getitem__)

    def wake(self, awaited: Hashable = ANY_CHANGE) -> None:
        """Let those look again who wait for that."""
        if awaited in self._awaited:
            for told in self._awaited.pop(awaited):
                if not told.done():  # who is cancelled cancels what it waits for
                    told.set_result(None)

    def changed(self, host: str) -> None:
        """Something changed at ``host``: that is a change anywhere, too."""
        self.wake(host)
        self.wake()
