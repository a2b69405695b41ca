"""A recording for the suite to replay, and the reports that its sessions leave."""

from __future__ import annotations

import json

import pytest

from harness import REPOSITORY

PUBLISHED = REPOSITORY / "bench" / "recordings" / "phase-0.json"


def report(suite: pytest.Pytester, strategy: str) -> dict:
    return json.loads((suite.path / "reports" / f"report-{strategy}.json").read_text())
