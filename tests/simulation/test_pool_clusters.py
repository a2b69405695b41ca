"""On a cluster of two Ray nodes, started here, and on Dask, a pool comes to the same to the last digit."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PORT = 21_379

pytestmark = pytest.mark.quiet


def needs(module: str) -> pytest.MarkDecorator:
    there = importlib.util.find_spec(module) is not None
    return pytest.mark.skipif(not there, reason=f"{module} is not installed: tox -e ray runs this")


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[dict[str, str]]:
    ray = str(Path(sys.executable).parent / "ray")
    # A node of its own leaves every other that runs on this machine alone, and is the one that is stopped.
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": f"127.0.0.1:{PORT}"}
    nodes: list[subprocess.Popen[bytes]] = []
    folder = tempfile.mkdtemp(prefix="ray")  # a short one: sockets lie in it
    start = [ray, "start", "--num-cpus=1", "--block"]
    head = ["--head", "--node-ip-address=127.0.0.1", f"--port={PORT}", "--include-dashboard=false"]
    try:
        for how in ([*head, f"--temp-dir={folder}"], [f"--address=127.0.0.1:{PORT}"]):
            nodes.append(subprocess.Popen([*start, *how], env=environment, stdout=subprocess.DEVNULL))
            wait = "import ray, time\nwhile True:\n try:\n  ray.init()\n  break\n except Exception:\n  time.sleep(1)\n"
            wait += f"while len(ray.nodes()) < {len(nodes)}: time.sleep(0.5)"
            subprocess.run([sys.executable, "-c", wait], env=environment, check=True, timeout=120, capture_output=True)
        yield environment
    finally:
        for node in reversed(nodes):
            node.terminate()
        for node in nodes:
            node.wait(60)
        shutil.rmtree(folder)


def played(folder: Path, environment: dict[str, str] | None = None, *how: str) -> dict[str, Any]:
    asked = ["pool", "office", "--seeds=3", "--vary=rule:power-of-two,pull", f"--report-dir={folder}", *how]
    subprocess.run([sys.executable, "-m", "outpace.command.cli", *asked], env=environment, check=True, timeout=300)
    document = json.loads((folder / "pool-office.json").read_text(encoding="utf-8"))
    for each in document["variations"]:
        for costly in (each, *each["seeds"]):
            del costly["cost"]
    return {name: value for name, value in document.items() if name != "machine"}


@needs("ray")
def test_on_two_nodes_of_ray_it_is_the_same_to_the_last_digit(tmp_path: Path, two_nodes: dict[str, str]) -> None:
    assert played(tmp_path / "ray", two_nodes, "--on=ray") == played(tmp_path / "one", None, "--jobs=1")


@needs("distributed")
def test_on_dask_it_is_the_same_to_the_last_digit(tmp_path: Path) -> None:
    assert played(tmp_path / "dask", None, "--on=dask") == played(tmp_path / "one", None, "--jobs=1")
