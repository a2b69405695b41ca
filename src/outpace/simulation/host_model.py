"""The host model: how long a prompt takes on a host, and what the host answers, out of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from outpace.ground.errors import DocumentInvalid
from outpace.judge.capacity import Level
from outpace.recording import fitted_levels
from outpace.recording.fitted_pace import SHORTEST_MS, Pace
from outpace.recording.recording import Exchange, RecordedHost, Recording, Scene
from outpace.simulation.told_times import split_told

MIDDLE_PIECES = 7
"""In so many pieces, at most, is what comes between the first text and the end given out."""


@dataclass(frozen=True)
class Answer:
    """What a host says to one prompt: ``head`` up to the first text, ``middle``, ``rest``, and then ``told``.

    ``head_ms`` and ``work_ms`` are when the first text and the end are due, in ms of work; ``middle`` holds pieces,
    each with when it is due. ``told`` are the last events, and ``recorded_ms`` is the work that times in them mean.
    """

    content_type: str
    head: bytes
    rest: bytes
    told: bytes
    head_ms: float
    work_ms: float
    recorded_ms: float
    middle: tuple[tuple[float, bytes], ...] = ()

    def stretched(self, work_ms: float) -> Answer:
        """The same answer with so much work."""

        def due_ms(at_ms: float) -> float:
            return min(at_ms / self.work_ms * work_ms, work_ms)  # rounding must not put it behind the end

        middle = tuple((due_ms(at_ms), piece) for at_ms, piece in self.middle)
        return replace(self, head_ms=due_ms(self.head_ms), work_ms=work_ms, middle=middle)


class HostModel:
    """One recorded host: its capacity, the work of each prompt on it, and the bytes that it answers."""

    def __init__(self, host: RecordedHost, recording: Recording) -> None:
        self.host = host
        self.speed = speed_curve(host.levels, host.slots)
        self._bodies = _bodies(host, recording)
        self._pace = Pace(host.name, recording)
        self._said: dict[int, Answer] = {}
        self._answers: dict[tuple[int, Scene], Answer] = {}

    def answer(self, prompt: int, scene: Scene) -> Answer:
        """What the host answers to ``prompt`` in ``scene``."""
        key = (prompt, scene)
        if key not in self._answers:
            said = self._said.get(prompt) or self._said.setdefault(prompt, self._say(self._bodies[prompt]))
            self._answers[key] = said.stretched(self._pace.work_ms(prompt, scene))
        return self._answers[key]

    def _say(self, exchange: Exchange) -> Answer:
        """The answer as it was recorded."""
        round_trip_ms = self.host.round_trip_ms
        work_ms = max(exchange.wall_ms - round_trip_ms, SHORTEST_MS)
        at = fitted_levels.first_text_piece(exchange)
        came_ms = [min(max(ms - round_trip_ms, 0.0), work_ms) for ms, _ in exchange.chunks]
        pieces = [piece for _, piece in exchange.chunks]
        head, after, head_ms = b"".join(pieces[: at + 1]), pieces[at + 1 :], came_ms[at]
        if not after:  # all of it came in one piece
            return Answer(exchange.content_type, b"", *split_told(head), work_ms, work_ms, work_ms)
        rest, told = split_told(b"".join(after))
        middle, given = [], 0
        for last in range(MIDDLE_PIECES):
            count = len(after) * (last + 1) // (MIDDLE_PIECES + 1)
            length = sum(map(len, after[:count]))
            if given < length < len(rest):
                middle.append((max(came_ms[at + count], head_ms), rest[given:length]))
                given = length
        return Answer(exchange.content_type, head, rest[given:], told, head_ms, work_ms, work_ms, tuple(middle))


def speed_curve(levels: Sequence[Level], slots: int) -> Callable[[int], float]:
    """Speed of each of n requests in work together, relative to one alone.

    Between the measured levels the throughput is interpolated linearly; beyond the last it stays what it was there.
    """
    points = sorted((level.in_flight, level.tokens_per_s) for level in levels if level.in_flight <= slots)
    if not points or points[0][0] != 1:
        return lambda in_work: 1.0 if slots == 1 else 1.0 / in_work
    alone = points[0][1]

    def total(in_work: int) -> float:
        for (low, low_rate), (high, high_rate) in pairwise(points):
            if low <= in_work <= high:
                return low_rate + (high_rate - low_rate) * (in_work - low) / (high - low)
        return points[-1][1]

    return cache(lambda in_work: total(in_work) / alone / in_work)


def _bodies(host: RecordedHost, recording: Recording) -> dict[int, Exchange]:
    """For each prompt the exchange whose bytes are replayed: the host's own, the least disturbed, or another host's."""
    best: dict[int, Exchange] = {}
    for each in recording.exchanges:
        if each.answered and each.prompt is not None:
            known = best.get(each.prompt)
            rank = (each.host == host.name, -each.wall_ms)
            if known is None or rank > (known.host == host.name, -known.wall_ms):
                best[each.prompt] = each
    missing = [prompt.index for prompt in recording.workload.prompts if prompt.index not in best]
    if missing:
        raise DocumentInvalid(f"The recording holds no answer to prompt {missing[0]}: it cannot be replayed.")
    return best
