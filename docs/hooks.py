"""Put what the commands say of themselves into the reference, so that it cannot grow old."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from outpace.command import cli

RUN_HELP = '--8<-- "run-help"'


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark by the help of ``outpace run``."""
    if RUN_HELP not in markdown:
        return markdown
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        cli.main(["run", "--help"])
    return markdown.replace(RUN_HELP, f"```\n{said.getvalue()}```")
