"""The commands of docs/hosts.md, which the mesh is made with: what is told to users is what is done."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "hosts.md"


@cache
def block(head: str) -> str:
    """The shell commands under the heading ``head`` of the page."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^### {re.escape(head)}\b(?:(?!^#).)*?^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise LookupError(f"{PAGE} has no commands under '### {head}'.")
    return found[1]
