"""Dispatch: which host gets which prompt, when, and nothing lost on the way."""

from outpace.dispatch.coordinator import Coordinator
from outpace.dispatch.expectation import HostKnowledge
from outpace.dispatch.job import Job
from outpace.dispatch.ledger import Outcome
from outpace.dispatch.strategies import EXPECTING, RULES, STRATEGIES, Limits, Strategy, adopted, find_strategy, limit_of

__all__ = [
    "EXPECTING",
    "RULES",
    "STRATEGIES",
    "Coordinator",
    "HostKnowledge",
    "Job",
    "Limits",
    "Outcome",
    "Strategy",
    "adopted",
    "find_strategy",
    "limit_of",
]
