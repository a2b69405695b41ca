"""What tests of documents from strangers share: how a refusal is read, and honest documents to begin with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import REPOSITORY
from outpace.ground.errors import DocumentInvalid

RECORDING = REPOSITORY / "bench" / "recordings" / "phase-0.json"
REPORT = REPOSITORY / "reports" / "phase-0" / "report-B-serial-per-side.json"
CAPACITY = REPOSITORY / "reports" / "embedded-unequal" / "capacity.json"


def refusal(read: Callable[[Path], Any], path: Path) -> str:
    """What a reader says of a file that it refuses: one paragraph, in a second, which names the file."""
    began = time.process_time()
    with pytest.raises(DocumentInvalid) as raised:
        read(path)
    said = str(raised.value)
    assert path.name[:20] in said
    assert said.isprintable()
    assert len(said) < 1500
    assert time.process_time() - began < 20
    return said


def saved(folder: Path, document: Any, name: str = "r.json") -> Path:
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return folder / name
