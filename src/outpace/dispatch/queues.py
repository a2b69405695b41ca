"""What is meant for each host, in the order in which it came, longest first, and when each would be done with it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice

from outpace.dispatch.expectation import Expectation
from outpace.dispatch.shares import Meant, Shares, are_few, class_of

TAKEN_UP_TO = 64
"""So many places of those that were taken may stand before the others, or as many as these are."""


class Queue:
    """What is meant for one host, by when it came, and of that which came at once the longest first."""

    def __init__(self, meant: Iterable[Meant]) -> None:
        self._places, self._taken = list(meant), 0

    def __len__(self) -> int:
        return len(self._places) - self._taken

    def __iter__(self) -> Iterator[Meant]:
        return islice(self._places, self._taken, None)

    @property
    def last(self) -> Meant:
        """The one whose turn comes last."""
        return self._places[-1]

    def take(self) -> Meant:
        """Take the first out."""
        first = self._places[self._taken]
        self._taken += 1
        if self._taken > max(TAKEN_UP_TO, len(self)):
            del self._places[: self._taken]
            self._taken = 0
        return first

    def put(self, meant: Meant) -> None:
        """Take one in, after what is like it."""
        at = bisect_right(self._places, _turn(meant), self._taken, key=_turn)
        self._places.insert(at, meant)

    def remove(self, meant: Meant) -> None:
        """Take one out, wherever it is; soonest where it is the last."""
        if self._places[-1] is meant:
            self._places.pop()
        else:
            del self._places[self._places.index(meant, self._taken)]


def _turn(meant: Meant) -> tuple[float, float]:
    work, prompt = meant
    return prompt.due_ms, -work


class Queues:
    """A queue of prompts by host; ``resting`` are those who get none for now, as it changes. Times are in seconds.

    Every host is looked at where the first or the last is asked for.
    """

    def __init__(self, shares: Shares, hosts: Sequence[str], expect: Expectation, resting: Collection[str]) -> None:
        self.hosts, self._expect, self._resting = hosts, expect, resting
        self.by_host = {host: Queue(shares[host]) for host in hosts}
        self.queued = {host: sum(work for work, _ in shares[host]) for host in hosts}
        self.busy_until = dict.fromkeys(hosts, 0.0)

    def finish(self, host: str, work: float, now_s: float = 0.0) -> float:
        """When ``host`` would be done with all that is meant for it and ``work`` more."""
        begins = max(self.busy_until[host], now_s)
        ends = begins + (self.queued[host] + work) / self._expect.rate(host)
        return max(ends, now_s + self._expect.alone_s(host, work))

    def ends(self, host: str, now_s: float = 0.0) -> float:
        """When ``host`` would be done with all that is meant for it; never, while it rests."""
        return float("inf") if host in self._resting else self.finish(host, 0.0, now_s)

    def put(self, host: str, meant: Meant, now_s: float) -> None:
        """Let a prompt be meant for ``host`` from now on, after what came before it, among others by its length."""
        self.by_host[host].put(meant)
        self.queued[host] += meant[0]
        self.note(host, now_s)

    def remove(self, host: str, meant: Meant, now_s: float) -> None:
        """Let a prompt be meant for ``host`` no longer."""
        queue = self.by_host[host]
        queue.remove(meant)
        self.queued[host] = self.queued[host] - meant[0] if queue else 0.0
        self.note(host, now_s)

    def take(self, host: str, now_s: float) -> Meant | None:
        """The first of what is meant for ``host``, which begins with it now; None where nothing is."""
        queue = self.by_host[host]
        if not queue:
            return None
        meant = queue.take()
        self.queued[host] = self.queued[host] - meant[0] if queue else 0.0
        self.busy_until[host] = max(self.busy_until[host], now_s) + meant[0] / self._expect.rate(host)
        self.note(host, now_s)
        return meant

    def busy(self, host: str, until_s: float, now_s: float) -> None:
        """``host`` is busy until then, whatever was expected of it."""
        self.busy_until[host] = until_s
        self.note(host, now_s)

    def note(self, host: str, now_s: float) -> None:
        """Take note that something has changed at ``host``."""

    def last(self, now_s: float) -> str | None:
        """The host that would be done last with what is meant for it; None where nothing is meant for any."""
        waited_for = [host for host in self.hosts if self.by_host[host]]
        return max(waited_for, key=lambda host: self.ends(host, now_s), default=None)

    def firsts(self, _now_s: float) -> Iterable[str]:
        """The hosts among which is the one that would be done first with more work, whatever that is."""
        return (host for host in self.hosts if host not in self._resting)

    def soonest(self, work: float, now_s: float, but: str | None = None) -> tuple[float, str] | None:
        """When which host would be done first with ``work`` more, not counting one of them; None where none stands."""
        found = None
        for host in self.firsts(now_s):
            if host != but:
                ends = self.finish(host, work, now_s)
                if found is None or ends < found[0]:
                    found = ends, host
        return found


class OrderedQueues(Queues):
    """The same for very many hosts, kept in order: what is asked costs no more with more of them.

    Among the ``firsts`` is one of each class of hosts by speed. When a host would be done does not change while it is
    busy as expected; once it is late, it goes by the clock. So those who are late are kept apart from the others.
    """

    def __init__(self, shares: Shares, hosts: Sequence[str], expect: Expectation, resting: Collection[str]) -> None:
        super().__init__(shares, hosts, expect, resting)
        self._classes: dict[int, tuple[_Order, _Order]] = {}
        """For each class, who would be free first, and when: of those not late, and, how much from now, of the late."""
        self._class_of: dict[str, int] = {}
        self._lasts = _Order(), _Order()
        """Of those for whom something is meant, who would be done last."""
        self._due = _Order()
        """When those who are not late will be."""
        self._speeds: dict[str, tuple[float, float]] = {}
        """Work a second, and seconds that a work takes alone, as they were last noted."""
        self._aside: set[str] = set()
        for host in hosts:
            self.note(host, 0.0)

    def note(self, host: str, now_s: float) -> None:
        """Take note that something has changed at ``host``."""
        rate = self._expect.rate(host)
        before = now = self._class_of.get(host)
        if before is None or self._speeds[host][0] != rate:
            self._speeds[host] = rate, self._expect.alone_s(host, 1.0)
            now = class_of(rate)
        assert now is not None
        waits_s, busy_until = self.queued[host] / rate, self.busy_until[host]
        late = busy_until < now_s
        at_s = waits_s if late else busy_until + waits_s
        if before != now:
            if before is not None:
                for order in self._classes[before]:
                    order.drop(host)
            self._classes.setdefault(now, (_Order(), _Order()))
            self._class_of[host] = now
        self._classes[now][not late].drop(host)
        self._classes[now][late].put(host, at_s)
        self._lasts[not late].drop(host)
        if self.by_host[host]:
            self._lasts[late].put(host, -at_s)
        else:
            self._lasts[late].drop(host)
        if late:
            self._due.drop(host)
        else:
            self._due.put(host, busy_until)

    def finish(self, host: str, work: float, now_s: float = 0.0) -> float:
        """When ``host`` would be done with all that is meant for it and ``work`` more."""
        rate, alone_s = self._speeds[host]
        begins = self.busy_until[host]
        ends = (begins if begins > now_s else now_s) + (self.queued[host] + work) / rate
        alone = now_s + work * alone_s
        return ends if ends > alone else alone

    def _catch_up(self, now_s: float) -> None:
        """Take note of who is late by now, and who rests no longer."""
        while (due := self._due.first()) is not None and due[0] < now_s:
            self.note(due[1], now_s)
        if self._aside:
            for host in [host for host in self._aside if host not in self._resting]:
                self._aside.discard(host)
                self.note(host, now_s)

    def last(self, now_s: float) -> str | None:
        """The host that would be done last with what is meant for it; None where nothing is meant for any."""
        for host in self._resting:
            if self.by_host.get(host):
                return host
        self._catch_up(now_s)
        found = [order.first() for order in self._lasts]
        ends = [(-each[0] + late * now_s, each[1]) for late, each in enumerate(found) if each is not None]
        return max(ends)[1] if ends else None

    def firsts(self, now_s: float) -> Iterable[str]:
        """One host of each class, the one that would be free first."""
        self._catch_up(now_s)
        resting = self._resting
        for on_time, late in self._classes.values():
            for order in (on_time, late):
                while (found := order.first()) is not None and found[1] in resting:
                    order.drop(found[1])
                    self._aside.add(found[1])
            first, other = on_time.first(), late.first()
            if first is None or (other is not None and other[0] + now_s < first[0]):
                first = other
            if first is not None:
                yield first[1]


class _Order:
    """Hosts by a figure each, the least first; one that is put again is where its new figure says."""

    def __init__(self) -> None:
        self._figures: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def put(self, host: str, figure: float) -> None:
        if self._figures.get(host) == figure:
            return
        self._figures[host] = figure
        heappush(self._heap, (figure, host))
        if len(self._heap) > 64 + 2 * len(self._figures):  # most of it is out of date
            self._heap = [(figure, host) for host, figure in self._figures.items()]
            heapify(self._heap)

    def drop(self, host: str) -> None:
        self._figures.pop(host, None)

    def first(self) -> tuple[float, str] | None:
        heap = self._heap
        while heap:
            if self._figures.get(heap[0][1]) == heap[0][0]:
                return heap[0]
            heappop(heap)
        return None


def queues(shares: Shares, hosts: Sequence[str], expect: Expectation, resting: Collection[str]) -> Queues:
    """Queues that hold what is in ``shares``, kept in order where the hosts are many."""
    return (Queues if are_few(hosts) else OrderedQueues)(shares, hosts, expect, resting)
