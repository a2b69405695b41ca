"""Agreement: the same prompt under the same settings is read alike and answered alike on all hosts.

Where it is not, the hosts did not do the same work: one of them cuts prompts to its context, serves another
quantisation, or lays out its prompts otherwise. Which of them is right is not said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations

from outpace.ground.records import RequestRecord
from outpace.judge.fairness import Check
from outpace.workload.prompts import Workload

READ_ALIKE, ANSWERED_ALIKE = "prompts read whole and alike on all hosts", "prompts answered alike on all hosts"
TEMPLATE_TOKENS = 32
"""By so many tokens prompts may differ, or by ``SAME_LENGTH``: engines lay them out with templates of their own."""
SAME_LENGTH = 0.05
LONG, CHARACTERS_A_TOKEN = 1000, 10
"""A long prompt, in characters, has a token for every ten of them at least, or was cut."""
BEGINNING = 160
"""So many characters of answers are compared. Equal models part later, as their hosts round differently and let many
requests share a batch; another quantisation or a cut prompt parts most answers in their first words."""
MOST_ANSWERS = 8
"""Different beginnings that are kept of one host's answers to one prompt."""


class Agreement:
    """What hosts, by name, read of each prompt of ``workload`` and answered, gathered over a session's runs.

    ``blotted`` is whether texts are not those that were said, as in a recording that was redacted.
    """

    def __init__(self, workload: Workload, *, blotted: bool = False) -> None:
        self._texts = {prompt.index: prompt.text for prompt in workload.prompts}
        self._temperature, self._blotted = workload.generation.temperature, blotted
        self._read: defaultdict[int, dict[str, int]] = defaultdict(dict)
        self._said: defaultdict[int, dict[str, set[str]]] = defaultdict(dict)

    def note(self, requests: Iterable[RequestRecord], answers: Iterable[str | None]) -> None:
        """Take in one run: its requests, and the text of each one's answer."""
        for request, answer in zip(requests, answers, strict=True):
            if request.host is None or request.error is not None:
                continue
            if request.prompt_tokens is not None:
                read = self._read[request.prompt]
                # Engines may leave out what they had in a cache: the most that was told is the prompt.
                read[request.host] = max(request.prompt_tokens, read.get(request.host, 0))
            if answer is not None:
                said = self._said[request.prompt].setdefault(request.host, set())
                if len(said) < MOST_ANSWERS:
                    said.add(" ".join(answer.split())[:BEGINNING])

    def checks(self) -> list[Check]:
        """Whether the hosts agree, as far as they have told until now."""
        return [self._read_alike(), self._answered_alike()]

    def _read_alike(self) -> Check:
        if not self._read:
            return Check(READ_ALIKE, None, "the engines do not tell it")
        worst, by = max(((prompt, _apart(read)) for prompt, read in self._read.items()), key=lambda each: each[1])
        if by > 0:
            return Check(READ_ALIKE, False, _tokens(worst, self._read[worst]))
        for prompt, read in () if self._blotted else self._read.items():
            characters = len(self._texts[prompt])
            if characters >= LONG and max(read.values()) < characters / CHARACTERS_A_TOKEN:
                return Check(READ_ALIKE, False, f"{_tokens(prompt, read)}, which has {characters} characters")
        if max(map(len, self._read.values())) < 2:
            return Check(READ_ALIKE, None, "no prompt was read by two hosts that tell it")
        most = max(max(read.values()) - min(read.values()) for read in self._read.values())
        return Check(READ_ALIKE, True, f"they differ by {most} tokens at most")

    def _answered_alike(self) -> Check:
        if self._temperature > 0:
            return Check(ANSWERED_ALIKE, None, f"nothing promises it at a temperature of {self._temperature:g}")
        if self._blotted:
            return Check(ANSWERED_ALIKE, None, "what was said was left out of the recording")
        both: defaultdict[tuple[str, str], int] = defaultdict(int)
        parted: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for prompt, said in self._said.items():
            for one, other in combinations(sorted(said), 2):
                both[one, other] += 1
                if not any(_alike(ours, theirs) for ours in said[one] for theirs in said[other]):
                    parted[one, other].append(prompt)
        if not both:
            return Check(ANSWERED_ALIKE, None, "no prompt was answered by two hosts")
        apart = {pair: prompts for pair, prompts in parted.items() if 2 * len(prompts) > both[pair]}
        if not apart:
            most = max(both, key=lambda pair: len(parted.get(pair, ())) / both[pair])
            count = len(parted.get(most, ()))
            return Check(ANSWERED_ALIKE, True, f"two hosts part in {count} of {both[most]} prompts at most")
        return Check(ANSWERED_ALIKE, False, self._otherwise(apart, both))

    def _otherwise(self, apart: Mapping[tuple[str, str], list[int]], both: Mapping[tuple[str, str], int]) -> str:
        """Names the host that most others part from, with an example, which repeats nothing of what was said."""
        times = Counter(host for pair in apart for host in pair)
        odd = max(times, key=lambda host: (times[host], host))
        pair = next(pair for pair in apart if odd in pair)
        (other,) = set(pair) - {odd}
        prompt, *_ = apart[pair]
        at = max(_common(ours, theirs) for ours in self._said[prompt][odd] for theirs in self._said[prompt][other])
        return (
            f"{odd} answers otherwise than {other}: {len(apart[pair])} of {both[pair]} prompts, prompt {prompt} for "
            f"example from character {at} on; --keep-answers keeps what was said"
        )


def _apart(read: Mapping[str, int]) -> float:
    """By how many tokens more than templates may do hosts read a prompt differently; 0 or less where they do not."""
    least, most = min(read.values()), max(read.values())
    return most - least - max(TEMPLATE_TOKENS, SAME_LENGTH * most)


def _tokens(prompt: int, read: Mapping[str, int]) -> str:
    least, *others = sorted(read, key=lambda host: read[host])
    said = f"{least} read {read[least]} tokens of prompt {prompt}"
    return f"{said}, {others[-1]} {read[others[-1]]}" if others else said


def _alike(one: str, other: str) -> bool:
    """Whether one text begins with the other; engines may differ by a token in when they stop."""
    return _common(one, other) == min(len(one), len(other)) and bool(one) == bool(other)


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next(
        (at for at, (ours, theirs) in enumerate(zip(one, other, strict=False)) if ours != theirs),
        min(map(len, (one, other))),
    )
