"""JSON documents on disk: held against their schema when written and when read, and never seen half written.

They may come from strangers: what is read is a file, of bounded size and of boundedly many values, and what an error
repeats of it does nothing to a terminal or a log.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from outpace.ground.errors import UsageError, refused
from outpace.ground.schemas import validate

LARGEST_DOCUMENT = 192 << 20
"""Bytes. A recording of 10,000 prompts takes 170 MB, of one strategy in one round, and a report 40 MB for five rounds;
while such a recording is read, it takes four to five times its size in memory."""
MOST_VALUES = 8_000_000
"""Places in a document. What is small on disk may be large in memory, up
to 64 bytes a place where there is little else. The same recording of 10,000 prompts has 5.6 million of them."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


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


def write_json(path: Path, document: dict[str, Any], name: str, *, compact: bool = False) -> None:
    """Hold ``document``, which we made, against the schema ``name`` and put it at ``path`` whole.

    Unless it is to be ``compact``, what holds no list and no object stands on one line, such as a request.

    Raises ``DocumentInvalid`` and, where the folder cannot be written, ``OSError``.
    """
    write_whole(path, text_of(path, document, name, compact=compact) + "\n")


def text_of(path: Path, document: dict[str, Any], name: str, *, compact: bool) -> str:
    """The text that ``write_json`` would put at ``path``; raises ``DocumentInvalid``."""
    validate(document, name, f"The {name} {path.name}")
    text = _compact(document) if compact else _laid_out(document)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise refused(f"The {name} {path.name} cannot be written: it holds half of a surrogate pair.") from error
    return text


_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_on_one_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _laid_out(value: Any, indent: str = "") -> str:
    """``value`` as JSON for people; line by line that is many times as quick as by the standard library's indent."""
    each = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(one, dict | list) for one in each):
        return _on_one_line(value)
    deeper = indent + " "
    if isinstance(value, dict):
        lines = [f"{deeper}{_on_one_line(key)}: {_laid_out(one, deeper)}" for key, one in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _laid_out(one, deeper) for one in value) + f"\n{indent}]"


def read_json(path: Path, name: str) -> dict[str, Any]:
    """Read a document and validate it against the schema ``name``.

    Raises ``DocumentInvalid`` that says what is wrong and where.
    """
    document = read_plain(path, name)
    validate(document, name, f"The {name} {path}")
    return document


def read_plain(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object that no schema of ours describes; raises ``DocumentInvalid``, which calls it ``what``."""
    text = read_text(path, what)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refused(f"The {what} {path} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise refused(f"The {what} {path} is not a JSON object.")
    return document


def places_in(data: bytes) -> int:
    """How many places there are in JSON: one for each value, each field and each list."""
    bare = _STRING.sub(b"", data)
    return sum(map(bare.count, b"[{,:"))


def read_text(path: Path, what: str) -> str:
    """What stands at ``path``, unless it is too large to read; raises ``DocumentInvalid``, which calls it ``what``."""
    try:
        # A pipe would be waited for, and a device may never end.
        if not path.is_file() and path.exists():
            raise refused(f"The {what} {path} cannot be read: it is no file.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > LARGEST_DOCUMENT else file.read(size)
    except (OSError, ValueError) as error:  # of a name with a NUL in it
        raise refused(f"The {what} {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if size > LARGEST_DOCUMENT:
        raise refused(
            f"The {what} {path} is larger than {LARGEST_DOCUMENT >> 20} MiB, which is the most that is read. "
            "Keep fewer rounds, strategies or prompts in one."
        )
    if (places := places_in(data)) > MOST_VALUES:
        raise refused(
            f"The {what} {path} has {places:,} values, and {MOST_VALUES:,} are the most that are read. "
            "Keep fewer rounds, strategies or prompts in one."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(f"The {what} {path} is not JSON: it is not UTF-8 at byte {error.start}.") from error


def write_whole(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` through a temporary file beside it and a rename; raises ``Unwritten``."""
    try:
        _write_beside(path, text)
    except OSError as error:
        raise Unwritten(path, error) from error


def append(path: Path, text: str) -> None:
    """Put ``text`` at the end of what is at ``path``, and on the disk; raises ``Unwritten``."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
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


def require_writable(folder: Path, what: str, option: str) -> None:
    """See to it that ``folder``, which is made if need be, can be written to; ``option`` names another one.

    Raises ``UsageError``, which says that no ``what`` can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UsageError(
            f"No {what} can be written to {folder}: {error.strerror or error}. Name another folder by {option}."
        ) from error
