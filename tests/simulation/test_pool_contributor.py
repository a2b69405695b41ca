"""A contributor answers as fast as its machine, alone and with others, and leaves in each way there is."""

from __future__ import annotations

import asyncio
import random

import pytest

from outpace.ground.errors import BodyCut, ConnectFailed, PathLost
from outpace.simulation.pool.contributor import Contributor, asking
from outpace.simulation.pool.draws import constant
from outpace.simulation.pool.machine import Kind
from outpace.simulation.pool.presence import ALWAYS, Churn, Leaving
from outpace.workload.prompts import Generation
from virtual import run_virtually

KIND = Kind(constant(10.0), constant(100.0), constant(40.0), 2, ((1, 1.0), (2, 1.5)))
MACHINE = KIND.machine(random.Random(0))
PROMPT = asking(50, 21)
"""Alone: 500 ms to read, 2,100 ms to write."""


def contributor(spans: list[tuple[float, float]] = [ALWAYS], leaving: Leaving = "cuts") -> Contributor:  # noqa: B006
    return Contributor("a", MACHINE, Churn(leaving=((leaving, 1.0),)), iter(spans), "seed")


def test_alone_it_takes_what_its_machine_takes():
    async def main() -> None:
        host = contributor()
        answer = await host.generate(PROMPT, Generation(), "")
        assert answer.first_token_ms == pytest.approx(500 + 100 + 40)
        assert answer.server_ms == pytest.approx(500 + 2100)
        assert asyncio.get_running_loop().time() == pytest.approx(2.640)
        assert (answer.prompt_tokens, answer.output_tokens) == (50, 21)
        assert host.answered_s == pytest.approx(2.6)
        assert host.busy_s(2.64) == pytest.approx(2.64)

    run_virtually(main)


def test_two_at_once_share_what_the_machine_gives_and_a_third_waits():
    async def main() -> None:
        host = contributor()
        answers = await asyncio.gather(*(host.generate(PROMPT, Generation(), "") for _ in range(3)))
        assert [each.server_ms for each in answers] == pytest.approx([2600 / 0.75, 2600 / 0.75, 2600])
        assert [each.queue_ms for each in answers] == pytest.approx([0, 0, 2600 / 0.75])

    run_virtually(main)


def test_whoever_listens_hears_each_token_once():
    async def main() -> None:
        heard: list[float] = []
        loop = asyncio.get_running_loop()
        await contributor().generate(PROMPT, Generation(), "", lambda: heard.append(loop.time()))
        assert len(heard) == 21
        assert heard[0] == pytest.approx(0.640)
        assert heard[-1] == pytest.approx(2.640)

    run_virtually(main)


@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize(
    ("leaving", "error", "at_s", "lost_s"),
    [("cuts", BodyCut, 1.02, 0.98), ("silent", PathLost, 31.0, 0.98), ("drains", None, 2.64, 0.0)],
)
def test_an_answer_under_way_when_it_leaves(listens, leaving, error, at_s, lost_s):
    async def main() -> None:
        host, loop = contributor([(0.0, 1.0)], leaving), asyncio.get_running_loop()
        heard = (lambda: None) if listens else None
        if error is None:
            await host.generate(PROMPT, Generation(), "", heard)
        else:
            with pytest.raises(error, match="left"):
                await host.generate(PROMPT, Generation(), "", heard)
        assert loop.time() == pytest.approx(at_s)
        assert host.left_s == pytest.approx(lost_s)
        assert host.answered_s == pytest.approx(0.0 if error else 2.6)

    run_virtually(main)


@pytest.mark.parametrize(
    ("leaving", "error", "at_s"),
    [("cuts", ConnectFailed, 2.04), ("silent", PathLost, 32.0), ("drains", ConnectFailed, 2.04)],
)
def test_whoever_asks_one_that_is_away_is_told_or_not(leaving, error, at_s):
    async def main() -> None:
        host, loop = contributor([(0.0, 1.0), (100.0, 200.0)], leaving), asyncio.get_running_loop()
        await asyncio.sleep(2.0)
        for ask in (host.ping, lambda: host.generate(PROMPT, Generation(), "")):
            began_s = loop.time()
            with pytest.raises(error):
                await ask()
            assert loop.time() - began_s == pytest.approx(at_s - 2.0)
        await asyncio.sleep(100.0 - loop.time())
        await host.ping()
        assert (await host.generate(PROMPT, Generation(), "")).output_tokens == 21

    run_virtually(main)


def test_one_that_is_called_off_frees_its_slot_and_its_work_was_in_vain():
    async def main() -> None:
        host = contributor()
        asked = asyncio.ensure_future(host.generate(PROMPT, Generation(), ""))
        await asyncio.sleep(1.0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert host.spent_s == pytest.approx(0.98)
        assert (await host.generate(PROMPT, Generation(), "")).queue_ms == 0.0

    run_virtually(main)


def test_who_gave_up_before_the_host_left_is_told_nothing():
    async def main() -> None:
        host = contributor([(0.0, 1.0)], "silent")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await host.generate(PROMPT, Generation(), "")
        assert (host.left_s, host.spent_s) == (pytest.approx(0.98), 0.0)
        await asyncio.sleep(60.0)

    run_virtually(main)
