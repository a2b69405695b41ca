"""Measuring: hosts made ready, rounds of a strategy, sweeps, and when there are rounds enough.

It is the same whether the world is live or replayed. What the figures mean is not said here, and nothing is printed.
"""
