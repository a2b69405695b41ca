"""Bytes that arrive in pieces of any size, cut into lines."""

from __future__ import annotations

from outpace.ground.errors import AnswerUnreadable
from outpace.ground.hosts import Host

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Lines:
    """The lines of one answer, wherever the network cut it; an answer of more than ``limit`` bytes is unreadable.

    A line ends at a line feed, a carriage return, or both, as server-sent events have it, and at nothing else: text
    inside JSON may hold characters that Unicode counts as line ends. JSON itself holds neither of the two inside of
    text. A byte order mark at the very start is left out.
    """

    def __init__(self, host: Host, limit: int) -> None:
        self._host, self._limit = host, limit
        self._rest = bytearray()
        self._taken = 0
        self._at_start = True
        self._after_return = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that ``piece`` ends, without their ends; raises ``AnswerUnreadable``."""
        self._taken += len(piece)
        if self._taken > self._limit:
            raise AnswerUnreadable(
                f"{self._host.name} sent more than {self._limit} bytes, far more than the tokens asked for can take."
            )
        if self._after_return and piece:
            self._after_return = False
            piece = piece.removeprefix(b"\n")  # one end with the carriage return before it
        if b"\r" in piece:
            self._after_return = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not (self._rest or self._at_start) and piece.endswith(b"\n"):
            return piece[:-1].split(b"\n")
        searched = len(self._rest)
        self._rest += piece
        if self._at_start:
            if len(self._rest) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(self._rest):
                return []
            self._at_start, searched = False, 0
            if self._rest.startswith(BYTE_ORDER_MARK):
                del self._rest[: len(BYTE_ORDER_MARK)]
        end = self._rest.rfind(b"\n", searched)
        if end < 0:
            return []
        lines = bytes(self._rest[:end]).split(b"\n")
        del self._rest[: end + 1]
        return lines

    def rest(self) -> bytes:
        """What came after the last end of a line."""
        return bytes(self._rest)
