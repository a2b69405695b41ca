"""What a test needs and a machine may lack: without it a test is skipped, but fails in CI, which hides nothing."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test, as ``what`` says that something is missing; where ``CI`` is set, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; CI has to have it: .ci/packages says what it installs.", pytrace=False)
    raise pytest.skip.Exception(what, _use_item_location=True)  # or the list of skipped tests would name this line


def program(*names: str) -> str:
    """Where the first of these programs lies that is installed."""
    for name in names:
        if path := shutil.which(name):
            return path
    missing(f"{' or '.join(names)} is not installed")
