"""Whose fault a failure is: what this machine lacks is no host's, and what a host refuses is told as what it is."""

from __future__ import annotations

import errno
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import ollama
from needed import program
from outpace.engines import Client, connect, descriptors
from outpace.engines.client import network_transport
from outpace.engines.failures import of_this_machine
from outpace.engines.path import path_failure
from outpace.ground.errors import (
    CertificateRefused,
    ConnectFailed,
    CoordinatorShort,
    HostsError,
    HostUnusable,
    NetworkDown,
    RequestFailed,
    UsageError,
)
from outpace.ground.hosts import Host, parse, resolve
from outpace.ground.records import FailedAttempt, RequestRecord, Round, Run
from outpace.judge.comparison import compare
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.workload.prompts import workload

MANY = """
import json, resource, sys
from collections import Counter
import anyio
from outpace.dispatch import Coordinator, find_strategy
from outpace.engines import Client, Identity
from outpace.engines.detect import engine_for
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation, workload

resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

async def main():
    async with Client(timeout_s=20) as client:
        hosts = [Host(name, url, ("127.0.0.1",)) for name, url in zip("ab", sys.argv[1:])]
        engines = {h.name: engine_for(client, h, Identity("ollama", "ollama", None, {"m": None}), "m") for h in hosts}
        work = workload([f"prompt {number}" for number in range(80)], Generation(max_tokens=8))
        outcome = await Coordinator(engines, timeout_s=20).run(
            "r", find_strategy("all-parallel"), work, list(engines), cache_key="k"
        )
        run = outcome.run
        told = [attempt.error for attempt in run.failed_attempts]
        print(json.dumps([len(run.failed), dict(Counter(a.kind for a in run.failed_attempts)), told[:1]]))

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_too_many_open_files_are_this_machines_failure_and_cost_no_prompt() -> None:
    """github.com/BerriAI/litellm/issues/12872: report 20."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), ollama("m", pause_s=0.05)) for _ in "ab"]
    for server in servers:
        server.note = lambda *_: None  # type: ignore[attr-defined]
        server.request_queue_size = 128
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    urls = [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    try:
        done = subprocess.run(
            [sys.executable, "-c", MANY, *urls], capture_output=True, text=True, check=False, timeout=120
        )
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
    assert done.returncode == 0, done.stderr
    failed, kinds, told = json.loads(done.stdout)
    assert failed == 0
    assert set(kinds) == {"own"}
    assert "This machine, not" in told[0]
    assert "Too many open files" in told[0]


def test_the_limit_of_open_files_is_raised_before_anything_is_sent() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(1024, before[0])
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lower, before[1]))
        network_transport()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard == before[1]
        assert soft == min(hard, descriptors.MOST) or soft == lower == hard
        assert descriptors.allowed() == soft
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_too_few_open_files_are_told_before_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """report 20."""
    monkeypatch.setattr(descriptors, "allowed", lambda: 256)
    assert descriptors.too_few(100) is None
    said = descriptors.too_few(200)
    assert said is not None
    assert "200 requests at once take about 264 open files; this machine allows a process 256" in said
    assert "ulimit -n 264" in said
    session = Session(Settings(workload=workload([str(number) for number in range(500)])))
    session.routers = {}
    with pytest.raises(UsageError, match=r"all-parallel sends all prompts at once.*ulimit -n 564"):
        session.find_strategy("all-parallel")
    assert session.find_strategy("pull")


def test_a_host_is_not_called_gone_for_what_this_machine_could_not_do() -> None:
    answered = RequestRecord(0, "a", 0.0, 10.0, output_tokens=4)
    own = FailedAttempt(0, "b", 0.0, 1.0, "own: This machine, not b, has no means left.")
    one = Run("sequential", ("a",), 10.0, (answered,))
    found = compare("pull", ["a", "b"], [Round(one, Run("pull", ("a", "b"), 10.0, (answered,), (own,)))])
    assert not any(note.startswith("b failed") for note in found.notes)
    assert any("1 of these failed on the machine that outpace runs on" in note for note in found.notes)


