"""Run a command on the coordinator of a mesh with a real engine on the laptop and on the desktop.

    PYTHONPATH=tests/helpers python -m mesh COMMAND [ARGUMENT...]

The hosts are put behind the command's name, as NAME=URL each; the desktop is 22 ms away, from 13 to 60, as the remote
host of the published experiment was.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mesh.engines import PUBLISHED, llama
from mesh.network import Mesh, why_not


def main() -> int:
    command, *rest = sys.argv[1:]
    if reason := why_not():
        sys.exit(f"mesh: {reason}")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    with Mesh() as mesh, llama(mesh.laptop, 0) as laptop, llama(mesh.desktop, 1, PUBLISHED) as desktop:
        words = mesh.coordinator.command(command, f"laptop={laptop}", f"desktop={desktop}", *rest)
        return subprocess.run(words, env={**os.environ, "PATH": path}).returncode


if __name__ == "__main__":
    sys.exit(main())
