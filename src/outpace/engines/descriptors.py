"""Open files that this process may have: a connection is one, and some systems allow 256."""

from __future__ import annotations

import sys

MOST = 1 << 16
"""More than any session has in flight; where there is no limit at all, programs loop over all that may be open."""
SPARE = 64
"""So many this process has open beside its connections."""


def allowed() -> int | None:
    """How many this process may have, after raising that as far as it goes; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited:
        return None
    for wanted in (MOST if hard == unlimited else min(hard, MOST), 10240):  # macOS takes no more, whatever it says
        if wanted > soft:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (ValueError, OSError):
                continue
            return wanted
    return soft


def too_few(connections: int) -> str | None:
    """What is to be done where so many ``connections`` at once are more than this process may have, if they are."""
    needed, most = connections + SPARE, allowed()
    if most is None or needed <= most:
        return None
    return (
        f"{connections} requests at once take about {needed} open files; this machine allows a process {most}. Allow "
        f"more (ulimit -n {needed}, or the limit that a service manager or container sets), or give fewer prompts."
    )
