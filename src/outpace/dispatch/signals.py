"""Who waits for what: for a host to have room, for a change anywhere, for a prompt to be due."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import anyio

ANY_CHANGE, ARRIVAL = object(), object()


class Signals:
    """Wakes whoever waits: for a host by its name, for a prompt by its index, for any change or any arrival."""

    def __init__(self) -> None:
        self._awaited: dict[Hashable, anyio.Event] = {}

    async def wait(self, awaited: Hashable = ANY_CHANGE) -> None:
        """Wait until something happens to what is ``awaited``."""
        if awaited not in self._awaited:
            self._awaited[awaited] = anyio.Event()
        await self._awaited[awaited].wait()

    def awaited(self, places: Mapping[str, int]) -> list[str]:
        """Which of the hosts in ``places`` are waited for, in the order of their places."""
        return sorted(places.keys() & self._awaited.keys(), key=places.__getitem__)

    def wake(self, awaited: Hashable = ANY_CHANGE) -> None:
        """Let those look again who wait for that."""
        if event := self._awaited.pop(awaited, None):
            event.set()

    def changed(self, host: str) -> None:
        """Something changed at ``host``: that is a change anywhere, too."""
        self.wake(host)
        self.wake()
