"""Engines: one prompt in, one completion out, with the server's own timings."""

from outpace.engines.base import Completion, Engine, Identity
from outpace.engines.client import Client
from outpace.engines.detect import PROTOCOLS, connect

__all__ = ["PROTOCOLS", "Client", "Completion", "Engine", "Identity", "connect"]