def test_an_address_that_this_machine_does_not_have_is_no_shortage() -> None:
    """All ports in use is what it means of IPv4; of IPv6 that this machine has no such address, and so no way."""
    error = OSError(errno.EADDRNOTAVAIL, "no")
    assert isinstance(of_this_machine(Host("h", "http://h", ("127.0.0.1",)), error), CoordinatorShort)
    assert of_this_machine(Host("h", "http://h", ("::1",)), error) is None
    assert isinstance(path_failure(Host("h", "http://h", ("::1",)), error.errno, sent=None), NetworkDown)


wraps = st.lists(st.sampled_from(["cause", "context", "group"]), max_size=4)


@given(number=st.sampled_from(sorted(errno.errorcode)), wrapped=wraps)
def test_what_this_machine_lacks_is_its_own_however_a_library_wraps_it(number: int, wrapped: list[str]) -> None:
    error: Exception = OSError(number, "no")
    for how in wrapped:
        outer = ExceptionGroup("several", [error]) if how == "group" else RuntimeError("it failed")
        if how == "cause":
            outer.__cause__ = error
        elif how == "context":
            outer.__context__ = error
        error = outer
    found = of_this_machine(Host("h", "http://h", ("127.0.0.1",)), error)
    lacks = number in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
    assert isinstance(found, CoordinatorShort) is lacks
    assert (found is None) is not lacks


@pytest.mark.parametrize("url", ["http://0.0.0.0:11434", "http://[::]:11434", "http://0:11434", "http://[::]"])
def test_where_a_server_listens_is_no_address_to_reach_it_by(url: str) -> None:
    """github.com/ollama/ollama-python/issues/407: report 22."""
    hosts = parse([f"a={url},b=http://10.0.0.2:11434"])
    assert isinstance(hosts, list)
    for allow_public in (False, True):
        with pytest.raises(HostsError, match=r"where a server listens.*Write 127\.0\.0\.1") as told:
            resolve(hosts, allow_public=allow_public)
        assert "public" not in str(told.value)


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run([program("openssl"), *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of one's own, and a certificate that it has signed for 127.0.0.1, as a few commands make them."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "bare.cnf").write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=CA:TRUE\n"
        "[leaf]\nsubjectAltName=IP:127.0.0.1\n"
    )
    new = ["req", "-config", "bare.cnf", "-newkey", "rsa:2048", "-nodes"]
    openssl(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=own", "-days", "2", folder=folder)
    openssl(*new, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf", folder=folder)
    signed = ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    openssl(*signed, "-out", "leaf.pem", "-extfile", "bare.cnf", "-extensions", "leaf", folder=folder)
    return folder


@contextmanager
def by_tls(authority: Path) -> Iterator[int]:
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted.load_cert_chain(authority / "leaf.pem", authority / "leaf.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), ollama("m"))
    server.note = lambda *_: None  # type: ignore[attr-defined]
    server.socket = trusted.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def model_at(url: str, address: str = "127.0.0.1") -> str:
    async def main() -> str:
        async with Client(timeout_s=10) as client:
            return (await connect(client, [Host("h", url, (address,))]))["h"].model

    return anyio.run(main)


def test_a_certificate_that_is_not_trusted_is_named_as_such(authority: Path) -> None:
    """github.com/urllib3/urllib3/issues/3665: report 30."""
    with by_tls(authority) as port, pytest.raises(HostUnusable, match="shows a certificate that this machine") as told:
        model_at(f"https://127.0.0.1:{port}")
    assert "SSL_CERT_FILE" in str(told.value)
    assert "Is the engine running" not in str(told.value)


def test_an_authority_of_ones_own_is_trusted_whatever_it_leaves_out(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """github.com/python/cpython/issues/138193, where Python 3.13 asks for more than other clients do: report 30."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    with by_tls(authority) as port:
        assert model_at(f"https://127.0.0.1:{port}") == "m"
        with pytest.raises(HostUnusable, match="shows a certificate that this machine does not trust"):
            model_at(f"https://localhost:{port}")  # it is for another name


def test_a_host_without_tls_is_told_so() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ollama("m"))
    server.note = lambda *_: None  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with pytest.raises(HostUnusable, match="Is it http:// there"):
            model_at(f"https://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_of_this_machine_is_a_failure_to_connect() -> None:
    assert issubclass(CertificateRefused, ConnectFailed)
    assert issubclass(CoordinatorShort, RequestFailed)
    assert not CoordinatorShort.host_down
