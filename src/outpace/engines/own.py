"""An engine of a user's own: a class that speaks to what none of ours understands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from outpace.engines.base import Completion, Engine, Identity
from outpace.engines.client import Client
from outpace.engines.noticed import Noticed
from outpace.ground.errors import EngineFailed, HostUnusable, RequestFailed, UsageError
from outpace.ground.hosts import Host
from outpace.ground.loading import installed, line_of, load, said

GROUP = "outpace.engines"
"""The entry-point group under which an installed package brings engines."""
NEEDED = ("identify", "generate", "ping")

_known: dict[str, Any] = {}


def own_engine(protocol: str, ours: tuple[str, ...]) -> Any:
    """The class that ``--protocol`` names, none of ``ours``; raises ``UsageError`` where it is no engine."""
    if protocol not in _known:
        found = load(protocol, GROUP, "--protocol")
        if found is None:
            there = ", ".join([*ours, *installed(GROUP)])
            raise UsageError(
                f"--protocol={protocol}: there is no such protocol; there are {there}, and mine.py:NAME for an engine "
                "of your own."
            )
        lacks = [name for name in NEEDED if not callable(getattr(found, name, None))]
        if not isinstance(found, type) or lacks:
            raise UsageError(
                f"--protocol={protocol}: an engine is a class with {', '.join(NEEDED)}; this lacks {', '.join(lacks)}."
            )
        _known[protocol] = found
    return _known[protocol]


async def identified(own: Any, client: Client, host: Host, protocol: str) -> Identity:
    """What answers on ``host``, as the class ``own`` finds out; raises ``RequestFailed``, or ``HostUnusable``."""
    try:
        found = await own.identify(client, host)
    except RequestFailed:
        raise
    except Exception as error:
        raise HostUnusable(f"Host {host.name} ({host.url}) cannot be used: {_told(own, error)}.") from error
    if not isinstance(found, Identity):
        raise HostUnusable(f"Host {host.name} ({host.url}) does not answer as --protocol={protocol} says it should.")
    return replace(found, protocol=protocol)


def made(own: Any, client: Client, host: Host, identity: Identity, model: str) -> Engine:
    """An engine of the class ``own``; whatever ``generate`` raises is a failed attempt, named with its line."""
    engine: Engine = own(client, host, identity, model)
    for name, usual in _usual(host, identity, model).items():
        if not hasattr(engine, name):
            setattr(engine, name, usual)
    generate: Callable[..., Any] = engine.generate

    @wraps(generate)
    async def guarded(*given: Any, **named: Any) -> Completion:
        try:
            found = await generate(*given, **named)
        except RequestFailed:
            raise
        except Exception as error:
            raise EngineFailed(f"{host.name}: {_told(own, error)}.") from error
        if not isinstance(found, Completion):
            raise EngineFailed(f"{host.name}: {own.__name__}.generate gave {found!r}, and a Completion is due.")
        return found

    engine.generate = guarded  # type: ignore[method-assign]
    return engine


async def _nobody_tells() -> None:
    """How many requests the host is at, whoever sent them."""


def _usual(host: Host, identity: Identity, model: str) -> dict[str, Any]:
    """What an engine has besides what is ``NEEDED``."""
    return {
        "host": host,
        "identity": identity,
        "model": model,
        "noticed": Noticed(),
        "elsewhere": None,
        "resets_cache": False,
        "server_includes_queue": True,
        "in_work": _nobody_tells,
    }


def _told(own: Any, error: Exception) -> str:
    file = getattr(getattr(own.generate, "__code__", None), "co_filename", "")
    return f"{line_of(error, file)} {said(error)}"
