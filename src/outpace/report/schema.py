"""The JSON schemas that outpace's documents are held against, when written and when read."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import best_match

from outpace.errors import ReportInvalid


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
    source = packaged if packaged.is_file() else Path(__file__).parents[3] / "schemas" / f"{name}.schema.json"
    schema = json.loads(source.read_text(encoding="utf-8"))
    return _Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def validate(document: Any, name: str, where: str) -> None:
    """Hold ``document`` against the schema ``name`` ("report"); ``where`` is what an error calls the document.

    Raises ``ReportInvalid`` naming the place in the document and what is wrong there.
    """
    error = best_match(_validator(name).iter_errors(document))
    if error is not None:
        said = error.message if len(error.message) <= 300 else error.message[:299] + "…"
        raise ReportInvalid(f"{where} does not match the {name} schema: at {error.json_path}: {said}.")
