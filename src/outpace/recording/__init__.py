"""A session kept as a file: its form, how it is made, imported and redacted, and what is fitted to it.

It holds what happened and draws no conclusion about strategies; nothing is played here.
"""
