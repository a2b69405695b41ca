"""What the schemas say is checked, formats too, and at no price to a command's start."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.ground import documents, schemas
from outpace.ground.errors import DocumentInvalid

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def test_every_format_that_a_schema_names_is_checked() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "schemas").glob("*.json")]
    named = {name for text in texts for name in re.findall(r'"format": "([^"]+)"', text)}
    assert named == set(schemas.FORMATS)


def test_a_command_begins_without_what_takes_longest_to_load() -> None:
    """No grammar is compiled for formats that no schema names; what draws is there when it does, and what explains."""
    code = "import sys, outpace.command.cli; sys.exit(bool({'lark', 'matplotlib', 'jsonschema'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.dictionaries(st.text(), anything))
def test_what_is_laid_out_for_people_is_the_same_document(document: dict) -> None:
    assert json.loads(documents._laid_out(document)) == document


def test_a_request_stands_on_one_line() -> None:
    document = {"a": 1, "requests": [{"prompt": 0, "host": None}, {"prompt": 1, "host": "x"}], "none": []}
    assert documents._laid_out(document) == (
        '{\n "a": 1,\n "requests": [\n  {"prompt": 0, "host": null},\n  {"prompt": 1, "host": "x"}\n ],\n "none": []\n}'
    )


def test_what_is_wrong_with_a_document_of_our_own_is_named(tmp_path) -> None:
    with pytest.raises(DocumentInvalid, match=r"^The report r\.json does not match the report schema: at \$: "):
        documents.write_json(tmp_path / "r.json", {"schema_version": "1.1"}, "report")
    assert not any(tmp_path.iterdir())
