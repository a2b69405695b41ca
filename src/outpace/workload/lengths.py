"""Prompts made to a size, and how far engines count otherwise than they were asked for.

No tokenizer is at hand for every model. The words here are common and short, and stand as one token each, with the
space before them, in the vocabularies of today's models; what an engine's own chat template adds comes on top.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from outpace.ground.records import RequestRecord
from outpace.workload.prompts import Prompt

WORDS = """
about again all always animal any around back before best big both call can change close come cut did done down
each earth end even eye family fast feel few fire fish follow for found from game get give good great ground
grow half hard have hear her high his home hot house idea just kind know large late leave less letter light line
little long love made man map may men mile moon most move music name need new night not now off old one open
other out own paper people plan play power quick ran ready red right road room rule said saw school second seem
she short show simple sing six sleep snow song sound space star state step stood story strong such sure take
teach ten that their then these thing this though time told took town tree try two unit use voice walk war was
water week went west wheel where while who why wind wood work would year yet young
""".split()  # noqa: SIM905 - a list of so many strings is no easier to read


def text_of(tokens: int, seed: str) -> str:
    """A text of about so many tokens, 1 or more; the same for the same ``seed``, and soon unlike any other.

    So no cache of earlier prompts holds more of it than a word or two.
    """
    return " ".join(random.Random(seed).choices(WORDS, k=tokens))  # noqa: S311 - no secret


@dataclass(frozen=True)
class Counted:
    """Tokens that were asked for and that a host told, of the same requests, where it told any."""

    asked: int
    told: int

    @property
    def ratio(self) -> float:
        """Told / asked."""
        return self.told / self.asked


def counted(prompts: Iterable[Prompt], requests: Iterable[RequestRecord]) -> dict[str, tuple[Counted, Counted]]:
    """By host, tokens of the prompts that were made to a size, and of the answers that had a limit of their own.

    Only those answered requests count whose host told both. An answer may end before its limit: then ``told`` is less.
    """
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    by_index = {prompt.index: prompt for prompt in prompts}
    for request in requests:
        prompt = by_index[request.prompt]
        asked = prompt.tokens, prompt.max_tokens
        told = request.prompt_tokens, request.output_tokens
        if request.host is not None and request.error is None and None not in (*asked, *told):
            sums = found[request.host]
            for place, value in enumerate((*asked, *told)):
                sums[place] += value or 0
    return {host: (Counted(sums[0], sums[2]), Counted(sums[1], sums[3])) for host, sums in found.items()}
