"""Senders: tasks that send one request after another, for to make a task costs more than most that a request needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from anyio.abc import TaskGroup

from outpace.workload.prompts import Prompt


class Senders:
    """As many tasks, among ``tasks``, as requests were ever under way at once; each does ``send`` after ``send``."""

    def __init__(self, tasks: TaskGroup, send: Callable[[str, Prompt], Awaitable[None]]) -> None:
        self._tasks, self._send = tasks, send
        self._loop = asyncio.get_running_loop()
        self._idle: list[asyncio.Future[tuple[str, Prompt]]] = []

    def start(self, host: str, prompt: Prompt) -> None:
        """Let ``prompt`` be sent to ``host`` as soon as whoever calls this gives way."""
        while self._idle:
            next_one = self._idle.pop()
            if not next_one.done():
                next_one.set_result((host, prompt))
                return
        self._tasks.start_soon(self._work, host, prompt)

    async def _work(self, host: str, prompt: Prompt) -> None:
        while True:
            await self._send(host, prompt)
            next_one: asyncio.Future[tuple[str, Prompt]] = self._loop.create_future()
            self._idle.append(next_one)
            host, prompt = await next_one
