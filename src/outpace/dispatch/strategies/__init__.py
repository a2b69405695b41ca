"""The strategies, a file a family: each a short coroutine over a ``Job``.

What hosts do wrong is not their business; a new one is a function and a line in ``registry``.
"""

from outpace.dispatch.job import Strategy
from outpace.dispatch.strategies.load import keep_in_flight
from outpace.dispatch.strategies.published import all_parallel, sequential
from outpace.dispatch.strategies.registry import (
    EXPECTING,
    RULES,
    STRATEGIES,
    Limits,
    adopted,
    find_strategy,
    limit_of,
)

__all__ = [
    "EXPECTING",
    "RULES",
    "STRATEGIES",
    "Limits",
    "Strategy",
    "adopted",
    "all_parallel",
    "find_strategy",
    "keep_in_flight",
    "limit_of",
    "sequential",
]
