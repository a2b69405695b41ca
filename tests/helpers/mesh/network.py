"""Machines as network namespaces, the network that they share, and the tunnel between them."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from ctypes import CDLL, get_errno
from pathlib import Path
from typing import Any, Self, TypeVar

from mesh import how_to

T = TypeVar("T")

NAMES = ("coordinator", "laptop", "desktop")
TOOLS = ("ip", "wg", "wireguard-go", "tcpdump")
GATEWAY, GATEWAY6 = "10.77.0.254", "fd77::fe"
RESOLVING = ("resolv.conf", "nsswitch.conf", "hosts")
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
_NAMESPACE = re.compile(r"outpace(?P<pid>\d+)-\d+-[a-z]+")
_count = itertools.count(1)


def why_not() -> str | None:
    """Why there can be no mesh on this machine whatever is installed, None where there can."""
    if sys.platform != "linux":
        return "a mesh of network namespaces needs Linux"
    if os.geteuid() != 0:
        return "a mesh of network namespaces needs root"
    if not Path("/dev/net/tun").exists():
        return "WireGuard in user space needs /dev/net/tun"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return f"this machine lets root make no network namespace: {tried.stderr.strip()}" if tried.returncode else None


class Machine:
    """One machine: ``address`` in the mesh, ``at`` on the network below it, its files in ``folder``."""

    def __init__(self, name: str, namespace: str, folder: Path, number: int) -> None:
        self.name, self.namespace, self.folder = name, namespace, folder
        self.address, self.at, self.at6 = f"100.64.0.{number}", f"10.77.0.{number}", f"fd77::{number}"
        (folder / "wireguard").mkdir(parents=True)
        (folder / "resolv.conf").write_text(f"nameserver {GATEWAY}\noptions timeout:1 attempts:1\n")
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        (folder / "hosts").write_text("127.0.0.1 localhost\n")
        # What every machine has to itself: the sockets of its tunnels, and who answers for names.
        lines = [f"mount --bind {folder}/wireguard /run/wireguard"]
        for file in RESOLVING:
            lines.append(f"[ ! -e /etc/{file} ] || mount --bind {folder}/{file} /etc/{file}")
        (folder / "enter").write_text("\n".join(["set -e", *lines, 'exec "$@"']) + "\n")

    def command(self, *words: str) -> list[str]:
        """The command that does ``words`` on this machine; the process that it becomes is theirs."""
        return ["ip", "netns", "exec", self.namespace, "sh", str(self.folder / "enter"), *words]

    def do(self, *words: str, **how: Any) -> str:
        """Run a command here and give what it prints; one that fails is an error that shows what it said."""
        done = subprocess.run(self.command(*words), cwd=self.folder, capture_output=True, text=True, **how)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(words)}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def script(self, text: str, **variables: str) -> str:
        """Run a piece of shell here, in the machine's folder."""
        return self.do("bash", "-euc", text, env={**os.environ, **variables})

    def inside(self, work: Callable[[], T]) -> Future[T]:
        """Do ``work`` in a thread of this process that is on this machine: its sockets are, and names it looks up."""
        pool = ThreadPoolExecutor(1, thread_name_prefix=self.name, initializer=self._enter)
        try:
            return pool.submit(work)
        finally:
            pool.shutdown(wait=False)

    def _enter(self) -> None:
        libc = CDLL(None, use_errno=True)
        with Path("/run/netns", self.namespace).open() as namespace:
            _must(libc.setns(namespace.fileno(), CLONE_NEWNET))
        _must(libc.unshare(CLONE_NEWNS))
        _must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
        for file in RESOLVING:
            if Path("/etc", file).exists():
                _must(libc.mount(bytes(self.folder / file), b"/etc/" + file.encode(), None, MS_BIND, None))

    @property
    def processes(self) -> list[int]:
        """Whatever runs here."""
        told = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=True)
        return [int(pid) for pid in told.stdout.split() if int(pid) != os.getpid()]

    def link(self, state: str, interface: str = "eth0") -> None:
        """Plug the cable in (``up``) or pull it out (``down``), or take the ``interface`` named so up or down."""
        self.do("ip", "link", "set", interface, state)
        if state == "up" and interface == "eth0":
            self._routes()

    def sleep(self) -> None:
        """Close the lid: everything here stops where it is, and the network is gone."""
        self.signal(signal.SIGSTOP)
        subprocess.run(["ip", "-n", self.namespace, "link", "set", "eth0", "down"], check=True)

    def wake(self) -> None:
        """Open the lid again."""
        subprocess.run(["ip", "-n", self.namespace, "link", "set", "eth0", "up"], check=True)
        self.signal(signal.SIGCONT)
        self._routes()

    def signal(self, number: int) -> None:
        """Send a signal to everything that runs here."""
        for pid in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def move(self, at: str) -> None:
        """Give the machine another address on the network below the mesh."""
        self.do("ip", "address", "delete", f"{self.at}/24", "dev", "eth0")
        self.do("ip", "address", "add", f"{at}/24", "dev", "eth0")
        self.at = at
        self._routes()

    def _routes(self) -> None:
        """The way to everywhere else, which the kernel forgets with the link."""
        self.do("ip", "route", "replace", "default", "via", GATEWAY)
        self.do("ip", "-6", "address", "replace", f"{self.at6}/64", "dev", "eth0", "nodad")
        self.do("ip", "-6", "route", "replace", "default", "via", GATEWAY6)


