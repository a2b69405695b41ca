"""What the schemas say is checked, formats too, and at no price to a command's start."""

from __future__ import annotations

import re
import subprocess
import sys

from harness import REPOSITORY
from outpace.ground import documents


def test_every_format_that_a_schema_names_is_checked() -> None:
    schemas = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "schemas").glob("*.json")]
    named = {name for text in schemas for name in re.findall(r'"format": "([^"]+)"', text)}
    assert named == set(documents.FORMATS.checkers)


def test_no_grammar_is_compiled_for_formats_that_no_schema_names() -> None:
    """Which took longer than all else that a command does before its first word."""
    code = "import sys, outpace.command.cli; sys.exit('lark' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
