"""Pools: contributors that come and go, simulated by the thousand under the coordinator that is measured live."""
