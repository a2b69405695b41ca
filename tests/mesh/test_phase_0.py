"""The published experiment over the mesh, by the script that a user would run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from harness import REPOSITORY
from mesh import Mesh
from mesh.engines import PUBLISHED
from mesh.outcomes import Tables

SCRIPT = REPOSITORY / "examples" / "phase-0.sh"


def run(*words: str, reports: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "REPORTS": str(reports)}
    return subprocess.run([str(SCRIPT), *words], cwd=REPOSITORY, env=environment, capture_output=True, text=True)


@pytest.mark.quiet
def test_it_is_measured_and_put_beside_the_published_one(mesh: Mesh, tables: Tables, tmp_path: Path) -> None:
    """A mesh of its own, beside that of the test: two runs do not collide. The sweep is left to a user's own run."""
    short = ["--rounds=3", "--max-tokens=8", "--gate=serial-per-side", "--deselect=bench/test_capacity.py"]
    done = run("--mesh", "--", *short, reports=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = {
        name: json.loads((tmp_path / f"report-{name}.json").read_text()) for name in ("all-parallel", "serial-per-side")
    }
    for report in told.values():
        assert [host["url"] for host in report["hosts"]] != []
        assert {host["url"].partition("//")[2].partition(":")[0] for host in report["hosts"]} == {
            "100.64.0.2",
            "100.64.0.3",
        }
        for each in report["rounds"]:
            assert all(request["error"] is None for request in each["run"]["requests"])
    result = (tmp_path / "RESULT.md").read_text()
    assert "## Beside phase-0" in result
    assert "| serial-per-side, overhead ratio | 0.866 |" in result
    assert "all-parallel's gate: " in result
    hosts = told["serial-per-side"]["summary"]["hosts"]
    added = {name: figures["added_latency_ms"] for name, figures in hosts.items()}
    runs = [each["run"]["requests"] for each in told["serial-per-side"]["rounds"]]
    added_ms = [each["wall_ms"] - each["server_ms"] for run in runs for each in run if each["host"] == "desktop"]
    assert PUBLISHED.least_ms is not None
    # A run's first request has the connection on which the host was knocked at. Clocks are good to a millisecond.
    assert min(added_ms) >= PUBLISHED.least_ms - 1, "a round trip"
    assert median(added_ms) >= 2 * PUBLISHED.least_ms - 1, "one for the connection, and one for the request"
    head = ("host", "published, mean (range)", "over the mesh, mean (range)", "what it is")
    title = "Added latency by host, serial-per-side (the desktop is 22 ms away, from 13 to 60)"
    shown = {name: "{mean:.1f} ms ({min:.1f} to {max:.1f})".format(**figures) for name, figures in added.items()}
    tables.add(title, head, ("local / laptop", "27.9 ms (2.2 to 60.4)", shown["laptop"], "the tunnel alone"))
    twice = "two round trips but for a run's first: llama-server closes a connection after each answer"
    tables.add(title, head, ("remote / desktop", "22.4 ms (13.1 to 30.2)", shown["desktop"], twice))


@pytest.mark.parametrize("words", [(), ("laptop=http://127.0.0.1:1",), ("--what",)])
def test_it_says_what_to_name(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, reports=tmp_path)
    assert done.returncode == 2
    assert "--mesh" in done.stderr
