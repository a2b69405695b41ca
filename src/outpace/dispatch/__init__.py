"""Dispatch: which host gets which prompt, when, and nothing lost on the way."""

from outpace.dispatch.coordinator import Coordinator, Job, Outcome
from outpace.dispatch.strategies import STRATEGIES, Strategy, find_strategy

__all__ = ["STRATEGIES", "Coordinator", "Job", "Outcome", "Strategy", "find_strategy"]
