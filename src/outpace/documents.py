"""JSON documents on disk: held against their schema when written and when read, and never seen half written."""

from __future__ import annotations

import json
import math
import os
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import best_match

from outpace.errors import DocumentInvalid, UsageError

LARGEST_DOCUMENT = 1 << 30


class Unwritten(UsageError, OSError):
    """A file could not be put where it belongs; what had been there is whole. The system's error, in a paragraph."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(error.errno, error.strerror or str(error))
        self._path = path

    def __str__(self) -> str:
        return (
            f"{self._path} cannot be written: {self.strerror}. Name another folder, or see to it that this one can "
            "be written to."
        )


def _is_number(_checker: object, value: object) -> bool:
    """JSON has no NaN and no infinity, though Python's reader takes them for numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
)


@cache
def _validator(name: str) -> Any:
    packaged = files("outpace").joinpath("schemas", f"{name}.schema.json")
    # A wheel carries the schemas inside the package; a checkout has them at its top.
    source = packaged if packaged.is_file() else Path(__file__).parents[2] / "schemas" / f"{name}.schema.json"
    schema = json.loads(source.read_text(encoding="utf-8"))
    return _Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def validate(document: Any, name: str, where: str) -> None:
    """Hold ``document`` against the schema ``name`` ("report"); ``where`` is what an error calls the document.

    Raises ``DocumentInvalid`` naming the place in the document and what is wrong there.
    """
    error = best_match(_validator(name).iter_errors(document))
    if error is not None:
        said = error.message if len(error.message) <= 300 else error.message[:299] + "…"
        raise DocumentInvalid(f"{where} does not match the {name} schema: at {error.json_path}: {said}.")


def write_json(path: Path, document: dict[str, Any], name: str, *, indent: int | None = 1) -> None:
    """Validate ``document`` against the schema ``name`` and put it at ``path`` whole.

    Raises ``DocumentInvalid`` and, where the folder cannot be written, ``OSError``.
    """
    validate(document, name, f"The {name} {path.name}")
    separators = (",", ":") if indent is None else None
    text = json.dumps(document, indent=indent, separators=separators, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n")


def read_json(path: Path, name: str) -> dict[str, Any]:
    """Read a document and validate it against the schema ``name``.

    Raises ``DocumentInvalid`` that says what is wrong and where.
    """
    document = read_plain(path, name)
    validate(document, name, f"The {name} {path}")
    return document


def read_plain(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object that no schema of ours describes; raises ``DocumentInvalid``, which calls it ``what``."""
    try:
        if path.stat().st_size > LARGEST_DOCUMENT:
            raise DocumentInvalid(f"The {what} {path} is larger than {LARGEST_DOCUMENT} bytes.")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise DocumentInvalid(f"The {what} {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise DocumentInvalid(f"The {what} {path} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise DocumentInvalid(f"The {what} {path} is not a JSON object.")
    return document


def write_whole(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` through a temporary file beside it and a rename; raises ``Unwritten``."""
    try:
        _write_beside(path, text)
    except OSError as error:
        raise Unwritten(path, error) from error


def _write_beside(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def require_writable(folder: Path) -> None:
    """See to it that ``folder``, which is made if need be, can be written to; raises ``UsageError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UsageError(
            f"No report can be written to {folder}: {error.strerror or error}. Name another folder by --report-dir."
        ) from error
