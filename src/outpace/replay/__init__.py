"""Replay: the coordinator that is measured live, under a clock of its own, against a model of recorded hosts."""

from outpace.replay.clock import Stalled, VirtualLoop
from outpace.replay.model import HostModel
from outpace.replay.recording import Recording, Scene
from outpace.replay.transport import ReplayTransport

__all__ = ["HostModel", "Recording", "ReplayTransport", "Scene", "Stalled", "VirtualLoop"]
