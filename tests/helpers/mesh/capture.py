"""Every packet on every interface of every machine of a mesh, while a block runs."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mesh.network import Machine, Mesh

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
HOP_BY_HOP = 0
"""What IPv6 puts before the reports of who listens to which group."""
OUTGOING = 4


@dataclass(frozen=True)
class Packet:
    """One packet as it was seen on an ``interface`` of a ``machine``; ``kind`` is "TCP", "UDP", "ARP" and so on.

    Ports are None where there are none; ``raw`` is all of it, without what is below the network layer.
    """

    machine: str
    interface: str
    outgoing: bool
    kind: str
    source: str
    target: str
    source_port: int | None
    target_port: int | None
    raw: bytes


class Capture:
    """What was captured: ``packets``, once the block has ended."""

    packets: tuple[Packet, ...] = ()


@contextlib.contextmanager
def capturing(mesh: Mesh) -> Iterator[Capture]:
    """Capture on all interfaces of all machines until the block ends.

    What a machine says to itself at 127.0.0.1 is left out.
    A capture that missed a packet is an error: it could show no absence.
    """
    capture = Capture()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outpace-capture-")))
        running = [(machine, _start(machine, folder / machine.name, stack)) for machine in mesh.everything]
        yield capture
        for machine, process in running:
            _stop(machine, process)
        capture.packets = tuple(
            packet for machine, _ in running for packet in _read(folder / machine.name, machine.name, _names(machine))
        )


def _start(machine: Machine, file: Path, stack: contextlib.ExitStack) -> subprocess.Popen[str]:
    # Root stays root, so that it may write into the folder; a packet is written as soon as it is seen.
    words = ["tcpdump", "-Z", "root", "-i", "any", "-y", "LINUX_SLL2", "-n", "-U", "--immediate-mode", "-B", "32768"]
    process = stack.enter_context(
        subprocess.Popen(
            machine.command(*words, "-w", str(file), "not host 127.0.0.1"), stderr=subprocess.PIPE, text=True
        )
    )
    stack.callback(process.kill)
    assert process.stderr is not None
    said = ""
    while "listening on" not in said:
        line = process.stderr.readline()
        if not line:
            raise RuntimeError(f"tcpdump did not start on {machine.name}: {said}")
        said += line
    return process


def _stop(machine: Machine, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    missed = re.search(r"(\d+) packets dropped by kernel", said)
    if missed is None or missed[1] != "0":
        raise RuntimeError(f"The capture on {machine.name} is not whole: {said}")


def _names(machine: Machine) -> dict[int, str]:
    return {each["ifindex"]: each["ifname"] for each in json.loads(machine.do("ip", "-json", "link"))}


def _read(file: Path, machine: str, names: dict[int, str]) -> Iterator[Packet]:
    """The packets of a file as tcpdump writes it: a header of 24 bytes, then 16 before each packet."""
    data = file.read_bytes()
    at = 24
    while at < len(data):
        _, _, size, whole = struct.unpack_from("=IIII", data, at)
        if size != whole:
            raise RuntimeError(f"a packet on {machine} was captured in part: {size} of {whole} bytes")
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        protocol, interface, way = struct.unpack_from("!H2xI2xB", frame)
        yield Packet(machine, names[interface], way == OUTGOING, *_parsed(protocol, frame[20:]), raw=frame[20:])


def _parsed(protocol: int, raw: bytes) -> tuple[Any, ...]:
    """Kind, source, target and their ports."""
    if protocol == ARP:
        return "ARP", str(ip_address(raw[14:18])), str(ip_address(raw[24:28])), None, None
    if protocol == IPV4:
        head, inner, addresses = (raw[0] & 15) * 4, raw[9], (raw[12:16], raw[16:20])
    elif protocol == IPV6:
        head, inner, addresses = 40, raw[6], (raw[8:24], raw[24:40])
        if inner == HOP_BY_HOP:
            head, inner = head + 8 + raw[head + 1] * 8, raw[head]
    else:
        raise RuntimeError(f"a packet of a kind that nobody expected: {protocol:#06x}")
    source, target = (str(ip_address(each)) for each in addresses)
    ports = struct.unpack_from("!HH", raw, head) if inner in (6, 17) else (None, None)
    return PROTOCOLS.get(inner, f"protocol {inner}"), source, target, *ports
