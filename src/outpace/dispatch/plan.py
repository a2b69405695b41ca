"""A plan: which prompts are meant for which host, and when each host would be done with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from outpace.dispatch.expectation import Expectation
from outpace.dispatch.queues import queues
from outpace.dispatch.shares import WORTH_S, Meant, shared
from outpace.workload.prompts import Prompt

SWAPS_UP_TO = 64
"""With more prompts than this, what a swap of two could win is little, and looking for it takes long."""

MOVES, MOVES_A_CHOICE = 1024, 16
"""As more is learned of a host, a share of all that waits there should be elsewhere. With so many prompts that this is
more moves, it is there by the time that it matters: each later choice may make so many more, and there is one a prompt.
"""

_Change = tuple[Meant, str, Meant | None]
"""A prompt for another host, and one that comes back for it."""


class Plan:
    """Queues of prompts by host, as ``shared`` says at first, then improved.

    ``improve`` moves prompts away from the host that would finish last, while that helps. ``resting`` are the hosts
    that get no prompts for now, as it changes.
    """

    def __init__(
        self, prompts: Iterable[Prompt], hosts: Sequence[str], expect: Expectation, resting: Collection[str]
    ) -> None:
        self._expect, self._resting = expect, resting
        longest_first = [(expect.work(prompt), prompt) for prompt in prompts]
        longest_first.sort(key=lambda meant: meant[0], reverse=True)
        self._left, self._moves = len(longest_first), MOVES
        self._known = {prompt.index for _, prompt in longest_first}
        self._queues = queues(shared(longest_first, hosts, expect), hosts, expect, resting)
        self.improve(0.0, swap=self._left <= SWAPS_UP_TO)

    def __len__(self) -> int:
        return self._left

    def add(self, prompt: Prompt, now_s: float) -> list[str]:
        """Take in a prompt that has come, for the host that would finish it first, after what came before it.

        Gives the hosts for which something is meant that was not before: none where the prompt is known already.
        """
        if prompt.index in self._known:
            return []
        self._known.add(prompt.index)
        self._left += 1
        work = self._expect.work(prompt)
        soonest = self._queues.soonest(work, now_s)
        host = self._queues.hosts[0] if soonest is None else soonest[1]
        self._queues.put(host, (work, prompt), now_s)
        return [host, *self.improve(now_s)]

    def hosts(self) -> list[str]:
        """Those for whom something is meant."""
        return [host for host, queue in self._queues.by_host.items() if queue]

    def take(self, host: str, now_s: float) -> Prompt | None:
        """The longest of what came first and is meant for ``host``, which begins with it now; None where nothing is."""
        meant = self._queues.take(host, now_s)
        if meant is None:
            return None
        self._left -= 1
        return meant[1]

    def idle(self, host: str, now_s: float) -> None:
        """``host`` has nothing in flight, whatever was expected of it."""
        self._queues.busy(host, now_s, now_s)

    def learned(self, host: str, now_s: float) -> None:
        """More is known of ``host``, or it stands again."""
        self._queues.note(host, now_s)

    def improve(self, now_s: float, *, swap: bool = False) -> list[str]:
        """Take from the host that would finish last what another would finish before that; ``swap`` two if need be.

        Gives the hosts for which something is meant that was not before.
        """
        found: dict[str, None] = {}
        waiting = self._queues
        self._moves = min(self._moves + MOVES_A_CHOICE, MOVES)
        while self._moves and (last := waiting.last(now_s)) is not None:
            better = self._swap(last, now_s) if swap else self._move(last, now_s)
            if better is None:
                break
            self._moves -= not swap
            meant, host, back = better
            waiting.remove(last, meant, now_s)
            waiting.busy_until[host] = max(waiting.busy_until[host], now_s)
            waiting.put(host, meant, now_s)
            if back is not None:
                waiting.remove(host, back, now_s)
                waiting.put(last, back, now_s)
            found[host] = None
        return list(found)

    def _move(self, last: str, now_s: float) -> _Change | None:
        """To whom the last prompt in its queue may go so that it is done sooner than ``last`` is now.

        Of those that came together it is the shortest: where that cannot move, no longer one can.
        """
        meant = self._queues.by_host[last].last
        soonest = self._queues.soonest(meant[0], now_s, last)
        if soonest is None or soonest[0] >= self._queues.ends(last, now_s) - WORTH_S:
            return None
        return meant, soonest[1], None

    def _swap(self, last: str, now_s: float) -> _Change | None:
        """What would let ``last`` and its partner be done soonest: any prompt moved, or swapped for a shorter one."""
        waiting = self._queues
        until = best = waiting.ends(last, now_s) - WORTH_S
        better: _Change | None = None
        others = [host for host in waiting.firsts(now_s) if host != last]
        others += [host for host in self.hosts() if host not in (*others, last, *self._resting)]

        def ends(less: float, host: str) -> float:
            return max(waiting.finish(host, less, now_s), waiting.finish(last, -less, now_s))

        for meant in waiting.by_host[last]:
            for host in others:
                found: list[tuple[float, Meant | None]] = [(ends(meant[0], host), None)]
                if found[0][0] >= until:
                    shorter = [back for back in waiting.by_host[host] if back[0] < meant[0]]
                    found = [(ends(meant[0] - back[0], host), back) for back in shorter]
                for ends_s, back in found:
                    if ends_s < best:
                        best, better = ends_s, (meant, host, back)
        return better
