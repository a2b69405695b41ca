"""Hosts that are models, under a clock of their own, with faults and changes that were asked for.

The coordinator in here is the one that is measured live; whatever asks for the real time or a real host has no place.
"""
