"""Lines of the terminal, in 80 columns."""

from __future__ import annotations

import textwrap

import pytest

from outpace.report.words import visible

WIDTH = 80


def write_wrapped(
    reporter: pytest.TerminalReporter, text: str, first_indent: str = "    ", next_indent: str = "    "
) -> None:
    """Write ``text``, in as many lines as it takes."""
    # Models and errors are named by machines that may lie: nothing in them reaches the terminal as a command.
    for line in textwrap.wrap(visible(text), WIDTH, initial_indent=first_indent, subsequent_indent=next_indent):
        reporter.write_line(line)
