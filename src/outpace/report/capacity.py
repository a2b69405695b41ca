"""What concurrency does to each host, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from outpace.judge.capacity import HostCapacity
from outpace.report.blocks import LONG, NUMBER, TEXT, Table
from outpace.report.words import Foreign, times


def up_to(low: int, high: int) -> str:
    """A limit, and as far as it is not sure, from where to where it may lie."""
    return f"{low}" if low == high else f"{low} to {high}"


def table(found: Sequence[HostCapacity]) -> Table:
    """A row a host."""
    return Table(
        "Capacity by host",
        {"host": TEXT, "kind": TEXT, "limit": NUMBER, "gain": NUMBER, "why": LONG},
        [
            (
                Foreign(host.name),
                of.kind + ("" if of.settled else " (not settled)"),
                f"{of.limit}" + (f" ({up_to(of.limit_low, of.limit_high)})" if of.limit_low < of.limit_high else ""),
                times(of.gain),
                Foreign(of.reason),
            )
            for host in found
            for of in [host.capacity]
        ],
    )
