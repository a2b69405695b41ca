"""The schemas of documents: what they take as a number, and what is wrong with a document that does not match.

Two validators read each schema by the same types and formats: one in Rust, which is many times as quick and says only
whether a document matches, and one in Python, which says in words where one does not. Each is loaded when it is needed,
which of most commands the latter is never.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from rfc3339_validator import validate_rfc3339
from rfc3986_validator import validate_rfc3986

from outpace.ground.errors import LONGEST_REMARK, refused, shortened


def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3339(value.upper()))


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3986(value, rule="URI"))


COUNTED = "report"
"""The document whose whole numbers have no point."""
FORMATS: dict[str, Callable[[object], bool]] = {"date-time": _is_date_time, "uri": _is_uri}


def _is_number(value: object) -> bool:
    """JSON has no NaN and no infinity, though Python's reader takes them for numbers; nor may sums become such."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # of a whole number
        return False


def _is_integer(value: object) -> bool:
    return _is_number(value) and (isinstance(value, int) or float(value).is_integer())  # type: ignore[arg-type]


def _is_count(value: object) -> bool:
    """What pages count with is to be counted with: whole numbers are without a point, as they were written."""
    return isinstance(value, int) and _is_number(value)


def _is_array(value: object) -> bool:
    """What is written may hold tuples."""
    return isinstance(value, list | tuple)


def _schema(name: str) -> Any:
    packaged = files("outpace").joinpath("schemas", f"{name}.schema.json")
    # A wheel carries the schemas inside the package; a checkout has them at its top.
    source = packaged if packaged.is_file() else Path(__file__).parents[3] / "schemas" / f"{name}.schema.json"
    return json.loads(source.read_text(encoding="utf-8"))


@cache
def explaining(name: str) -> Any:
    """The validator in Python of the schema ``name``."""
    from jsonschema import Draft202012Validator, FormatChecker, validators

    formats = FormatChecker(formats=())
    for kind, is_one in FORMATS.items():
        formats.checks(kind)(is_one)
    told = {"number": _is_number, "integer": _is_count if name == COUNTED else _is_integer, "array": _is_array}
    checks = {kind: lambda _, value, check=check: check(value) for kind, check in told.items()}
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(checks)
    validator = validators.extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    return validator(_schema(name), format_checker=formats)


class _Count:
    """A keyword for Rust, which takes 4.0 for a whole number."""

    def __init__(self, _schema: object, _value: object, _path: object) -> None:
        """Nothing is to be kept."""

    def validate(self, value: object) -> None:
        if isinstance(value, float):
            raise ValueError


def _exact(schema: Any, counted: bool) -> Any:
    """``schema`` with what Rust is to be told of numbers: that they are finite, and how whole ones are ``counted``."""
    if isinstance(schema, list):
        return [_exact(each, counted) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _exact(value, counted) for key, value in schema.items()}
    kinds = schema.get("type", "")  # one or several, or a property of that name
    if "number" in kinds or "integer" in kinds:
        found = {"maximum": sys.float_info.max, "minimum": -sys.float_info.max, **found}
        if counted and "integer" in kinds:
            found["counted"] = True
    return found


@cache
def quick(name: str) -> Any:
    """The validator in Rust of the schema ``name``."""
    import jsonschema_rs

    counted = name == COUNTED
    return jsonschema_rs.Draft202012Validator(
        _exact(_schema(name), counted),
        formats=FORMATS,
        validate_formats=True,
        keywords={"counted": _Count} if counted else {},
    )


def validate(document: Any, name: str, where: str) -> None:
    """Hold ``document`` against the schema ``name`` ("report"); ``where`` is what an error calls the document.

    Raises ``DocumentInvalid`` naming the place in the document and what is wrong there.
    """
    try:
        if quick(name).is_valid(document):
            return
    except ValueError:  # half of a surrogate pair or a date of TOML's, for which Rust has no word
        pass
    from jsonschema.exceptions import best_match

    try:
        error = best_match(explaining(name).iter_errors(document))
    except RecursionError as deep:
        raise refused(f"{where} does not match the {name} schema: it is nested too deep.") from deep
    if error is not None:
        at, what = (shortened(text, LONGEST_REMARK) for text in (error.json_path, error.message))
        raise refused(f"{where} does not match the {name} schema: at {at}: {what}.")