class Mesh:
    """Coordinator, laptop and desktop on a bridge, and a WireGuard tunnel between them; a context manager.

    The bridge stands in a namespace of its own, ``outside``, which is also the gateway to everywhere else and answers
    at every address, so that a packet to nobody's address goes out and can be seen.
    """

    def __init__(self) -> None:
        self._run = f"outpace{os.getpid()}-{next(_count)}"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            remove_left_behind()
            Path("/run/wireguard").mkdir(exist_ok=True)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{self._run}-")))
            found = {name: self._machine(stack, name, folder, number) for number, name in enumerate(NAMES, start=1)}
            self.coordinator, self.laptop, self.desktop = found.values()
            self.machines = tuple(found.values())
            self.outside = self._machine(stack, "outside", folder, 254)
            self.everything = (*self.machines, self.outside)
            self._wire()
            self._tunnel()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _machine(self, stack: contextlib.ExitStack, name: str, folder: Path, number: int) -> Machine:
        machine = Machine(name, f"{self._run}-{name}", folder / name, number)
        subprocess.run(["ip", "netns", "add", machine.namespace], check=True)
        stack.callback(_remove, machine.namespace)
        machine.do("ip", "link", "set", "lo", "up")
        return machine

    def _wire(self) -> None:
        """The network below the mesh."""
        outside = self.outside
        outside.do("ip", "link", "add", "bridge", "type", "bridge")
        outside.do("ip", "address", "add", f"{GATEWAY}/24", "dev", "bridge")
        outside.do("ip", "-6", "address", "add", f"{GATEWAY6}/64", "dev", "bridge", "nodad")
        outside.do("ip", "link", "set", "bridge", "up")
        # Every address is here that is nowhere else. With IPv6 a table of its own says so, behind all others: the table
        # of local addresses comes before that of the network, where IPv4 takes the longest match in both.
        outside.do("ip", "route", "add", "local", "default", "dev", "lo")
        outside.do("ip", "-6", "route", "add", "local", "default", "dev", "lo", "table", "100")
        outside.do("ip", "-6", "rule", "add", "priority", "40000", "lookup", "100")
        for machine in self.machines:
            peer = ("type", "veth", "peer", "name", "eth0", "netns", machine.namespace)
            outside.do("ip", "link", "add", machine.name, *peer)
            outside.do("ip", "link", "set", machine.name, "master", "bridge", "up")
            machine.do("ip", "address", "add", f"{machine.at}/24", "dev", "eth0")
            machine.link("up")

    def _tunnel(self) -> None:
        """The mesh itself, by the commands of docs/hosts.md."""
        for machine in self.machines:
            machine.script(how_to.block("Keys"))
            machine.script(how_to.block("Tunnel"), MESH=machine.address)
        for machine in self.machines:
            for other in self.machines:
                if other is not machine:
                    key = (other.folder / "public.key").read_text().strip()
                    machine.script(how_to.block("Peers"), KEY=key, PEER=other.address, AT=other.at)


def _must(failed: int) -> None:
    if failed:
        raise OSError(get_errno(), os.strerror(get_errno()))


def remove_left_behind() -> None:
    """Remove the namespaces of runs that were killed before they could."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        found = _NAMESPACE.fullmatch(line.split()[0])
        if found and not Path("/proc", found["pid"]).exists():
            _remove(found[0])


def _remove(namespace: str) -> None:
    """Remove a namespace and end whatever still runs in it."""
    told = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True)
    for pid in map(int, told.stdout.split()):
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", namespace], check=False)
