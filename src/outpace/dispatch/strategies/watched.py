"""A strategy of a user's own is watched: what it does wrong is named with its file and line, and loses nothing."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from outpace.dispatch.job import Job, Strategy
from outpace.dispatch.strategies.steps import NeverEnds, Steps
from outpace.ground.loading import line_of, said, shown
from outpace.workload.prompts import Prompt

LEFT = "What it had not sent went to whichever host had room."


def watched(how: Strategy, source: str) -> Strategy:
    """``how``, which begins at ``source`` (a file and its line), so that a run survives what it does wrong.

    ``job.blame`` tells what. It may raise, return before every prompt is in a host's hand, do no more for longer than
    an attempt may take while prompts wait and hosts stand idle, or go on and on without giving way.
    """
    file = source.rpartition(", line ")[0]

    async def strategy(job: Job) -> None:
        running = how(job)
        if not isinstance(running, Coroutine):
            job.blame(f"{source} gave {type(running).__name__} where a coroutine is due: write async def. {LEFT}")
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_see_that_it_goes_on, job, running, source, tasks.cancel_scope)
            try:
                with Steps(running) as steps:
                    await steps
            except NeverEnds as error:
                job.blame(f"{line_of(error, file)} it goes on and on without giving way. {LEFT}")
            except Exception as error:
                first = _first(error)
                job.blame(f"{line_of(first, file)} {said(first)}. {LEFT}")
            else:
                await _name_what_it_forgot(job, source)
            tasks.cancel_scope.cancel()

    return strategy


async def _see_that_it_goes_on(
    job: Job, running: Coroutine[Any, Any, None], source: str, scope: anyio.CancelScope
) -> None:
    """End it where nothing at all happened for as long as an attempt may take, and something should have."""
    before: tuple[object, ...] | None = None
    while True:
        await anyio.sleep(job.timeout_s)
        waiting = [prompt.index for prompt in job.waiting]
        now = (waiting, len(job.finished))
        if waiting and now == before and not any(job.in_flight.values()) and any(map(job.stands, job.hosts)):
            job.blame(
                f"{_at(running, source)}: it sent nothing for {job.timeout_s:g} s while {len(waiting)} prompts waited "
                f"and hosts stood idle. {LEFT}"
            )
            scope.cancel()
            return
        before = now


async def _name_what_it_forgot(job: Job, source: str) -> None:
    """It has returned: whatever nobody takes once it has come was forgotten."""
    forgotten: list[Prompt] = []
    for prompt in job.prompts:
        await job.due(prompt)
        await checkpoint()  # whoever was told to send it when it is due has done so now
        if prompt in job.waiting:
            forgotten.append(prompt)
            job.leave([prompt])
    if forgotten and any(map(job.stands, job.hosts)):
        listed = ", ".join(str(prompt.index) for prompt in forgotten[:8]) + (", …" if forgotten[8:] else "")
        job.blame(f"{source}: it forgot {len(forgotten)} of {len(job.prompts)} prompts ({listed}). {LEFT}")


def _first(error: BaseException) -> BaseException:
    """Of errors that tasks raised together the first."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _at(running: Coroutine[Any, Any, None], source: str) -> str:
    """Where a coroutine waits: the innermost line that is in its own file."""
    found, awaited = source, running
    own: str | None = None
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        own = own or frame.f_code.co_filename
        if frame.f_code.co_filename == own:
            found = f"{shown(own)}, line {frame.f_lineno}"
        awaited = awaited.cr_await  # type: ignore[attr-defined]
    return found
