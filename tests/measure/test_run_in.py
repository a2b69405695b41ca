"""What a run gives is not put into words by the way."""

from __future__ import annotations

import asyncio

from outpace.measure.runs import run_in


def test_nobody_asks_what_a_run_gave_for_its_text() -> None:
    class Given:
        def __repr__(self) -> str:
            raise AssertionError("a million records would be put into words")

    async def give() -> Given:
        return Given()

    with asyncio.Runner() as runner:
        assert isinstance(run_in(runner, give()), Given)
