"""No data leaves the boxes: all packets on all interfaces, while outpace is at work with prompts of a known mark."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from harness import REPOSITORY, ollama
from mesh import Machine, Mesh
from mesh.capture import capturing
from mesh.engines import PORT, PUBLISHED, llama, reference
from mesh.outcomes import Tables
from mesh.traffic import HEAD, TITLE, Traffic, row, traffic
from mesh.world import ROUTER_PORT, haproxy, outpace, outside, serving
from reference.truth import Truth

T = TypeVar("T")

SHORT = ("--rounds=1", "--max-tokens=4")
QUICK = (*SHORT, "--strategies=serial-per-side", "-k", "not capacity")
TRUTH = Truth(tokens_per_s=400.0, tokens=8)
LAPTOP, DESKTOP, ROUTER = ("100.64.0.2", PORT), ("100.64.0.3", PORT), ("100.64.0.2", ROUTER_PORT)
PUBLIC = "203.0.113.7"
NAMED = f"http://desktop.example:{PORT}"
PROXY = "http://10.77.0.254:3128"
BAIT = {name: PROXY for what in ("http", "https", "all") for name in (f"{what}_proxy", f"{what}_proxy".upper())}
"""Variables under which other clients send everything to a proxy."""


class Scene:
    """A mesh, a world outside that takes whatever comes, and prompts that bear ``mark``; what left is tabled."""

    def __init__(self, mesh: Mesh, tables: Tables, folder: Path, stack: ExitStack) -> None:
        self.mesh, self.tables, self._stack = mesh, tables, stack
        self.world = stack.enter_context(outside(mesh))
        self.mark = f"mark-{secrets.token_hex(6)}"
        prompts = folder / "prompts.txt"
        prompts.write_text("".join(f"{self.mark} {number}: name a river.\n" for number in range(8)))
        self.prompts = f"--prompts={prompts}"

    def engine(self, machine: Machine) -> str:
        """An engine of known truth on ``machine``."""
        return self._stack.enter_context(reference(machine, TRUTH))

    def engines(self) -> str:
        """One on the laptop and one on the desktop, as hosts."""
        return hosts(self.engine(self.mesh.laptop), self.engine(self.mesh.desktop))

    def watched(self, what: str, *words: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], Traffic]:
        """Run outpace while all is captured."""
        return self.captured(what, lambda: outpace(self.mesh, *words, **variables))

    def captured(self, what: str, run: Callable[[], T]) -> tuple[T, Traffic]:
        """Do ``run`` while all is captured."""
        with capturing(self.mesh) as capture:
            done = run()
        seen = traffic(self.mesh, capture.packets, self.mark)
        self.tables.add(TITLE, HEAD, row(what, seen))
        return done, seen


@pytest.fixture
def scene(mesh: Mesh, tables: Tables, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(mesh, tables, tmp_path, stack)


def hosts(laptop: str, desktop: str) -> str:
    return f"--hosts=laptop={laptop},desktop={desktop}"


def assert_passed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def assert_within_the_tunnel(seen: Traffic, *served: tuple[str, int]) -> None:
    """The mark went through the tunnel to who was named; outside of tunnel and machines nothing of it, or of others."""
    assert set(seen.tunnel) == set(served)
    assert "tunnel" in seen.marked
    assert "wire" not in seen.marked
    assert seen.wire > 0
    assert not seen.elsewhere


@pytest.mark.waits
def test_the_whole_experiment_stays_within_the_tunnel(scene: Scene) -> None:
    """Real engines, the sweep, every strategy, a real router, the gate, and a recording of it all."""
    mesh = scene.mesh
    with (
        llama(mesh.laptop, 0) as laptop,
        llama(mesh.desktop, 1, PUBLISHED) as desktop,
        haproxy(mesh.laptop, [laptop, desktop]) as router,
    ):
        done, seen = scene.watched(
            "the whole experiment, a router, a recording; real engines",
            *("run", hosts(laptop, desktop), scene.prompts, *SHORT, "--strategies=all", "--threshold=100"),
            *(f"--router=haproxy={router}", "--record=recording.json"),
        )
    assert_passed(done)
    assert_within_the_tunnel(seen, LAPTOP, DESKTOP, ROUTER)
    assert seen.names == 0
    assert not scene.world.saw
    folder = mesh.coordinator.folder / "work"
    assert len(list((folder / "reports").glob("report-*.json"))) == 9
    assert scene.mark in (folder / "recording.json").read_text()


def test_variables_that_name_a_proxy_are_not_followed(scene: Scene) -> None:
    done, seen = scene.watched(
        "a session, proxies in the environment", "run", scene.engines(), scene.prompts, *QUICK, **BAIT
    )
    assert_passed(done)
    assert_within_the_tunnel(seen, LAPTOP, DESKTOP)
    assert seen.names == 0
    assert not scene.world.saw


def test_a_client_that_follows_them_is_seen(scene: Scene) -> None:
    """The capture itself put to the test: what leaves by a client without these promises does show."""
    url = scene.engine(scene.mesh.desktop)
    code = "import httpx, sys; httpx.post(sys.argv[1], json={'prompt': sys.argv[2]})"
    command = scene.mesh.coordinator.command(sys.executable, "-c", code, f"{url}/api/generate", scene.mark)
    done, seen = scene.captured(
        "(httpx with its defaults, the same proxies)", lambda: subprocess.run(command, env=BAIT)
    )
    assert done.returncode == 0
    assert "wire" in seen.marked
    assert any("10.77.0.254:3128" in where for where in seen.elsewhere)
    assert scene.mark in scene.world.saw[0]["body"]


@pytest.mark.parametrize("status", [302, 307])
def test_a_host_that_redirects_is_not_followed(scene: Scene, status: int) -> None:
    class Redirects(ollama("reference")):  # type: ignore[misc]
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("location", f"http://{PUBLIC}:{PORT}/api/generate")
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(scene.mesh.desktop, Redirects) as desktop:
        named = hosts(scene.engine(scene.mesh.laptop), desktop)
        done, seen = scene.watched(f"a host that redirects ({status})", "run", named, scene.prompts, *QUICK)
    assert done.returncode != 0
    assert f"redirects to http://{PUBLIC}" in done.stdout + done.stderr
    assert_within_the_tunnel(seen, LAPTOP, DESKTOP)
    assert not scene.world.saw


def test_a_name_is_looked_up_once_and_prompts_go_to_the_address_that_was_checked(scene: Scene) -> None:
    scene.world.know({"desktop.example": [DESKTOP[0], PUBLIC]})
    scene.engine(scene.mesh.desktop)
    named = hosts(scene.engine(scene.mesh.laptop), NAMED)
    done, seen = scene.watched("a name that is elsewhere at the second look", "run", named, scene.prompts, *QUICK)
    assert_passed(done)
    assert_within_the_tunnel(seen, LAPTOP, DESKTOP)
    assert scene.world.saw == [{"asked": "desktop.example", "told": DESKTOP[0]}]


def test_a_name_with_a_public_address_is_asked_for_and_nothing_else_is(scene: Scene) -> None:
    scene.world.know({"desktop.example": [PUBLIC]})
    named = hosts(scene.engine(scene.mesh.laptop), NAMED)
    done, seen = scene.watched("a name whose address is public", "run", named, scene.prompts, *QUICK)
    assert done.returncode != 0
    assert "--allow-public" in done.stdout + done.stderr
    assert not seen.tunnel
    assert not seen.elsewhere
    assert not seen.marked
    assert scene.world.saw == [{"asked": "desktop.example", "told": PUBLIC}]


def test_doctor_speaks_to_the_hosts_alone(scene: Scene) -> None:
    done, seen = scene.watched("doctor, proxies in the environment", "doctor", scene.engines(), **BAIT)
    assert_passed(done)
    assert set(seen.tunnel) == {LAPTOP, DESKTOP}
    assert not seen.elsewhere
    assert seen.names == 0
    assert not scene.world.saw


def test_what_works_on_files_sends_nothing(scene: Scene) -> None:
    recording, kept = REPOSITORY / "bench" / "recordings" / "phase-0.json", REPOSITORY / "reports" / "phase-0"

    def run() -> list[subprocess.CompletedProcess[str]]:
        replay = ("run", f"--hosts=replay:{recording}", "--strategies=serial-per-side")
        commands = (
            replay,
            ("report", "reports"),
            ("compare", str(kept), "reports"),
            ("what-if", str(recording), "remove=remote"),
        )
        return [outpace(scene.mesh, *words, **BAIT) for words in commands]

    done, seen = scene.captured("replay, report, compare, what-if", run)
    for each in done:
        assert_passed(each)
    assert not seen.tunnel
    assert not seen.elsewhere
    assert seen.names == 0
