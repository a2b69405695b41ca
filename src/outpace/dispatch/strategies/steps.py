"""A coroutine driven step by step, so that one that never gives way is stopped where it stands."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, Self

import anyio

LONGEST_STEP_S = 10.0
"""Real seconds that one step may take before it gives way to what else is to be done: it should take none."""
MOST_STEPS = 100_000
"""So many steps without any time passing lead nowhere."""


class NeverEnds(BaseException):
    """A step goes on and on. It is no ``Exception``: what runs wild may well swallow those."""


class Steps:
    """Awaits ``running``; a context manager, whose thread sees that no step takes too long.

    A step that does is ended by ``NeverEnds``, raised at the line that it is at.
    """

    def __init__(self, running: Coroutine[Any, Any, None]) -> None:
        self._running, self._longest_s = running, LONGEST_STEP_S
        self._began_s: float | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._mine = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="outpace: steps of a strategy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def __await__(self) -> Generator[Any, Any, None]:
        moment_s, steps = anyio.current_time(), 0
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                asked = self._step(answer, error)
            except StopIteration:
                return
            now_s = anyio.current_time()
            steps = steps + 1 if now_s == moment_s else 0
            moment_s = now_s
            answer = error = None
            if steps > MOST_STEPS:
                error = NeverEnds()
                continue
            try:
                answer = yield asked
            except BaseException as thrown:
                error = thrown

    def _step(self, answer: Any, error: BaseException | None) -> Any:
        try:
            self._began_s = time.monotonic()
            return self._running.send(answer) if error is None else self._running.throw(error)
        finally:
            with self._lock:
                self._began_s = None

    def _watch(self) -> None:
        while not self._over.wait(min(0.5, self._longest_s / 4)):
            with self._lock:
                began_s = self._began_s
                if began_s is not None and time.monotonic() - began_s > self._longest_s:
                    _raise_in(self._mine)
                    return


def _raise_in(thread: int) -> None:
    with suppress(AttributeError):  # CPython alone has it
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(NeverEnds))
