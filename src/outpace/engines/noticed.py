"""What an engine gives to notice, for the notes of a report: the one way from an answer to a reader."""

from __future__ import annotations

from collections import Counter


class Noticed:
    """What was noticed of one host that bears on its figures, each kind once, with how many answers it was true of."""

    def __init__(self) -> None:
        self.answers = 0
        """How many answers there were to notice something in."""
        self._of_host: dict[str, str] = {}
        self._of_answers: dict[str, str] = {}
        self._often: Counter[str] = Counter()

    def of_host(self, said: str, kind: str = "") -> None:
        """Note what is true of the host, whichever answer showed it; of what is of one ``kind`` the latest."""
        self._of_host[kind or said] = said

    def of_answer(self, kind: str, said: str) -> None:
        """Note what is true of one answer; of all that are of a ``kind``, the first says it."""
        self._of_answers.setdefault(kind, said)
        self._often[kind] += 1

    def often(self, kind: str) -> int:
        """In how many answers something of a ``kind`` was noticed."""
        return self._often[kind]

    def in_words(self, host: str) -> list[str]:
        """All of it, a sentence each."""
        return [f"{host}: {said}." for said in self._of_host.values()] + [
            f"{host}, in {self._often[kind]} of {self.answers} answers: {said}."
            for kind, said in self._of_answers.items()
        ]
