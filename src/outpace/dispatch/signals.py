"""Who waits for what: for one host to have room, or for a change anywhere."""

from __future__ import annotations

import anyio

ANY_HOST = ""


class Signals:
    """Wakes whoever waits for a host, or for any of them."""

    def __init__(self) -> None:
        self._awaited: dict[str, anyio.Event] = {}

    async def wait(self, host: str = ANY_HOST) -> None:
        """Wait until something changes at ``host``, or anywhere."""
        if host not in self._awaited:
            self._awaited[host] = anyio.Event()
        await self._awaited[host].wait()

    def wake(self, host: str = ANY_HOST) -> None:
        """Let those look again who wait for ``host``, or for a change anywhere."""
        if event := self._awaited.pop(host, None):
            event.set()

    def changed(self, host: str) -> None:
        """Something changed at ``host``: that is a change anywhere, too."""
        self.wake(host)
        self.wake()
