"""Fault schedules: what goes wrong on which host, and when; ``--fault=desktop:dies@2s``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outpace.ground.errors import UsageError, quoted

KINDS = {
    "refuses": "connections are refused",
    "resets": "the connection is dropped inside the answer",
    "truncates": "the answer ends early, as if it were whole",
    "dies": "answers under way are cut, and connections refused from then on",
    "silent": "no further byte arrives",
    "busy": "status 503; busy(3s) asks to be left alone for 3 s",
    "errors": "status 200, the beginning of an answer, then an error in the protocol's own form",
    "garbage": "status 200, then lines that are no JSON",
    "endless": "an answer a thousand times too long",
    "slow": "everything takes ten times as long; slow(3) three times",
    "jumps": "the coordinator's clock jumps forward once; clock:jumps(30s), in a replay only",
}
_TIMED = frozenset({"busy", "jumps"})
_DURATION = r"[0-9]{1,6}(?:\.[0-9]{1,6})?(?:ms|s)"
_FORM = re.compile(
    rf"(?P<host>[^@()]+):(?P<kind>[a-z]+)(?:\((?P<parameter>[0-9a-z.]+)\))?"
    rf"(?:@(?P<start>{_DURATION})(?:-(?P<end>{_DURATION}))?)?"
)


@dataclass(frozen=True)
class Fault:
    """One fault: ``host`` is a host's name, or "*" for each of them.

    It acts from ``start_s`` to ``end_s``, in seconds since the start of each of the strategy's runs; baseline runs and
    the warm-up are spared, so that the ratio shows what it costs. ``parameter`` is seconds for "busy" (None: not told)
    and "jumps", a factor for "slow".
    """

    host: str
    kind: str
    start_s: float = 0.0
    end_s: float = float("inf")
    parameter: float | None = None

    def concerns(self, host: str) -> bool:
        """Whether the fault is one of ``host``'s."""
        return self.kind != "jumps" and self.host in (host, "*")

    def acts(self, since_start_s: float) -> bool:
        """Whether it acts so many seconds into a run."""
        return self.start_s <= since_start_s < self.end_s


def parse_all(specs: Sequence[str]) -> tuple[Fault, ...]:
    """Read the values of ``--fault``; raises ``UsageError`` that says which cannot be read and what to write."""
    return tuple(parse(part.strip()) for spec in specs for part in spec.split(",") if part.strip())


def parse(text: str) -> Fault:
    """Read ``HOST:KIND[(PARAMETER)][@START[-END]]``; raises ``UsageError``."""
    shown = quoted(text)
    found = _FORM.fullmatch(text)
    if found is None or found["kind"] not in KINDS:
        kinds = "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())
        raise UsageError(
            f"--fault: cannot read {shown}. Write HOST:KIND@START or HOST:KIND@START-END with times such as 2s or "
            f"500ms, for example desktop:dies@2s. The kinds are {kinds}."
        )
    kind, parameter = found["kind"], found["parameter"]
    start_s = _seconds(found["start"]) if found["start"] else 0.0
    end_s = _seconds(found["end"]) if found["end"] else float("inf")
    if end_s <= start_s:
        raise UsageError(f"--fault: {shown} ends before it begins.")
    if kind == "jumps" and found["host"] not in ("clock", "*"):
        raise UsageError(f"--fault: in {shown}, only the coordinator's clock jumps; write clock:jumps(30s).")
    if kind == "jumps" and parameter is None:
        raise UsageError(f"--fault: {shown} does not say how far the clock jumps; write jumps(30s).")
    return Fault(found["host"], kind, start_s, end_s, _parameter(kind, parameter, shown))


def _parameter(kind: str, text: str | None, shown: str) -> float | None:
    if text is None:
        return 10.0 if kind == "slow" else None
    if kind in _TIMED and re.fullmatch(_DURATION, text):
        return _seconds(text)
    if kind == "slow" and re.fullmatch(r"[0-9]{1,4}(?:\.[0-9]{1,3})?", text) and float(text) >= 1:
        return float(text)
    wanted = "a time such as 3s" if kind in _TIMED else "a factor of 1 or more" if kind == "slow" else "nothing"
    raise UsageError(f"--fault: in {shown}, {kind} takes {wanted} in its brackets.")


def _seconds(text: str) -> float:
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text[:-1])


def require_virtual_clock(faults: Iterable[Fault], *, virtual: bool) -> None:
    """Raise ``UsageError`` for a jump of a clock that is not ``virtual``."""
    if not virtual and any(fault.kind == "jumps" for fault in faults):
        raise UsageError("--fault: the clock can jump in a replay only; live it is not ours to move.")


def require_hosts(faults: Iterable[Fault], hosts: Iterable[str]) -> None:
    """Raise ``UsageError`` for a fault of a host that is not there."""
    names = list(hosts)
    for fault in faults:
        if fault.host not in (*names, "*") and fault.kind != "jumps":
            known = ", ".join(names)
            raise UsageError(f"--fault: no host is called {fault.host!r}; the hosts are {known}, or * for all.")
