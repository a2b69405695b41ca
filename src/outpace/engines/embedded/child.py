"""What the engine and the relay share as child processes: one line to the parent, and no life after it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import NoReturn

LOOPBACK = "127.0.0.1"
"""Where a child listens unless it is told otherwise."""


def end_with_parent() -> None:
    """End this process as soon as the parent has, however it ended; and leave Ctrl-C to the parent.

    Stdin is a pipe whose write end only the parent holds: the kernel closes it even after ``kill -9``. That works on
    every system, and nothing has to be installed in the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_at_end_of_stdin, name="parent-watch", daemon=True).start()


def _exit_at_end_of_stdin() -> NoReturn:
    # os.read and not sys.stdin: a thread inside a buffered reader holds its lock, and with it up the interpreter's end.
    while os.read(0, 4096):
        pass
    # No cleaning up: llama.cpp's threads may be in the middle of a generation, and nobody is left to wait for it.
    os._exit(0)


def take_stdout() -> int:
    """Keep stdout for the one line to the parent, and send what anything else prints there to stderr, the log.

    Returns the file descriptor for ``tell_address``.
    """
    sys.stdout.flush()
    to_parent = os.dup(1)
    os.dup2(2, 1)
    return to_parent


def tell_address(to_parent: int, url: str) -> None:
    """Tell the parent that this process answers at ``url``: one line of JSON, after which the pipe is closed."""
    with os.fdopen(to_parent, "w", encoding="utf-8") as line:
        line.write(json.dumps({"url": url}) + "\n")
