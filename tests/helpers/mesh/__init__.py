"""A real mesh on one machine: network namespaces as machines, a bridge as their network, WireGuard between them.

Nothing of it touches the machine's own network. It needs root on Linux, and Debian's packages ``wireguard-go``,
``wireguard-tools``, ``iproute2`` and ``tcpdump``; ``why_not`` says what is missing. The tunnel is made by the commands
of docs/hosts.md, as they stand there.
"""

from mesh.network import Machine, Mesh, why_not

__all__ = ["Machine", "Mesh", "why_not"]
