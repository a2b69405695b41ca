"""Replay: the coordinator that is measured live, under a clock of its own."""

from outpace.replay.clock import Stalled, VirtualLoop

__all__ = ["Stalled", "VirtualLoop"]
