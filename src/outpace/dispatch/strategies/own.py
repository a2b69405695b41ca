"""Strategies of a user's own: out of a file, a module, or a package that is installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from outpace.dispatch.job import Job, Strategy
from outpace.dispatch.strategies.rules import Choose, send_by
from outpace.dispatch.strategies.watched import watched
from outpace.ground.errors import UsageError
from outpace.ground.loading import load, shown
from outpace.workload.prompts import Prompt

GROUP = "outpace.strategies"
"""The entry-point group under which an installed package brings strategies."""

FORMS = "async def NAME(job), or def NAME(job) that gives a function of a prompt that gives a host's name"


class HostUnknown(Exception):
    """A rule gave what is no host's name."""


def own_strategy(text: str, where: str = "--strategies") -> Strategy | None:
    """The strategy that ``text`` names, ``watched``; None where it is no name of an installed one.

    Raises ``UsageError``.
    """
    found = load(text, GROUP, where)
    return None if found is None else as_strategy(found, f"{where}={text}")


def as_strategy(found: Any, where: str) -> Strategy:
    """A strategy of a user's own, or a rule, as a ``watched`` strategy; raises ``UsageError`` where it is neither."""
    if not callable(found) or inspect.isclass(found) or _needed(found) != 1:
        raise UsageError(f"{where}: a strategy is {FORMS}; this is {found!r}.")
    how: Strategy = found if inspect.iscoroutinefunction(found) else send_by(_checked(found))
    return watched(how, source_of(found))


def _needed(found: Callable[..., Any]) -> int:
    """How many arguments ``found`` cannot do without."""
    parameters = inspect.signature(found).parameters.values()
    return sum(each.default is each.empty and each.kind is not each.VAR_KEYWORD for each in parameters)


def _checked(rule: Callable[[Job], Any]) -> Callable[[Job], Choose]:
    def checked(job: Job) -> Choose:
        choose = rule(job)
        if not callable(choose):
            raise HostUnknown(f"{source_of(rule)}: {choose!r} is no function of a prompt. A strategy is {FORMS}")

        def choose_one(prompt: Prompt) -> str:
            host = choose(prompt)
            if host not in job.hosts:
                named = f"{host!r} for prompt {prompt.index}; the hosts are {', '.join(job.hosts)}"
                raise HostUnknown(f"{source_of(choose)} gave {named}")
            return str(host)

        return choose_one

    return checked


def source_of(found: Callable[..., Any]) -> str:
    """The file of ``found``, and the line at which it begins."""
    code = getattr(inspect.unwrap(found), "__code__", None)
    return f"{shown(code.co_filename)}, line {code.co_firstlineno}" if code else repr(found)
