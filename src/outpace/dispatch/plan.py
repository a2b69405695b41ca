"""A plan: which prompts are meant for which host, and when each host would be done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from outpace.dispatch.expectation import Expectation
from outpace.dispatch.packing import pack
from outpace.workload.prompts import Prompt

SWAPS_UP_TO = 64
"""With more prompts than this, what a swap of two could win is little, and looking for it takes long."""
FITS_UP_TO = 16_384
"""With more prompts times hosts than this, trying deadlines takes longer than it can win."""
DEADLINES, NEAR = 12, 0.0005
"""So many deadlines are tried, or until what is left to win is less than that share."""
WORTH_S = 1e-9


class Plan:
    """Queues of prompts by host: the better of two old rules for hosts of unequal speed, then improved.

    Longest processing time first gives the prompts, longest first, each to the host that would finish it first (R. L.
    Graham, "Bounds on multiprocessing timing anomalies", 1969; T. Gonzalez, O. H. Ibarra and S. Sahni, "Bounds for LPT
    schedules on uniform processors", 1977). Multifit looks for the earliest deadline by which they fit, each on the
    slowest host where it does (E. G. Coffman, M. R. Garey and D. S. Johnson, "An application of bin-packing to
    multiprocessor scheduling", 1978; D. K. Friesen and M. A. Langston, "Bounds for multifit scheduling on uniform
    processors", 1983); where they are few, other places are tried too. ``improve`` then moves prompts away from the
    host that would finish last, while that helps.
    """

    def __init__(
        self, prompts: Iterable[Prompt], hosts: Sequence[str], expect: Expectation, stands: Callable[[str], bool]
    ) -> None:
        self._hosts, self._expect, self._stands = hosts, expect, stands
        longest_first = sorted(prompts, key=expect.work, reverse=True)
        self._work = {prompt.index: expect.work(prompt) for prompt in longest_first}
        self._busy_until = dict.fromkeys(hosts, 0.0)
        self._left = len(longest_first)
        self._give_to_who_finishes_first(longest_first)
        if self._left * len(hosts) <= FITS_UP_TO:
            self._fit_by_the_earliest_deadline(longest_first)
        self.improve(0.0, swap=self._left <= SWAPS_UP_TO)

    def _clear(self) -> None:
        self._queues: dict[str, list[Prompt]] = {host: [] for host in self._hosts}
        self._queued = dict.fromkeys(self._hosts, 0.0)

    def _give_to_who_finishes_first(self, longest_first: Sequence[Prompt]) -> None:
        self._clear()
        for prompt in longest_first:
            work = self._work[prompt.index]
            self._put(prompt, min(self._hosts, key=lambda host, work=work: self._finish(host, work)))  # type: ignore[misc]

    def _fit_by_the_earliest_deadline(self, longest_first: Sequence[Prompt]) -> None:
        best = self._queues, self._queued
        slowest_first = sorted(self._hosts, key=self._expect.rate)
        late = max(map(self._ends, self._hosts))
        early = sum(self._work.values()) / sum(map(self._expect.rate, self._hosts))
        for _ in range(DEADLINES):
            if late - early < NEAR * late:
                break
            deadline = (early + late) / 2
            fits = self._fit(longest_first, slowest_first, deadline)
            if fits or self._pack(longest_first, slowest_first, deadline):
                best, late = (self._queues, self._queued), max(map(self._ends, self._hosts))
            else:
                early = deadline
        self._queues, self._queued = best

    def _fit(self, longest_first: Sequence[Prompt], slowest_first: Sequence[str], deadline: float) -> bool:
        self._clear()
        for prompt in longest_first:
            work = self._work[prompt.index]
            host = next((host for host in slowest_first if self._finish(host, work) <= deadline + WORTH_S), None)
            if host is None:
                return False
            self._put(prompt, host)
        return True

    def _pack(self, longest_first: Sequence[Prompt], slowest_first: Sequence[str], deadline: float) -> bool:
        """As ``_fit``, with other places tried where few prompts are to be given."""
        if self._left > SWAPS_UP_TO:
            return False
        by = deadline + WORTH_S
        places = pack(
            [self._work[prompt.index] for prompt in longest_first],
            [by * self._expect.rate(host) for host in slowest_first],
            [by / self._expect.alone_s(host, 1.0) for host in slowest_first],
        )
        if places is None:
            return False
        self._clear()
        for prompt, place in zip(longest_first, places, strict=True):
            self._put(prompt, slowest_first[place])
        return True

    def __len__(self) -> int:
        return self._left

    def take(self, host: str, now_s: float) -> Prompt | None:
        """The longest of what is meant for ``host``, which begins with it now; None where nothing is."""
        if not self._queues[host]:
            return None
        prompt = self._queues[host].pop(0)
        self._queued[host] -= self._work[prompt.index]
        self._busy_until[host] = max(self._busy_until[host], now_s) + self._work[prompt.index] / self._expect.rate(host)
        self._left -= 1
        return prompt

    def idle(self, host: str, now_s: float) -> None:
        """``host`` has nothing in flight, whatever was expected of it."""
        self._busy_until[host] = now_s

    def improve(self, now_s: float, *, swap: bool = False) -> bool:
        """Take from the host that would finish last what another would finish before that; ``swap`` two if need be.

        Gives whether anything changed.
        """
        changed = False
        while True:
            waited_for = [host for host in self._hosts if self._queues[host]]
            last = max(waited_for, key=lambda host: self._ends(host, now_s), default=None)
            if last is None:
                return changed
            better = min(self._changes(last, now_s, swap=swap), key=lambda change: change[0], default=None)
            if better is None:
                return changed
            changed = True
            _, prompt, host, back = better
            self._remove(prompt, last)
            self._put(prompt, host)
            if back is not None:
                self._remove(back, host)
                self._put(back, last)
            self._busy_until[host] = max(self._busy_until[host], now_s)

    def _changes(self, last: str, now_s: float, *, swap: bool) -> Iterable[tuple[float, Prompt, str, Prompt | None]]:
        """What would let ``last`` and its partner be done sooner than ``last`` alone is now, and when.

        Without ``swap`` only the shortest prompt is looked at: where it cannot move, no longer one can.
        """
        until = self._ends(last, now_s) - WORTH_S
        others = [host for host in self._hosts if host != last and self._stands(host)]
        for prompt in self._queues[last] if swap else self._queues[last][-1:]:
            work = self._work[prompt.index]
            for host in others:
                ends = max(self._finish(host, work, now_s), self._finish(last, -work, now_s) if swap else 0.0)
                if ends < until:
                    yield ends, prompt, host, None
                elif swap:
                    for back in self._queues[host]:
                        less = work - self._work[back.index]
                        ends = max(self._finish(host, less, now_s), self._finish(last, -less, now_s))
                        if less > 0 and ends < until:
                            yield ends, prompt, host, back

    def _finish(self, host: str, work: float, now_s: float = 0.0) -> float:
        """When ``host`` would be done with all that is meant for it and ``work`` more."""
        begins = max(self._busy_until[host], now_s)
        ends = begins + (self._queued[host] + work) / self._expect.rate(host)
        return max(ends, now_s + self._expect.alone_s(host, work))

    def _ends(self, host: str, now_s: float = 0.0) -> float:
        return self._finish(host, 0.0, now_s) if self._stands(host) else float("inf")

    def _put(self, prompt: Prompt, host: str) -> None:
        queue, work = self._queues[host], self._work[prompt.index]
        at = len(queue)
        while at and self._work[queue[at - 1].index] < work:
            at -= 1
        queue.insert(at, prompt)
        self._queued[host] += work

    def _remove(self, prompt: Prompt, host: str) -> None:
        self._queues[host].remove(prompt)
        self._queued[host] -= self._work[prompt.index]
