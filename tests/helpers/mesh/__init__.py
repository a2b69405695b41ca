"""A real mesh on one machine: network namespaces as machines, a bridge as their network, WireGuard between them.

Nothing of it touches the machine's own network. It needs root on Linux (``why_not``), and ``TOOLS``, which .ci/packages
brings. The tunnel is made by the commands of docs/hosts.md, as they stand there.
"""

from mesh.network import TOOLS, Machine, Mesh, why_not

__all__ = ["TOOLS", "Machine", "Mesh", "why_not"]
