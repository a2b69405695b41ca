"""Whether prompts fit on hosts by a deadline: a search that tries few alternatives, the likeliest first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

MOST_STEPS = 1_000
DISCREPANCIES = (1, 2, 4, 8)


def pack(works: Sequence[float], rooms: Sequence[float], largest: Sequence[float]) -> list[int] | None:
    """A host's index for each of ``works``, longest first, so that none gets more than its room; None if none is found.

    ``rooms`` is how much work each host can do in time, slowest first, and ``largest`` the most that one piece may be.
    A piece goes to the first host where it fits, and a few pieces to a later one: how many, and by how many places, is
    limited first to little, then to more (W. D. Harvey and M. L. Ginsberg, "Limited discrepancy search", 1995). After
    ``MOST_STEPS`` it gives up, though there may be a way.
    """
    if not works:
        return []
    search = _Search(works, rooms, largest)
    usable = sum(room for room in rooms if room >= works[-1])
    return next((search.places for limit in DISCREPANCIES if search.fits(0, limit, usable)), None)


class _Search:
    def __init__(self, works: Sequence[float], rooms: Sequence[float], largest: Sequence[float]) -> None:
        self.places = [0] * len(works)
        self._works, self._rooms, self._largest = works, list(rooms), largest
        self._left = [*reversed(list(accumulate(reversed(works)))), 0.0]
        """How much work is left before each piece."""
        self._shortest, self._steps = works[-1], 0

    def fits(self, piece: int, limit: int, usable: float) -> bool:
        """Whether the pieces from this one on fit, with so many discrepancies in all, into ``usable`` room."""
        if piece == len(self._works):
            return True
        if usable < self._left[piece]:
            return False
        work = self._works[piece]
        alike: set[tuple[float, float]] = set()
        for host, room in enumerate(self._rooms):
            if room < work or work > self._largest[host] or (room, self._largest[host]) in alike:
                continue
            if len(alike) > limit or self._steps >= MOST_STEPS:
                return False
            self._steps += 1
            left = room - work
            self._rooms[host], self.places[piece] = left, host
            if self.fits(piece + 1, limit - len(alike), usable - (work if left >= self._shortest else room)):
                return True
            self._rooms[host] = room
            alike.add((room, self._largest[host]))
        return False
