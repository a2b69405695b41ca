"""What a recorded answer says, read once by the very code that reads it live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from outpace.engines.base import SpeakingEngine, Stream
from outpace.ground.errors import RequestFailed
from outpace.workload.prompts import Generation

ANY_SIZE = 1 << 62


@dataclass
class Script:
    """What an answer says, piece by piece as it arrives: ``stream`` has taken all of it in."""

    stream: Stream
    pieces: tuple[int, ...]
    """How many pieces of text each holds."""
    empty: tuple[bool, ...]
    """Whether each holds nothing at all."""
    failed: RequestFailed | None
    """What is wrong with the last of them, if that cannot be read."""
    first: int | None = field(init=False)
    """The first that holds text."""
    _tokens: dict[int, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first = next((at for at, pieces in enumerate(self.pieces) if pieces), None)

    def tokens(self, settings: Generation) -> int | None:
        """How many tokens its engine tells, whenever it is said; raises ``RequestFailed`` where it is no answer."""
        if self.failed:
            raise self.failed.with_traceback(None)
        if settings.max_tokens not in self._tokens:
            completion = self.stream.again(self.stream.told, settings, 0.0, 0.0)
            self._tokens[settings.max_tokens] = completion.output_tokens
        return self._tokens[settings.max_tokens]


def read(speaks: SpeakingEngine, pieces: Sequence[bytes]) -> Script:
    """What ``pieces`` say, as the engine that ``speaks`` reads them."""
    stream = speaks.listen(Generation(), None, ANY_SIZE)
    found: list[int] = []
    failed: RequestFailed | None = None
    for piece in pieces:
        before = stream.pieces
        try:
            stream.feed(piece)
        except RequestFailed as error:
            failed = error
        found.append(stream.pieces - before)
        if failed:
            break
    return Script(stream, tuple(found), tuple(not piece for piece in pieces), failed)
