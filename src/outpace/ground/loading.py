"""What users bring of their own: a name in a Python file, in a module, or in a package that says so when installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from outpace.ground.errors import UsageError


def is_own(text: str) -> bool:
    """Whether ``text`` says where something of a user's own is, as ``mine.py:NAME`` or ``package.module:NAME``."""
    return ":" in text


def installed(group: str) -> list[str]:
    """The names that installed packages bring under the entry-point ``group``."""
    return sorted(each.name for each in entry_points(group=group))


def load(text: str, group: str, where: str) -> Any:
    """What ``text`` names: ``mine.py:NAME``, ``package.module:NAME``, or a name that is ``installed`` in ``group``.

    None where no package brings that name. Raises ``UsageError``, which says that ``where`` asked for it, and at which
    line a file of the user's own is wrong.
    """
    if not is_own(text):
        found = entry_points(group=group, name=text)
        return _loaded(found[text].value, where) if text in found.names else None
    return _loaded(text, where)


def _loaded(text: str, where: str) -> Any:
    source, _, name = text.rpartition(":")
    try:
        module = _from_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except FileNotFoundError as error:
        raise UsageError(f"{where}={text}: there is no file {source}.") from error
    except ModuleNotFoundError as error:
        missing = error.name or source
        hint = "" if source.endswith(".py") else f" A file is named with its ending, as {source}.py:{name}."
        raise UsageError(f"{where}={text}: Python finds no module {missing}.{hint}") from error
    except Exception as error:
        raise UsageError(f"{where}={text}: {line_of(error, source)} {said(error)}.") from error
    found = getattr(module, name, None)
    if found is None:
        there = ", ".join(each for each, value in vars(module).items() if callable(value) and each[0] != "_")
        raise UsageError(f"{where}={text}: {source} has no {name or 'name after the colon'}; it has {there or 'none'}.")
    return found


def _from_file(path: Path) -> ModuleType:
    name = f"outpace_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line_of(error: BaseException, source: str) -> str:
    """Where ``error`` was raised: the last line of ``source`` that it came through, or the last of any file."""
    if isinstance(error, SyntaxError):
        return f"{shown(error.filename or source)}, line {error.lineno}:"
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if shown(frame.filename) == shown(source)] or frames
    return f"{shown(mine[-1].filename)}, line {mine[-1].lineno}:" if mine else f"{source}:"


def shown(path: str) -> str:
    """``path`` as its user would write it: from the working directory, where it lies below that."""
    full = Path(path).absolute()
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else str(full)


def said(error: BaseException) -> str:
    """What ``error`` is and says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":. ")
